"""Tuning: time many tilings of an operator, run the best on a device if one is given, save the best in a file.

    found = tune(ops.conv2d, ((1, 64, 56, 56), 64, 3), {"pad": 1}, count=25)
    save("tilings.json", found[0])
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from vta.compiler.ops.checks import need
from vta.compiler.ops.operator import Operator
from vta.compiler.ops.search import diverse
from vta.compiler.ops.tilings import TilingsFile
from vta.compiler.ops.window import Tiling
from vta.compiler.timing import traffic


@dataclass(frozen=True)
class Candidate:
    """One tiling: the `operator` built with it, its predicted cycles, and those measured in a run, or None."""

    operator: Operator
    tiling: Tiling
    predicted: int
    measured: int | None = None

    @property
    def cycles(self):
        return self.predicted if self.measured is None else self.measured


def tunable(build: Callable[..., Operator]) -> bool:
    """Whether an operator takes a tiling."""
    return any(each.name == "tiling" or each.kind is each.VAR_KEYWORD
               for each in inspect.signature(build).parameters.values())


def tune(build: Callable[..., Operator], arguments: tuple, options: dict, *, count: int = 25, device=None,
         runs: int = 3, progress: Callable[[int, int, Candidate], None] | None = None) -> list[Candidate]:
    """The candidates, best first. `build(*arguments, **options)` makes the operator.

    The `count` best tilings by estimate are timed; with a `device` the best `runs` of those are run on zeros.
    progress: called with (tilings done, of how many, best so far). OperatorError for an operator that takes no
    tiling.
    """
    need(tunable(build), f"{build.__name__} takes no tiling: nothing to tune")
    first = build(*arguments, **options)
    tilings = diverse(first.about.windows[0], first.about.post, first.config, count)
    found = []
    for done, tiling in enumerate(tilings, 1):
        operator = build(*arguments, **options, tiling=tiling)
        found.append(Candidate(operator, tiling, operator.about.predicted))
        found.sort(key=lambda each: each.predicted)
        if progress:
            progress(done, len(tilings), found[0])
    if device is not None:
        found[:runs] = sorted((_measure(each, device) for each in found[:runs]), key=lambda each: each.measured)
    return found


def _measure(found, device):
    zeros = [np.zeros(shape, np.int8) for shape in found.operator.shapes.values()]
    cycles = found.operator.run(device, *zeros)[1].cycles
    need(cycles is not None, f"device {device.name!r} has no cycles to measure: take tsim or a board")
    return replace(found, measured=cycles)


def report(found: Candidate) -> list[str]:
    """How far a candidate is from the machine's floor, and why, as lines."""
    about, config = found.operator.about, found.operator.config
    (window,), floor, passes = about.windows, about.floor, about.post.passes
    stats = traffic(found.operator.program.code.insns, config)
    beats = stats["read_bytes"] / config.bus_bytes
    lines = [f"tiling     {found.tiling}", f"fold       {about.fold}", f"predicted  {found.predicted} cycles"]
    if found.measured is not None:
        lines.append(f"measured   {found.measured} cycles "
                     f"({100 * (found.predicted / found.measured - 1):+.2f} %)")
    lines += [f"floor      {floor} cycles: {window.steps} GEMM steps, {passes} passes over "
              f"{window.outputs} outputs", f"efficiency {100 * floor / found.cycles:.1f} %",
              f"reads      {beats:.0f} beats, {100 * beats / found.cycles:.1f} % of the cycles"]
    what, least = ("the tensor core and the ALU", floor) if floor >= beats else ("the read bus", beats)
    lines.append(f"bound by   {what}; {found.cycles - least:.0f} cycles are start, end and waiting")
    return lines


def save(path, found: Candidate):
    """Add a candidate to the tilings file at `path`."""
    about = found.operator.about
    TilingsFile(path).add(found.operator.config, about.windows[0], about.post, found.tiling,
                          {"operator": found.operator.name, "predicted": found.predicted, "measured": found.measured})
