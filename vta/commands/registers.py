"""Write the register map: as the page docs/registers.md, as C header, IP-XACT memory map or JSON."""

from pathlib import Path

from vta.commands._common import config_argument

NAME = "registers"
HELP = "write the register map: Markdown, C header, IP-XACT, JSON"
FORMATS = ("md", "counters", "c", "ipxact", "json")


def add_arguments(parser):
    parser.add_argument("--format", choices=FORMATS, default="md",
                        help="md: docs/registers.md; counters: docs/counters.md; c: a C header; ipxact: the "
                             "memory map of component.xml; json (default: %(default)s)")
    config_argument(parser, ", for c, ipxact, json")
    parser.add_argument("--out", type=Path, help="file to write (default: standard output)")


def run(args):
    from vta.hw.config import Config
    from vta.hw.export import cheader, ipxact, regdoc
    config = Config.load(args.config)
    text = {"md": lambda: regdoc.registers_markdown(), "counters": lambda: regdoc.counters_markdown(),
            "c": lambda: cheader.c_header(config), "ipxact": lambda: ipxact.memory_map_xml(config),
            "json": lambda: regdoc.registers_json(config)}[args.format]()
    if args.out:
        args.out.write_text(text)
    else:
        print(text, end="")
