"""The benchmark of `vta bench --boards`: what the memory of each board costs against an ideal one, on the RTL."""

import dataclasses
from dataclasses import dataclass

from vta.benchmark import BY_HAND, benchmarks
from vta.runtime.device import open_device
from vta.suite import RESNET18_CONVOLUTIONS

REFERENCE = 16           # latency in cycles of the memory compared with, which accepts everything at once
LAYERS = (BY_HAND, *RESNET18_CONVOLUTIONS, "resnet18_dense", "resnet18_residual")


@dataclass(frozen=True)
class Cost:
    """Cycles of one layer: with the reference memory, and with the board's."""

    name: str
    reference: int
    cycles: int


def groups(boards):
    """The boards as tuples of those that are alike: the same RTL, clock and memory."""
    found = {}
    for board in boards:
        rtl = dataclasses.replace(board.config, target="", name="")
        found.setdefault((rtl, board.clock_mhz, board.dram), []).append(board)
    return [tuple(members) for members in found.values()]


def memory(board):
    """The options of the device "tsim" that make its memory this board's."""
    return {"latency": board.latency, "outstanding": board.dram.commands, "bandwidth": board.dram.share}


def measure(group, pattern="*", folder=None):
    """Yield the Cost of each layer, and of each large vector in `folder`, whose name matches `pattern`."""
    board = group[0]
    with open_device("tsim", board.config) as device:
        for name, run in benchmarks(board.config, REFERENCE, pattern, folder, LAYERS):
            cycles = []
            for options in ({"latency": REFERENCE, "outstanding": None, "bandwidth": 1.0}, memory(board)):
                device.set_memory(**options)
                cycles.append(run(device, name, options["latency"]).cycles)
            yield Cost(name, *cycles)


def table(measured):
    """[(group, Costs)] as Markdown: a sentence on each group's memory, and a table with three columns for each."""
    titles = [", ".join(f"`{board.name}`" for board in group) for group, _ in measured]
    lines = [f"- {title}: {group[0].clock_mhz} MHz, latency {group[0].latency} cycles ({group[0].dram.latency_ns} ns), "
             f"{group[0].dram.commands} commands accepted, {group[0].dram.share:.0%} of the cycles; configuration "
             f"`{group[0].preset}`" for title, (group, _) in zip(titles, measured, strict=True)]
    lines += ["", "| layer | " + " | ".join(f"{title}: cycles at {REFERENCE} | on the board | ms"
                                            for title in titles) + " |",
              "|---" + "|--:|--:|--:" * len(measured) + "|"]
    columns = [_cells(costs, group[0].clock_mhz) for group, costs in measured]
    for name in dict.fromkeys(name for column in columns for name in column):
        lines.append(f"| {name} | " + " | ".join(column.get(name, " | | ") for column in columns) + " |")
    return "\n".join(lines)


def _cells(costs, mhz):
    """{layer: its three cells}, with the sum of the ten convolutions where all are there."""
    ten = [cost for cost in costs if cost.name in RESNET18_CONVOLUTIONS]
    if len(ten) == len(RESNET18_CONVOLUTIONS):
        costs = [*costs, Cost("**sum: ResNet-18's ten convolutions**", sum(cost.reference for cost in ten),
                              sum(cost.cycles for cost in ten))]
    return {cost.name: f"{cost.reference:,} | {cost.cycles:,} ({cost.cycles / cost.reference - 1:+.1%}) | "
                       f"{cost.cycles / mhz / 1000:.3f}" for cost in costs}
