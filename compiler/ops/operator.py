"""What every operator is: a checked program, how numpy arrays get in and out of it, and a numpy reference."""

import math
from dataclasses import dataclass, field

import numpy as np

from vta.compiler.program import Program
from vta.compiler.timing import predict
from vta.hw.isa import IMM_BITS, MAX_PAD, AluOp

IMM_MAX = (1 << IMM_BITS - 1) - 1


class OperatorError(ValueError):
    """An operator that this machine cannot run as asked; the message names the values and the limit."""


@dataclass(frozen=True)
class Operator:
    """`program` takes packed arrays; calling the operator takes numpy's.

    `inputs`: buffer name -> function from the caller's array to the packed one, in the order of the
    arguments. `output`: function from the packed result to the caller's. `reference` takes and gives what a
    call does. `about`: figures of the schedule, for reports.
    """

    name: str
    program: Program
    inputs: dict
    output: object
    reference: object
    about: dict = field(default_factory=dict)

    @property
    def config(self):
        return self.program.config

    @property
    def shapes(self):
        """The shape of each argument, by name."""
        return {name: tuple(shape) for name, (shape, _) in self.inputs.items()}

    def pack(self, *arrays):
        """The program's inputs by name."""
        if len(arrays) != len(self.inputs):
            raise OperatorError(f"{self.name} takes {len(self.inputs)} arrays ({', '.join(self.inputs)}), "
                                f"{len(arrays)} given")
        packed = {}
        for (name, (shape, pack)), array in zip(self.inputs.items(), arrays, strict=True):
            need(np.shape(array) == tuple(shape), f"{self.name}: {name} has shape {np.shape(array)}, "
                                                  f"expected {tuple(shape)}")
            packed[name] = pack(array)
        return packed

    def __call__(self, device, *arrays):
        """The result on `device`, as numpy has it."""
        return self.output(self.run(device, *arrays)[0])

    def run(self, device, *arrays, **options):
        """(packed result, the device's RunResult)."""
        outputs, result = self.program.run(device, **self.pack(*arrays), **options)
        return outputs["out"], result


def cycles(code):
    """How many cycles the timing model gives a `Code`."""
    return predict(code.insns, code.config, uops=lambda first, count: code.uops[first:first + count]).cycles


def need(ok, message):
    """Raise OperatorError with the message unless `ok`."""
    if not ok:
        raise OperatorError(message)


def in_dram(name, config, tiles):
    """Refuse tensors that DRAM cannot hold; `tiles`: buffer -> (memory type, shape in tiles)."""
    limit = 1 << config.axi_addr_width
    for buffer, (kind, shape) in tiles.items():
        size = math.prod(shape) * config.tile_bytes[kind]
        need(size <= limit, f"{name}: {buffer} of {size} bytes, DRAM has at most {limit}")


def whole(value, name, low=1, high=None):
    """`value`, which must be an integer from `low` to `high`."""
    limit = f"of at least {low}" if high is None else f"from {low} to {high}"
    need(isinstance(value, int) and not isinstance(value, bool) and low <= value <= (value if high is None else high),
         f"{name} = {value!r} must be an integer {limit}")
    return value


def pair(value, name):
    """(vertical, horizontal) of an int or a pair."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    need(len(values) == 2 and all(isinstance(n, int) and n >= 0 for n in values),
         f"{name} = {value!r} must be an integer of at least 0, or a pair of them")
    return values


def sizes(shape, names="N, C, H, W"):
    """The shape as a tuple; `names` of its dimensions, "..." for any more."""
    many = len(names.removesuffix(", ...").split(", "))
    right = isinstance(shape, (tuple, list)) and all(isinstance(size, int) and size >= 1 for size in shape)
    need(right and (len(shape) == many or (len(shape) > many and names.endswith("..."))),
         f"shape {shape} must be ({names}), each an integer of at least 1")
    return tuple(shape)


def picture(size, kernel, stride, pad, limit=MAX_PAD):
    """(rows, columns) of the outputs of a window; padding is less than the kernel and at most `limit`."""
    need(min(*kernel, *stride) >= 1, f"kernel {kernel} and stride {stride} must be at least 1")
    need(all(p < k and p <= limit for p, k in zip(pad, kernel, strict=True)),
         f"pad {pad} must be less than the kernel {kernel}, and at most {limit}")
    need(all(n + 2 * p >= k for n, p, k in zip(size, pad, kernel, strict=True)),
         f"kernel {kernel} is larger than the padded picture of {size[0]} x {size[1]}")
    return tuple((n + 2 * p - k) // s + 1 for n, p, k, s in zip(size, pad, kernel, stride, strict=True))


@dataclass(frozen=True)
class Post:
    """What the ALU does to the sums before they are stored: bias, scale, shift, clip.

    shift: arithmetic right shift; rounding adds half of the last place first. clip: (lowest, highest) within
    int8, or None: the low 8 bits are stored, as the hardware does. scale: a factor, only without a bias.
    """

    bias: bool = False
    shift: int = 0
    rounding: bool = False
    clip: tuple | None = (-128, 127)
    scale: int = 1

    def __post_init__(self):
        for name in ("bias", "rounding"):
            value = getattr(self, name)
            need(isinstance(value, bool), f"{name} must be True or False, not {type(value).__name__}" + (
                ": its numbers are an argument of the call" if name == "bias" else ""))
        need(1 <= self.scale <= IMM_MAX, f"scale = {self.scale} must be 1 to {IMM_MAX}")
        whole(self.shift, "shift", 0, 31)
        if self.clip is not None:
            right = isinstance(self.clip, (tuple, list)) and len(self.clip) == 2 \
                and all(isinstance(value, int) for value in self.clip)
            need(right and -128 <= self.clip[0] <= self.clip[1] <= 127,
                 f"clip = {self.clip!r} must be (lowest, highest), integers within -128 to 127")

    @property
    def half(self):
        """What rounding adds."""
        return 1 << self.shift - 1 if self.rounding and self.shift else 0

    @property
    def adds(self):
        """Whether a tile of 32-bit numbers, one for each channel, is added: the bias, with `half` in it, or
        `half` alone where no immediate holds it. (A scale comes before `half`, and cannot come after the bias.)"""
        return self.bias or (self.half > IMM_MAX and self.scale == 1)

    def operations(self):
        """[(opcode, immediate)] after that addition. A half that is no immediate is added between two shifts: what the
        first one drops could carry nothing."""
        found, half, shift = [(AluOp.MUL, self.scale)] if self.scale > 1 else [], self.half, self.shift
        if half > IMM_MAX and not self.adds:
            found.append((AluOp.SHR, shift - IMM_BITS + 1))
            half, shift = 1 << IMM_BITS - 2, IMM_BITS - 1
        found += [(AluOp.ADD, half)] if half and not self.adds else []
        found += [(AluOp.SHR, shift)] if shift else []
        if self.clip is not None:
            found += [(AluOp.MAX, self.clip[0]), (AluOp.MIN, self.clip[1])]
        return found

    def reference(self, sums, bias=None):
        """int8 of int32 sums; `bias` is shaped to broadcast."""
        sums = np.asarray(sums, np.int32) * np.int32(self.scale)
        if bias is not None:
            sums = sums + np.asarray(bias, np.int32)
        sums = sums + np.int32(self.half) >> np.int32(self.shift)
        if self.clip is not None:
            sums = np.clip(sums, *self.clip)
        return sums.astype(np.int8)
