"""Write the accelerator as an IP package: Verilog, and component.xml that Vivado's IP catalog reads."""

import dataclasses
from pathlib import Path

from vta.commands._common import config_argument

NAME = "ip"
HELP = "write the IP-XACT package of a configuration or board"
EPILOG = """examples:
  vta ip --board pynq-z2           build/ip/pynq-z2/component.xml and vta.v
  vta ip --all                     the same for every board
  vta ip --config my_config.json   any configuration
"""


def add_arguments(parser):
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--board", help="the configuration of this board (docs/boards.md lists them)")
    config_argument(what, otherwise="default, without --board and --all")
    what.add_argument("--all", action="store_true", help="every board")
    parser.add_argument("--out", type=Path, default=Path("build/ip"),
                        help="folder; the package goes into a folder of its own in it (default: %(default)s)")


def run(args):
    from vta.hw.boards import BOARDS, find_board
    from vta.hw.config import Config
    from vta.hw.export import vivado
    from vta.hw.export.verilog import vta_verilog
    if args.all:
        configs = [board.config for board in BOARDS.values()]
    elif args.board:
        configs = [find_board(args.board).config]
    else:
        configs = [Config.load(args.config or "default")]
    texts = {}                                   # configurations that differ in labels only share the Verilog
    for config in configs:
        unlabelled = dataclasses.replace(config, target="", hw_ver="")
        if unlabelled not in texts:
            texts[unlabelled] = vta_verilog(config)
        folder = vivado.write_package(config, texts[unlabelled], args.out / config.name)
        print(f"{folder}/component.xml, vta.v: configuration {config.name}, hash 0x{config.hash:08x}")
