"""Coverage of random programs: features counted from the instructions, and those the generator recorded."""

from collections import Counter

import numpy as np

from vta.hw.columns import Columns
from vta.hw.features import Feature
from vta.hw.isa import TOKEN_FLAGS, WORKERS, AluOp, MemType, Opcode, Unit


class Coverage:
    """Counts, over all cases added, the launches and instructions that have each feature."""

    def __init__(self):
        self.counts = Counter()

    def add(self, case):
        self.counts["cases"] += 1
        self.counts["cases of several launches"] += len(case.launches) > 1
        for launch in case.launches:
            self.counts["launches"] += 1
            self.counts.update(set(launch.features))
            self.counts[f"memory: {launch.memory.get('order', 'in_order')}"] += 1
            for option in ("stall", "early"):
                self.counts[f"memory: {option}"] += launch.memory.get(option, 0) > 0
            self.counts["memory: one burst at a time"] += launch.memory.get("outstanding") == 1
            self._instructions(launch, case.config)

    def merge(self, other):
        """Add the counts of another Coverage."""
        self.counts.update(other.counts)

    def _instructions(self, launch, config):
        columns = Columns(launch.insns, config)
        ends = np.flatnonzero(columns.opcode == Opcode.FINISH)
        if len(ends):
            columns = Columns(launch.insns[:ends[0] + 1], config)
        get = columns.memory

        def count(name, where):
            self.counts[name] += int(np.count_nonzero(where))

        self.counts["instructions"] += len(columns)
        for unit in WORKERS:
            here = columns.unit == unit
            count(f"NOP of {unit.name.lower()}", here & (columns.is_load | columns.is_store) & ~columns.moves)
            for flag in TOKEN_FLAGS:
                count(f"{unit.name.lower()} {flag}", here & (get[flag] != 0))
        loads, stores = columns.transfers & columns.is_load, columns.transfers & columns.is_store
        for mem in MemType.of(columns.config):
            if mem != MemType.OUT:
                self._loads(count, f"LOAD {mem.name}", loads & (columns.mem_type == mem), get)
        count("STORE", stores)
        count("STORE of several rows", stores & (get["y_size"] > 1))
        count("STORE of rows side by side", stores & (get["y_size"] > 1) & (get["x_stride"] == get["x_size"]))
        count("STORE y_size 0", stores & (get["y_size"] == 0))
        uops = loads & (columns.mem_type == MemType.UOP)
        for source in (0, 1):
            for target in (0, 1):
                count(f"LOAD UOP from {'odd' if source else 'even'} to {'odd' if target else 'even'}",
                      uops & (get["dram_base"] % 2 == source) & (get["sram_base"] % 2 == target))
        work = columns.steps > 0
        count("GEMM", work & columns.is_gemm & ~columns.is_reset)
        count("GEMM reset", work & columns.is_reset)
        self._operations(count, work & columns.is_alu, columns.alu, columns.config)
        self._features(count, columns, work)

    def _loads(self, count, name, where, get):
        count(name, where)
        for pad in ("y_pad_0", "y_pad_1", "x_pad_0", "x_pad_1"):
            count(f"{name} {pad}", where & (get[pad] != 0))
        x, stride = get["x_size"], get["x_stride"]
        for word, relation in (("<", stride < x), (">", stride > x)):
            count(f"{name} stride {word} x_size", where & (get["y_size"] > 1) & relation)
        count(f"{name} y_size 0", where & (get["y_size"] == 0))

    def _operations(self, count, where, get, config):
        for operation in AluOp.of(config):
            for imm in (0, 1):
                count(f"ALU {operation.name} {'imm' if imm else 'tensor'}",
                      where & (get["alu_opcode"] == operation) & (get["use_imm"] == imm))
        shift = where & (get["alu_opcode"] == AluOp.SHR) & (get["use_imm"] == 1)
        count("ALU SHR to the left", shift & (get["imm"] < 0))
        count("ALU SHR by more than 31", shift & (np.abs(get["imm"]) > 31))

    def _features(self, count, columns, work):
        if not columns.config.has(Feature.REQUANTISE):
            count("GEMM with bit 63", columns.is_gemm & (columns.insns[:, 0] >> np.uint64(63) != 0))
        for fresh in (0, 1):
            for requantised in (0, 1):
                where = (columns.gemm["reset"] == fresh) & (columns.requantises == requantised) & work
                name = " fresh" * fresh + " requantised" * requantised
                count(f"WINDOW{name}", where & columns.is_window)
                if requantised:
                    count(f"GEMM{name}", where & columns.is_gemm)
                    several = columns.gemm["uop_end"] - columns.gemm["uop_bgn"] > 1
                    count(f"GEMM{name}, several micro-ops", where & columns.is_gemm & several)
        req = work & columns.is_op(AluOp.REQ)
        count("ALU REQ narrow", req & (columns.alu["imm"] % 2 == 0))
        count("ALU REQ wide", req & (columns.alu["imm"] % 2 == 1))
        count("padding with a negative byte", columns.transfers & (columns.pad_byte < 0))
        # neighbours among the instructions of compute
        here = np.flatnonzero((columns.unit == Unit.COMPUTE) & (work | columns.transfers))
        gets, par = columns.requantised[here] > 0, columns.is_op(AluOp.PAR)[here]
        plain = ~gets & ~par
        kinds = {"requantised": gets, "PAR": par, "plain": plain}
        if gets.any():
            for first, second in (("requantised", "plain"), ("plain", "requantised"), ("requantised", "PAR"),
                                  ("PAR", "requantised"), ("requantised", "requantised"), ("PAR", "PAR")):
                count(f"{second} right behind {first}", kinds[first][:-1] & kinds[second][1:])
            count("requantised, and pushes a token to store", gets & (columns.memory["push_next"][here] != 0))

    def table(self):
        """Lines of feature and count, sorted by name; features never seen are left out."""
        rows = sorted((name, count) for name, count in self.counts.items() if count)
        width = max((len(name) for name, _ in rows), default=0)
        return [f"{name:<{width}}  {count:>9,}" for name, count in rows]
