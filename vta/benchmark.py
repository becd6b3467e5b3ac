"""The benchmark of `vta bench`: cycles of real layers on the RTL, and what an ideal machine takes for them."""

import contextlib
import fnmatch
import functools
import io
import sys
from dataclasses import dataclass

import numpy as np

from vta.compiler.timing import predict
from vta.hw.features import Feature
from vta.runtime.counters_table import advice
from vta.runtime.progress import Progress
from vta.runtime.replay import replay
from vta.runtime.vector import load_vector
from vta.sim.bound import bound
from vta.suite import (
    LAYERS,
    REQUANTISED_LAYERS,
    REQUANTISED_RESNET18_COUNTS,
    RESNET18_CONVOLUTIONS,
    example,
    layer,
    random_arguments,
)

BY_HAND = "conv2d_by_hand"
LARGE = 20_000       # cycles of bound from which a vector is part of the table


@dataclass(frozen=True)
class Row:
    """One measurement. `loss`: compute's largest loss of cycles as (counter, share), or None. `predicted`: cycles
    by the compiler's timing model."""

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


def benchmarks(config, latency, pattern="*", folder=None, names=(BY_HAND, *LAYERS, *REQUANTISED_LAYERS)):
    """[(name, run)] of the layers `names`, as far as the machine has their features, and of each large vector in
    `folder`, where the name matches `pattern`.

    `run(device, name, latency)` measures one: its Row; ValueError where a result is wrong.
    """
    found = [(name, _by_hand if name == BY_HAND else _layer) for name in names
             if name not in REQUANTISED_LAYERS or config.has(Feature.REQUANTISE)]
    found += [(vector.name, functools.partial(_vector, vector)) for vector in _vectors(folder, config, latency)]
    return [(name, run) for name, run in found if fnmatch.fnmatch(name, pattern)]


def measure(device, latency, pattern="*", folder=None):
    """Yield the Row of each of `benchmarks`. `latency` is that of the device's memory."""
    for name, run in benchmarks(device.config, latency, pattern, folder):
        yield run(device, name, latency)


def _vectors(folder, config, latency):
    """The vectors in `folder` that `config` runs and whose bound is above LARGE."""
    if folder is None:
        return
    paths = sorted(folder.glob("*.npz"))
    if not paths:
        raise ValueError(f"no vector files (*.npz) in {folder}")
    for path in paths:
        vector = load_vector(path)
        if config.refusal(vector.config) is None and bound(
                vector.insns, config, latency=latency, bus_bytes=config.bus_bytes,
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
    module = example(BY_HAND)
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
    own = (BY_HAND, *LAYERS, *(REQUANTISED_LAYERS if config.has(Feature.REQUANTISE) else ()))
    there = {row.name: row for row in rows}
    groups = {name: [there[each] for each, times in members.items() for _ in range(times)]
              if there.keys() >= members.keys() else []
              for name, members in (("ResNet-18's ten convolutions", dict.fromkeys(RESNET18_CONVOLUTIONS, 1)),
                                    ("ResNet-18's conv2_x to conv5_x, requantised, with residuals",
                                     REQUANTISED_RESNET18_COUNTS),
                                    ("layers of our compiler", dict.fromkeys(own, 1)))}
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
