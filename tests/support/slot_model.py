"""The accumulator pipeline as its contract has it: slots one after another, none beside another."""

from slow_reference import low, operate

from vta.hw.rtl.alu import MUL_PHASES, Operation


def bank(index):
    """The bank of a tile."""
    return bin(index).count("1") & 1


def slot(operation, dst=0, x=None, src=None, imm=None, write=1, phase=0, dot=False, tag=()):
    """A slot as a dict; `x` and `src` are read where given."""
    return {"operation": operation, "phase": phase, "is_gemm": dot, "use_imm": imm is not None, "imm": imm or 0,
            "x": x or 0, "src": src or 0, "dst": dst, "read_x": x is not None, "read_src": src is not None,
            "write": write, "tag": dict.fromkeys(tag, 1)}


def multiply(dst, src=None, imm=None, tag=()):
    """The slots of one MUL step."""
    first = slot(Operation.MUL, dst, x=dst, src=src, imm=imm, write=0)
    rest = [slot(Operation.MUL, dst, imm=imm, write=phase == MUL_PHASES - 1, phase=phase)
            for phase in range(1, MUL_PHASES)]
    rest[-1]["tag"] = dict.fromkeys(tag, 1)
    return [first, *rest]


class SlotModel:
    """`acc` are the tiles; `apply` executes one slot (a dict, fields as in `slot_layout`)."""

    def __init__(self, config):
        self.lanes = config.lanes
        self.acc = [[0] * config.lanes for _ in range(config.depth["ACC"])]
        self.x = self.y = [0] * config.lanes

    def apply(self, slot, dot=None, tile=None):
        if slot["read_x"] and slot["read_src"]:
            assert bank(slot["x"]) != bank(slot["src"]) or slot["x"] == slot["src"], "two tiles of one bank"
        if slot["read_x"]:
            self.x = self.acc[slot["x"]]
        if slot["read_src"]:
            self.y = self.acc[slot["src"]]
        if not slot["write"]:
            return
        operation = Operation(slot["operation"])
        y = dot if slot["is_gemm"] else [slot["imm"]] * self.lanes if slot["use_imm"] else self.y
        if operation == Operation.ZERO:
            result = [0] * self.lanes
        elif operation == Operation.MOVE:
            result = self.y = tile
        else:
            result = [low(operate(operation, *pair), 32) for pair in zip(self.x, y, strict=True)]
        self.acc[slot["dst"]] = result
