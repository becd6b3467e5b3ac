"""Kernels that no instruction can execute are rejected with a message."""

import pytest

from vta.compiler.stream.stream import Stream, StreamError
from vta.hw.config import PRESETS
from vta.hw.isa import EncodingError

CONFIG = PRESETS["default"]


def record(calls):
    """Run `calls` inside a kernel: ("loop", ...) opens one, ("end",) closes it, anything else is a push."""
    s = Stream(CONFIG)
    with s.uop_kernel("k"):
        loops = []
        for call in calls:
            if call[0] == "loop":
                loops.append(s.uop_loop(*call[1:]))
                loops[-1].__enter__()
            elif call[0] == "end":
                loops.pop().__exit__(None, None, None)
            else:
                s.uop_push(*call)
    return s


PUSH = (0, 0, 0, 0, 0, 0, 0, 0)
REFUSED = [
    ([], "kernel 'k' has no micro-ops"),
    ([("loop", 2, 0, 0, 0)] * 3, "a third loop .extent 2.: the hardware has two"),
    ([("loop", 0, 0, 0, 0), PUSH], "a loop of extent 0: at least 1"),
    ([PUSH, ("loop", 2, 0, 0, 0), PUSH], "a loop must enclose every micro-op"),
    ([("loop", 2, 0, 0, 0), PUSH, ("end",), PUSH], "follows the end of a loop"),
    ([("loop", 16384, 0, 0, 0), PUSH], "iter_out = 16384 does not fit 14 bits"),
    ([("loop", 2, 2048, 0, 0), PUSH], "dst_factor_out = 2048 does not fit 11 bits"),
    ([("loop", 2, -1, 0, 0), PUSH], "dst_factor_out = -1 does not fit 11 bits"),
    ([(3, 0, 0, 0, 0, 0, 0, 0)], "mode 3: 0 is GEMM, 1 is ALU, 2 is WINDOW"),
    ([PUSH, (0, 1, 0, 0, 0, 0, 0, 0)], "micro-ops disagree"),
    ([(1, 0, 0, 0, 0, 3, 1, 32768)], "imm = 32768 does not fit 16 bits .-32768 to 32767."),
    ([(1, 1, 0, 0, 0, 3, 1, 0)], "an ALU has neither reset nor requantise nor weight factors"),
    ([(0, 0, 0, 0, 0, 3, 1, 1)], "a GEMM with ALU operands"),
    ([(0, 0, 2048, 0, 0, 0, 0, 0)], "kernel 'k', micro-op 0: dst = 2048 does not fit 11 bits"),
    ([PUSH] * 8193, "8193 micro-ops, the memory holds 8192"),
]


@pytest.mark.parametrize("calls, words", REFUSED, ids=[words[:30] for _, words in REFUSED])
def test_refused(calls, words):
    with pytest.raises((EncodingError, StreamError), match=words):
        record(calls)


def test_a_kernel_may_fill_the_memory():
    s = record([PUSH] * 8192)
    assert len(s) == 2


def test_only_micro_ops_inside_a_kernel():
    s = Stream(CONFIG)
    with pytest.raises(StreamError, match="kernel 'k' is open"), s.uop_kernel("k"):
        s.sync()
