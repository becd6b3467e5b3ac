"""Write the Verilog of an accelerator: one file, the top module is `vta`, the same text on every machine."""

from pathlib import Path

from vta.commands._common import config_argument

NAME = "verilog"
HELP = "write the accelerator as Verilog"
EPILOG = """examples:
  vta verilog                                the default configuration, to standard output
  vta verilog --config pynq --out vta.v      a preset
  vta verilog --config my_config.json        any configuration
"""


def add_arguments(parser):
    config_argument(parser)
    parser.add_argument("--out", type=Path, help="file to write (default: standard output)")


def run(args):
    from vta.hw.config import Config
    from vta.hw.export.verilog import vta_verilog
    config = Config.load(args.config)
    text = vta_verilog(config)
    if args.out is None:
        print(text, end="")
    else:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(text)
        print(f"{args.out}: configuration {config.name}, hash 0x{config.hash:08x}")
