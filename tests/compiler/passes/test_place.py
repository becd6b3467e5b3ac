"""Pass place: every on-chip buffer gets its tiles."""

from small_schedules import DEFAULT, convolution, refuse, vector_add

from vta.compiler.passes import inplace, place
from vta.compiler.passes.lowering import lower_program
from vta.compiler.te.nests import lower_loops


def test_place_lists_the_buffers():
    s, args, _ = convolution(size=40, rows=40)
    refuse(s, args, "memory ACC holds 2048 tiles, the schedule needs 6400: conv 6400, for each of 1 virtual")


def test_place_gives_each_thread_its_share():
    s, args, _ = convolution(threads=True)
    program = lower_program(s, args, DEFAULT)
    placed = {buffer.name: (buffer.offset, buffer.stride, buffer.threads) for buffer in program.buffers}
    assert placed == {"data_buf": (0, 40, 2), "kernel_buf": (0, 18, 2), "conv": (0, 36, 2)}


def test_place_marks_no_program_twice():
    s, args, _ = vector_add()
    program = inplace.run(lower_loops(s, args))
    assert [buffer.stride for buffer in place.run(program, DEFAULT).buffers] == [8, 8]
