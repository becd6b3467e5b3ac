"""The arguments of operators: their types, checks, and the sizes that follow."""

import math

from vta.hw.isa import MAX_PAD

Shape = tuple[int, ...]
Pair = int | tuple[int, int]        # the same in both directions, or (vertical, horizontal)
Clip = tuple[int, int] | None


class OperatorError(ValueError):
    """An operator that this machine cannot run as requested; the message names the values and the limit."""


def need(ok, message):
    """Raise OperatorError with the message unless `ok`."""
    if not ok:
        raise OperatorError(message)


def check_dram(name, config, tiles):
    """Refuse tensors that DRAM cannot hold; `tiles`: buffer -> (memory type, shape in tiles)."""
    limit = 1 << config.axi_addr_width
    for buffer, (kind, shape) in tiles.items():
        size = math.prod(shape) * config.tile_bytes[kind]
        need(size <= limit, f"{name}: {buffer} of {size} bytes, DRAM has at most {limit}")


def check_int(value, name, low=1, high=None):
    """`value`, which must be an integer from `low` to `high`."""
    limit = f"of at least {low}" if high is None else f"from {low} to {high}"
    need(isinstance(value, int) and not isinstance(value, bool) and low <= value <= (value if high is None else high),
         f"{name} = {value!r} must be an integer {limit}")
    return value


def as_pair(value, name):
    """(vertical, horizontal) of an int or a pair."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    need(len(values) == 2 and all(isinstance(n, int) and n >= 0 for n in values),
         f"{name} = {value!r} must be an integer of at least 0, or a pair of them")
    return values


def check_shape(shape, names="N, C, H, W"):
    """The shape as a tuple; `names` of its dimensions, "..." for any more."""
    rank = len(names.removesuffix(", ...").split(", "))
    positive = isinstance(shape, (tuple, list)) and all(isinstance(size, int) and size >= 1 for size in shape)
    need(positive and (len(shape) == rank or (len(shape) > rank and names.endswith("..."))),
         f"shape {shape} must be ({names}), each an integer of at least 1")
    return tuple(shape)


def output_size(size, kernel, stride, pad, limit=MAX_PAD):
    """(rows, columns) of the outputs of a window; padding is less than the window and at most `limit`."""
    need(min(*kernel, *stride) >= 1, f"kernel {kernel} and stride {stride} must be at least 1")
    need(all(p < k and p <= limit for p, k in zip(pad, kernel, strict=True)),
         f"pad {pad} must be less than the kernel {kernel}, and at most {limit}")
    need(all(n + 2 * p >= k for n, p, k in zip(size, pad, kernel, strict=True)),
         f"kernel {kernel} is larger than the padded picture of {size[0]} x {size[1]}")
    return tuple((n + 2 * p - k) // s + 1 for n, p, k, s in zip(size, pad, kernel, stride, strict=True))
