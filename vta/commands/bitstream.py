"""Build a board's bitstream, with Vivado or, for boards with an ECP5, with open tools.

Flow vivado: writes everything Vivado needs to one folder and runs it, stage by stage. Without Vivado it reports what is
missing and leaves the folder complete, for use on another machine. A manifest (configuration, hash, source revision,
timing met or not) is written in either case. A board needs .bit, .hwh and manifest.

Flow ecp5: LiteX makes the system with DRAM and Ethernet, Yosys, nextpnr and ecppack the bitstream. Never carried
through routing yet, and without a runtime: see docs/boards.md.
"""

import dataclasses
from pathlib import Path

from vta.commands._common import config_argument

NAME = "bitstream"
HELP = "build a board's bitstream with Vivado or open tools"
EPILOG = """examples:
  vta bitstream --list
  vta bitstream --board pynq-z2
  vta bitstream --board zcu104 --clock-mhz 200 --scripts-only
  vta bitstream --flow ecp5 --board ecpix-5
"""


def add_arguments(parser):
    parser.add_argument("--flow", choices=("vivado", "ecp5"), default="vivado",
                        help="which tools (default: %(default)s)")
    parser.add_argument("--board", help="which board")
    parser.add_argument("--list", action="store_true", help="list the boards")
    config_argument(parser, otherwise="the board's own")
    parser.add_argument("--clock-mhz", type=int, help="clock frequency (default: the board table's)")
    parser.add_argument("--out", type=Path, help="folder to work in (default: build/boards/BOARD)")
    parser.add_argument("--scripts-only", action="store_true", help="write the folder, do not run the tools")


def run(args):
    from vta.hw.boards import BOARDS, LITEX_BOARDS, BoardError, bitstream_name, find_board
    from vta.hw.config import Config
    from vta.hw.export import vivado
    from vta.hw.export.verilog import vta_verilog
    boards = BOARDS if args.flow == "vivado" else LITEX_BOARDS
    if args.list:
        for board in boards.values():
            print(f"{board.name:12} {board.title:18} {board.part:22} {board.clock_mhz} MHz")
        return 0
    if not args.board:
        raise BoardError(f"which board? --board {'|'.join(boards)}")
    board = find_board(args.board, boards)
    config = Config.load(args.config) if args.config else board.config
    if args.clock_mhz is not None:
        if not 10 <= args.clock_mhz <= 500:
            raise BoardError(f"--clock-mhz {args.clock_mhz}: must be 10 to 500")
        board = dataclasses.replace(board, clock_mhz=args.clock_mhz)
    folder = args.out or Path("build/boards") / board.name
    text = vta_verilog(config)
    if args.flow == "ecp5":
        return _open(board, config, text, folder, args.scripts_only)
    vivado.write_folder(board, config, text, folder)
    manifest = folder / f"{bitstream_name(config)}.json"
    vivado.write_manifest(vivado.manifest(board, config, text, folder), manifest)
    print(f"{folder}: IP package, settings and Tcl of {len(vivado.STAGES)} stages for the {board.title}")
    if args.scripts_only:
        return 0
    vivado.run_stages(folder)
    done = vivado.manifest(board, config, text, folder)
    vivado.write_manifest(done, manifest)
    timing = done["timing"]
    if not timing["met"]:
        raise vivado.VivadoError(vivado.timing_advice(done))
    print(f"{folder / done['bitstream']}.bit: timing met, {timing['wns_ns']} ns to spare")
    return 0


def _open(board, config, text, folder, scripts_only):
    from vta.commands._common import log_to_stderr
    from vta.sim import open_flow
    log_to_stderr()
    open_flow.write_folder(board, config, text, folder)
    print(f"{folder}: Verilog and settings of the LiteX system for the {board.title}")
    if scripts_only:
        return 0
    done = open_flow.run(board, config, text, folder)
    if not done["timing"]["met"]:
        raise open_flow.ToolchainError(f"timing is not met: {open_flow.clocks(done)}; try --clock-mhz lower")
    print(f"{folder / open_flow.DESIGN}.bit: timing met, {open_flow.clocks(done)}")
    return 0
