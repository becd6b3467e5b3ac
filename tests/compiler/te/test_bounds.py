"""Pass bounds: which part of its tensor each stage computes."""

from small_schedules import convolution, refuse

from vta.compiler.te.bounds import infer
from vta.compiler.te.index import Lin


def test_bounds_of_attached_stages():
    s, _, n = convolution(rows=3)
    bounds = infer(s)
    y_out, ic = bounds[s[n.res]].loops[n.y_out], bounds[s[n.conv]].loops[n.ic]
    window = bounds[s[n.data_buf]]
    assert window.extents == [1, 1, 5, 8, 1, 16]
    assert window.starts[1:4] == [Lin.of(ic), y_out * 3, Lin()]
    assert bounds[s[n.conv]].extents == [1, 4, 3, 6, 1, 16]


def test_bounds_refuses_uneven_splits():
    s, args, _ = convolution(rows=4)
    refuse(s, args, "stage res: loop i2 of 6 iterations cannot be split by 4: choose a divisor")


def test_bounds_refuses_a_reader_outside():
    s, args, n = convolution()
    s[n.conv].compute_at(s[n.shr], n.shr.op.axis[1])
    s[n.data_buf].compute_at(s[n.res], n.y_out)
    s[n.kernel_buf].compute_at(s[n.shr], n.shr.op.axis[3])
    refuse(s, args, "kernel_buf is computed at loop i3 of shr, but conv reads it outside of that loop")
