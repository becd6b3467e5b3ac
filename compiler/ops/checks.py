"""The arguments of operators: their types, checks, and the sizes that follow."""

import math

Shape = tuple[int, ...]
Pair = int | tuple[int, int]        # the same in both directions, or (vertical, horizontal)
Pads = Pair | tuple[tuple[int, int], tuple[int, int]]           # or ((top, bottom), (left, right))
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


def as_pads(value, name="pad"):
    """((top, bottom), (left, right)) of an int, a pair (vertical, horizontal), or a pair of pairs."""
    pairs = isinstance(value, (tuple, list)) and len(value) == 2 and any(
        isinstance(each, (tuple, list)) for each in value)
    return tuple(as_pair(each, name) for each in (value if pairs else as_pair(value, name)))


def check_shape(shape, names="N, C, H, W"):
    """The shape as a tuple; `names` of its dimensions, "..." for any more."""
    rank = len(names.removesuffix(", ...").split(", "))
    positive = isinstance(shape, (tuple, list)) and all(isinstance(size, int) and size >= 1 for size in shape)
    need(positive and (len(shape) == rank or (len(shape) > rank and names.endswith("..."))),
         f"shape {shape} must be ({names}), each an integer of at least 1")
    return tuple(shape)


def extents(kernel, dilation):
    """(rows, columns) of inputs from the first to the last that a window sees."""
    return tuple((k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True))


def output_size(size, kernel, stride, pads, dilation=(1, 1)):
    """(rows, columns) of the outputs of a window; pads as from `as_pads`."""
    need(min(*kernel, *stride, *dilation) >= 1,
         f"kernel {kernel}, stride {stride} and dilation {dilation} must be at least 1")
    span = extents(kernel, dilation)
    padded = tuple(n + sum(pad) for n, pad in zip(size, pads, strict=True))
    dilated = "" if dilation == (1, 1) else f" with dilation {dilation}"
    need(all(n >= k for n, k in zip(padded, span, strict=True)),
         f"kernel {kernel}{dilated} is larger than the padded picture of {padded[0]} x {padded[1]}")
    return tuple((n - k) // s + 1 for n, k, s in zip(padded, span, stride, strict=True))
