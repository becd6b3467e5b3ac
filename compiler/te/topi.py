"""Operators on tensors that are declared, not scheduled: `topi.nn.pad`."""

from types import SimpleNamespace

from vta.compiler.te.errors import CompileError
from vta.compiler.te.tensor import compute
from vta.compiler.te.values import Pad


def pad(data, pad_before, pad_after=None, name="pad"):
    """`data` with `pad_before[n]` zeros before and `pad_after[n]` (by default as many) after in dimension n."""
    pad_after = pad_before if pad_after is None else pad_after
    for amounts in (pad_before, pad_after):
        if not isinstance(amounts, (tuple, list)) or len(amounts) != len(data.shape) \
                or any(not hasattr(amount, "__index__") or amount < 0 for amount in amounts):
            raise CompileError(f"pad {name}: {amounts} must be {len(data.shape)} integers of at least "
                               f"0, one for each dimension of {data.name}")
    shape = [before + extent + after
             for before, extent, after in zip(pad_before, data.shape, pad_after, strict=True)]
    def shifted(*axes):
        return data(*(axis - before for axis, before in zip(axes, pad_before, strict=True)), access=Pad)
    return compute(shape, shifted, name=name)


nn = SimpleNamespace(pad=pad)
