"""Golden model of the accumulator pipeline: executes ops one by one, without overlap."""

from slow_reference import low, operate

from vta.hw.rtl.alu import MUL_PHASES, Operation


def bank(index):
    """The bank of a tile."""
    return bin(index).count("1") & 1


def op(operation, dst=0, x=None, src=None, imm=None, write=1, phase=0, dot=False, tag=()):
    """An op as a dict; `x` and `src` are read if given."""
    return {"operation": operation, "phase": phase, "is_gemm": dot, "use_imm": imm is not None, "imm": imm or 0,
            "x": x or 0, "src": src or 0, "dst": dst, "read_x": x is not None, "read_src": src is not None,
            "write": write, "tag": dict.fromkeys(tag, 1)}


def multiply(dst, src=None, imm=None, tag=()):
    """The ops of one MUL step."""
    first = op(Operation.MUL, dst, x=dst, src=src, imm=imm, write=0)
    rest = [op(Operation.MUL, dst, imm=imm, write=phase == MUL_PHASES - 1, phase=phase)
            for phase in range(1, MUL_PHASES)]
    rest[-1]["tag"] = dict.fromkeys(tag, 1)
    return [first, *rest]


class OpModel:
    """`acc` are the tiles; `apply` executes one op (a dict, fields as in `op_layout`)."""

    def __init__(self, config):
        self.lanes = config.lanes
        self.acc = [[0] * config.lanes for _ in range(config.depth["ACC"])]
        self.x = self.y = [0] * config.lanes

    def apply(self, op, dot=None, tile=None):
        if op["read_x"] and op["read_src"]:
            assert bank(op["x"]) != bank(op["src"]) or op["x"] == op["src"], "two tiles of one bank"
        if op["read_x"]:
            self.x = self.acc[op["x"]]
        if op["read_src"]:
            self.y = self.acc[op["src"]]
        if not op["write"]:
            return
        operation = Operation(op["operation"])
        y = dot if op["is_gemm"] else [op["imm"]] * self.lanes if op["use_imm"] else self.y
        if operation == Operation.ZERO:
            result = [0] * self.lanes
        elif operation == Operation.MOVE:
            result = self.y = tile
        else:
            result = [low(operate(operation, *pair), 32) for pair in zip(self.x, y, strict=True)]
        self.acc[op["dst"]] = result
