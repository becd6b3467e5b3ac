"""Golden model of the accumulator pipeline: executes ops one by one, without overlap."""

from slow_reference import low, operate

from vta.hw.isa import AluOp
from vta.hw.rtl.accumulate import Y
from vta.hw.rtl.alu import MUL_PHASES, SELECTED

BY_SELECT = {frozenset(bits): operation for operation, bits in SELECTED.items()}


def bank(index):
    """The bank of a tile."""
    return bin(index).count("1") & 1


def op(operation=AluOp.ADD, dst=0, x=None, src=None, imm=None, y=None, write=1, phase=0, dot=False, hold_x=0, tag=()):
    """An op as a dict; `x` and `src` are read if given, `imm` is the second operand if given, else see `y`."""
    y = y if y is not None else Y.SRC if src is not None else Y.IMM if imm is not None else Y.ZERO
    return {"select": dict.fromkeys(SELECTED[operation], 1), "phase": phase, "is_gemm": dot, "imm": imm or 0,
            "x": x or 0, "src": src or 0, "dst": dst, "read_x": x is not None, "hold_x": hold_x, "y": y,
            "write": write, "tag": dict.fromkeys(tag, 1)}


def multiply(dst, src=None, imm=None, y=None, tag=()):
    """The ops of one MUL step."""
    first = op(AluOp.MUL, dst, x=dst, src=src, imm=imm, y=y, write=0)
    rest = [op(AluOp.MUL, dst, y=Y.HOLD, hold_x=1, write=phase == MUL_PHASES - 1, phase=phase)
            for phase in range(1, MUL_PHASES)]
    rest[-1]["tag"] = dict.fromkeys(tag, 1)
    return [first, *rest]


class OpModel:
    """`acc` are the tiles; `apply` executes one op (a dict, fields as in `op_layout`); `result` is what it gave."""

    def __init__(self, config):
        self.lanes = config.lanes
        self.acc = [[0] * config.lanes for _ in range(config.depth["ACC"])]
        self.x = self.y = [0] * config.lanes
        self.operation = self.written = self.result = None         # the last op's, and the tile that it wrote

    def apply(self, op, dot=None, tile=None, gap=True):
        """`gap`: this op does not follow the one before at once."""
        operation = BY_SELECT[frozenset(name for name, bit in op["select"].items() if bit)]
        y = Y(op["y"])
        if op["read_x"] and y is Y.SRC:
            assert bank(op["x"]) != bank(op["src"]) or op["x"] == op["src"], "two tiles of one bank"
        if not gap:
            late = [op["src"]] if y is Y.SRC else []
            late += [op["x"]] if op["read_x"] and operation in (AluOp.SHR, AluOp.MUL) else []
            assert self.written is None or self.written not in late, f"{op}: an operand that is not here yet"
        assert y is not Y.HOLD or operation == self.operation, "y is held for another operation"
        if not op["hold_x"]:
            self.x = self.acc[op["x"]] if op["read_x"] else [0] * self.lanes
        if y is not Y.HOLD:
            self.y = {Y.ZERO: [0] * self.lanes, Y.IMM: [op["imm"]] * self.lanes, Y.TILE: tile,
                      Y.SRC: self.acc[op["src"]]}[y]
        self.operation, self.written = operation, op["dst"] if op["write"] else None
        second = dot if op["is_gemm"] else self.y
        self.result = [low(operate(operation, *pair), 32) for pair in zip(self.x, second, strict=True)]
        if op["write"]:
            self.acc[op["dst"]] = self.result
