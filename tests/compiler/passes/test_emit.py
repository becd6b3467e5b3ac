"""Pass emit: the calls that make the stream."""

import pytest
from small_schedules import DEFAULT, convolution, lowered

from vta.compiler.passes import emit
from vta.compiler.stream.stream import StreamError
from vta.compiler.te.errors import CompileError
from vta.compiler.te.ir import Ptr
from vta.hw.isa import MemType, Opcode, extract, layouts


def loads(code, kind):
    memory = layouts(DEFAULT).memory
    return int(((extract(code.insns, memory["opcode"]) == Opcode.LOAD) & (extract(code.insns, memory["x_size"]) > 0)
                & (extract(code.insns, memory["mem_type"]) == kind)).sum())


@pytest.mark.parametrize(("threads", "uops"), [(False, 3), (True, 6)])
def test_kernels_are_loaded_once_for_each_thread(threads, uops):
    s, args, _ = convolution(threads=threads)
    code = emit.run(lowered(s, args), DEFAULT)
    assert loads(code, MemType.UOP) == uops                  # reset, update, shift
    assert loads(code, MemType.INP) == 2 * 2 * (1 + threads)   # row blocks, input channels, threads


def test_kernels_follow_the_loops_they_depend_on():
    """With all data of a row block on chip, the update's micro-ops differ from input channel to input channel."""
    s, args, n = convolution()
    s[n.data_buf].compute_at(s[n.res], n.y_out)
    code = emit.run(lowered(s, args), DEFAULT)
    assert loads(code, MemType.UOP) == 4


def test_a_transfer_of_padding_alone_is_refused_with_the_name_of_the_stage():
    s, args, _ = convolution(rows=1, pad=3)
    with pytest.raises(CompileError, match="dma_copy of stage data_buf: a transfer would be padding alone; make"):
        emit.run(lowered(s, args), DEFAULT)


def test_what_does_not_fit_is_refused_by_the_stream():
    s, args, _ = convolution()
    beyond = lowered(s, args).rewrite(Ptr, lambda pointer: Ptr(pointer.array, pointer.index + 2040))
    with pytest.raises(StreamError, match="exceed"):
        emit.run(beyond, DEFAULT)
