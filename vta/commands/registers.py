"""`vta registers`: the register map as documentation, C header, IP-XACT or JSON."""

from pathlib import Path

from vta.hw import cheader, ipxact, regdoc
from vta.hw.config import Config

NAME = "registers"
HELP = "write the register map: Markdown, C header, IP-XACT, JSON"
FORMATS = {
    "md": lambda config: regdoc.registers_markdown(),
    "counters": lambda config: regdoc.counters_markdown(),
    "c": cheader.c_header,
    "ipxact": ipxact.memory_map_xml,
    "json": regdoc.registers_json,
}


def add_arguments(parser):
    parser.add_argument("--format", choices=FORMATS, default="md",
                        help="md: docs/registers.md; counters: docs/counters.md; c: a C header; ipxact: the "
                             "memory map of component.xml; json (default: %(default)s)")
    parser.add_argument("--config", default="default", help="preset or vta_config.json")
    parser.add_argument("--out", type=Path, help="file to write (default: standard output)")


def run(args):
    text = FORMATS[args.format](Config.load(args.config))
    if args.out:
        args.out.write_text(text)
    else:
        print(text, end="")
    return 0
