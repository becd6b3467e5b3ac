"""Sets of ranges against Python's sets."""

import itertools
import random

import pytest

from vta.runtime.ranges import Ranges


@pytest.mark.parametrize("seed", range(20))
def test_against_sets(seed):
    rng, ranges, reference = random.Random(seed), Ranges(), set()
    for _ in range(200):
        start = rng.randrange(60)
        end = start + rng.randrange(12)
        if rng.random() < 0.5:
            ranges.add(start, end)
            reference |= set(range(start, end))
        else:
            taken = ranges.take(start, end)
            assert [n for low, high in taken for n in range(low, high)] == sorted(reference & set(range(start, end)))
            reference -= set(range(start, end))
        bounds = list(ranges)
        assert [n for low, high in bounds for n in range(low, high)] == sorted(reference)
        assert all(a[1] < b[0] for a, b in itertools.pairwise(bounds)), "adjacent ranges are merged"
        assert ranges.total == len(reference)


def test_as_text():
    assert repr(Ranges((4, 8), (0, 4), (10, 12))) == "Ranges((0, 8), (10, 12))"
