"""Test a device from end to end: registers, launches, tokens, errors, interrupt.

Ends with exit code 1 if a check fails. The same checks run on the RTL in simulation and on a board, through
the same driver.
"""

import json

from vta.commands._common import config_argument, device_argument

NAME = "selftest"
HELP = "test a device: registers, launches, errors, interrupt"
EPILOG = """examples:
  vta selftest --device tsim --config tiny
  vta selftest --device pynq                 on the board
  vta selftest --device tcp://board:7780     from elsewhere, without the register checks
"""


def add_arguments(parser):
    device_argument(parser)
    config_argument(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object for each check")


def run(args):
    from vta.runtime.device import open_device
    from vta.runtime.selftest import selftest

    def report(result):
        if args.json:
            print(json.dumps({"check": result.name, "passed": result.passed, "message": result.message}))
        else:
            word = {True: "ok", False: "FAILED", None: "left out"}[result.passed]
            print(f"{result.name:26} {word:9} {result.message}", flush=True)

    with open_device(args.device, args.config) as device:
        results = selftest(device, report)
    failed = sum(result.passed is False for result in results)
    if not args.json:
        done = sum(result.passed is not None for result in results)
        print(f"{done - failed} of {done} checks passed on {args.device}, configuration {device.config.name}")
    return 1 if failed else 0
