"""Pass fold: hardware loops."""

from small_schedules import convolution, lowered, nodes

from vta.compiler.te.ir import UopScope


def test_fold_takes_the_two_outermost_loops():
    s, args, _ = convolution()
    update = nodes(lowered(s, args), UopScope)[1]
    assert update.loops == ((4, 18, 0, 9), (3, 6, 8, 0))
