"""Pass place: every on-chip buffer gets its tiles."""

from small_schedules import DEFAULT, convolution, lowered, nodes, refuse, vector_add

from vta.compiler.passes import place
from vta.compiler.te.ir import Ptr


def test_place_lists_the_buffers():
    s, args, _ = convolution(size=40, rows=40)
    refuse(s, args, "memory ACC holds 2048 tiles, the schedule needs 6400: conv 6400, for each of 1 virtual")


def test_place_gives_each_thread_its_share():
    s, args, _ = convolution(threads=True)
    before, after = lowered(s, args, "lift"), lowered(s, args, "place")
    placed = {array.name: (*tiles, array.threads) for array, tiles in place.placement(before.arrays, DEFAULT).items()}
    assert placed == {"data_buf": (0, 40, 2), "kernel_buf": (0, 18, 2), "conv": (0, 36, 2)}
    data = [pointer.index for pointer in nodes(after, Ptr) if pointer.array.name == "data_buf"]
    assert {index.coef(after.thread) for index in data} == {40}


def test_place_leaves_its_input_as_it_is():
    s, args, _ = vector_add()
    before = lowered(s, args, "lift")
    first, second = (place.run(before, DEFAULT) for _ in range(2))
    assert place.placement(before.arrays, DEFAULT) == dict(zip(before.arrays, [(0, 8), (4, 8)], strict=True))
    assert first == second and first != before
