"""Place and route on a Lattice ECP5 with nextpnr: clock, critical path and utilisation of a routed design.

A configuration of the size of the presets for Zynq does not fit (its products need more multipliers than the largest
ECP5 has); CONFIG is the largest of that shape that does. Ports are behind registers, see `harness.py`.
"""

import json
import shutil
from dataclasses import dataclass

from vta.hw.boards import ECP5_CONFIG
from vta.sim import nextpnr
from vta.sim.cosim.toolchain import cache_folder, locked
from vta.sim.synthesis import ECP5, content_key, metadata_version, pack, read, synthesise
from vta.sim.timing.harness import harness

DEVICE = "LFE5UM5G-85F, CABGA756, speed grade 8"
OPTIONS = ("--um5g-85k", "--package", "CABGA756", "--speed", "8")
TARGET_MHZ = 100             # what the placer aims for; the result is the measured maximum
SEED = 1
CONFIG = ECP5_CONFIG


@dataclass(frozen=True)
class Routed:
    """A routed design: the folder with `report.json`, `routed.sdf.gz` and `place.log`."""

    synthesis: object
    folder: object
    seed: int

    def read(self, name):
        """The text of a file of the folder."""
        return read(self.folder / name)

    @property
    def report(self):
        return json.loads(self.read("report.json"))

    @property
    def mhz(self):
        """The maximum frequency of the one clock, as nextpnr reports it."""
        return min(clock["achieved"] for clock in self.report["fmax"].values())

    @property
    def used(self):
        """{type of cell: (used, available)} of those in use."""
        return {name: (found["used"], found["available"]) for name, found in self.report["utilization"].items()
                if found["used"]}


def place_and_route(config=CONFIG, seed=SEED):
    """The Routed design of `config`; some ten minutes unless cached, progress goes to the log.

    Raises ToolchainError if nextpnr or Yosys is missing or fails, or the design does not fit.
    """
    synthesis = synthesise(config, ECP5, harness)
    options = (*OPTIONS, "--seed", str(seed), "--freq", str(TARGET_MHZ))
    key = content_key(synthesis.folder.name, *options, metadata_version(nextpnr.PACKAGE))
    folder = cache_folder() / f"routed-{key}"
    with locked(folder.with_suffix(".lock")):
        if not folder.exists():
            _run(folder, synthesis, options)
    return Routed(synthesis, folder, seed)


def _run(folder, synthesis, options):
    partial = folder.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    (partial / "design.json").write_text(synthesis.read("design.json.gz"))
    nextpnr.run(partial, *options, "--json", "design.json", "--report", "report.json", "--sdf", "routed.sdf")
    (partial / "design.json").unlink()
    pack(partial / "routed.sdf")
    partial.rename(folder)
