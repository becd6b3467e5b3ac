"""Run the benchmark on the RTL: cycles of real layers against the bound of an ideal machine.

Cycles are exact: they are the same on every machine. Every result is compared with numpy, bit for bit. Where
a folder of vectors is named, the streams in it whose bound is above 20,000 cycles are measured as well.
"""

import contextlib
import fnmatch
import functools
import io
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vta.compiler.timing import predict
from vta.hw.config import Config
from vta.pictures.roofline import Point, peak, roofline
from vta.runtime.device import open_device
from vta.runtime.progress import Progress
from vta.runtime.replay import replay
from vta.runtime.report import advice
from vta.runtime.vector import load_vector
from vta.sim.bound import bound
from vta.suite import LAYERS, RESNET18_CONVOLUTIONS, example, layer, random_arguments

NAME = "bench"
HELP = "cycles of real layers on the RTL against the bound, as a table"
EPILOG = "example: vta bench --only 'resnet18_C*' --latency 64"
BY_HAND = "seed_by_hand"
LARGE = 20_000       # cycles of bound from which a vector is part of the table
MARKER = "<!-- measured: vta bench -->"


def add_arguments(parser):
    parser.add_argument("--config", default="default", help="preset or file (default: %(default)s)")
    parser.add_argument("--latency", type=int, default=16, help="memory latency in cycles (default: %(default)s)")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="rows whose name matches, e.g. 'resnet18_C*'")
    parser.add_argument("--vectors", type=Path, metavar="FOLDER", help="measure the vector files in FOLDER too")
    parser.add_argument("--write", type=Path, metavar="FILE", help="replace the table in this Markdown file")
    parser.add_argument("--roofline", type=Path, metavar="FILE", help="draw the roofline into this SVG file")


@dataclass(frozen=True)
class Row:
    """One measurement. `loss`: compute's largest loss of cycles as (counter, share), or None. `predicted`: the
    cycles that the compiler's timing model expects."""

    name: str
    insns: int
    gemm: int
    alu: int
    bound: int
    cycles: int
    seconds: float
    loss: tuple | None
    predicted: int
    read_bytes: int
    write_bytes: int

    @property
    def efficiency(self):
        return self.bound / self.cycles


def run(args):
    config = Config.load(args.config)
    if args.write:
        if args.only != "*":
            raise ValueError(f"--only {args.only} --write {args.write}: a part would replace the whole table")
        _around(args.write)                  # refuse a bad file now, not after the work
    rows = []
    with open_device("tsim", config, latency=args.latency, say=_say) as device:
        for name, measure in _measurements(args, config):
            row = measure(device, name, args.latency)
            _say(f"{row.name:<26} {row.cycles:>9} cycles, bound {row.bound:>9}, efficiency {row.efficiency:.1%}")
            rows.append(row)
    if not rows:
        raise ValueError(f"no row of the benchmark matches {args.only!r}")
    text = table(rows, config, args.latency)
    print(text)
    if args.write:
        _replace(args.write, text)
    if args.roofline:
        points = [Point(row.name, row.gemm * peak(config), row.read_bytes, row.write_bytes, row.cycles) for row in rows]
        args.roofline.write_text(roofline(points, config, args.latency).svg())
    return 0


def _measurements(args, config):
    """(name, function of device and name) of everything asked for."""
    found = [(BY_HAND, _by_hand), *((name, _layer) for name in LAYERS)]
    found += [(vector.name, functools.partial(_vector, vector)) for vector in _vectors(args, config)]
    for name, measure in found:
        if fnmatch.fnmatch(name, args.only):
            yield name, measure


def _vectors(args, config):
    """The vectors of the folder that this configuration runs and that take long enough to be worth a row."""
    if args.vectors is None:
        return
    paths = sorted(args.vectors.glob("*.npz"))
    if not paths:
        raise ValueError(f"no vector files (*.npz) in {args.vectors}")
    for path in paths:
        vector = load_vector(path)
        if vector.config.architecture == config.architecture and bound(
                vector.insns, config, latency=args.latency, bus_bytes=config.bus_bytes,
                tokens_before=vector.tokens_before).cycles > LARGE:
            yield vector


def _row(device, name, latency, insns, result, uops, tokens=None):
    config = device.config
    least = bound(insns, config, latency=latency, bus_bytes=config.bus_bytes, tokens_before=tokens).cycles
    worst = advice(result)
    counts = result.counters
    return Row(name, len(insns), counts["gemm_steps"], counts["alu_steps"], least, result.cycles, result.seconds,
               worst[:2] if worst else None,
               predict(insns, config, latency, tokens_before=tokens, uops=uops).cycles,
               counts["read_beats"] * config.bus_bytes, counts["write_beats"] * config.bus_bytes)


def _by_hand(device, name, latency):
    module = example("conv2d_by_hand")
    program = module.build(device.config)
    with Progress(name, sys.stderr, None) as progress, contextlib.redirect_stdout(io.StringIO()):
        result = module.main(device, progress=progress)
    return _row(device, name, latency, program.code.insns, result, _image(program.code))


def _layer(device, name, latency):
    operator = layer(name, device.config)
    arguments = random_arguments(operator)
    with Progress(name, sys.stderr, None) as progress:
        packed, result = operator.run(device, *arguments, progress=progress)
    if not np.array_equal(operator.output(packed), operator.reference(*arguments)):
        raise ValueError(f"{name}: the result on the RTL differs from numpy")
    return _row(device, name, latency, operator.program.code.insns, result, _image(operator.program.code))


def _vector(vector, device, name, latency):
    with Progress(name, sys.stderr, None) as progress:
        outcome = replay(vector, device, progress=progress)
    if not outcome.equal:
        raise ValueError(f"{vector.path}: {outcome.differences[0]}")
    words = device.memory.bytes.view("<u4")      # vectors leave their micro-ops where they were
    return _row(device, name, latency, vector.insns, outcome.result,
                lambda at, count: words[at:at + count], vector.tokens_before)


def _image(code):
    return lambda at, count: code.uops[at:at + count]


def table(rows, config, latency):
    """The measurements as Markdown, with the sums of groups that are complete."""
    lines = [f"Configuration `{config.name}`, AXI data width {config.axi_data_width} bits, memory latency "
             f"{latency} cycles.", "",
             "| layer | instructions | GEMM steps | ALU steps | bound | cycles | bound / cycles | model's error "
             "| MACs busy | largest loss |",
             "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|"]
    own = (BY_HAND, *LAYERS)
    there = {row.name: row for row in rows}
    groups = {name: [there[each] for each in members] if there.keys() >= set(members) else []
              for name, members in (("ResNet-18's ten convolutions", RESNET18_CONVOLUTIONS),
                                    ("layers of our compiler", own))}
    groups |= {"streams of TVM's compiler": [row for row in rows if row.name not in own], "all": rows}
    for row in rows:
        loss = f"`{row.loss[0]}` {row.loss[1]:.1%}" if row.loss else ""
        lines.append(f"| {row.name} | {row.insns:,} | {row.gemm:,} | {row.alu:,} | {row.bound:,} | {row.cycles:,} | "
                     f"{row.efficiency:.3f} | {row.predicted / row.cycles - 1:+.1%} | {row.gemm / row.cycles:.1%} | "
                     f"{loss} |")
    for name, members in groups.items():
        if len(members) > 1:
            least, cycles = (sum(getattr(row, key) for row in members) for key in ("bound", "cycles"))
            lines.append(f"| **sum: {name}** | | {sum(row.gemm for row in members):,} | "
                         f"{sum(row.alu for row in members):,} | {least:,} | {cycles:,} | {least / cycles:.3f} | | "
                         f"{sum(row.gemm for row in members) / cycles:.1%} | |")
    return "\n".join(lines)


def _around(path):
    """What stands before and behind the two markers of the file."""
    parts = path.read_text().split(MARKER)
    if len(parts) != 3:
        raise ValueError(f"{path} must hold the line {MARKER} twice: the table goes between")
    return parts[0], parts[2]


def _replace(path, text):
    """Put `text` between the two markers of the file."""
    before, behind = _around(path)
    path.write_text(f"{before}{MARKER}\n\n{text}\n\n{MARKER}{behind}")


def _say(text):
    print(text, file=sys.stderr, flush=True)
