"""Sets of byte ranges."""

from bisect import bisect_left, bisect_right


class Ranges:
    """A set of integers, kept as disjoint ranges [start, end), ascending; adjacent ones are merged."""

    def __init__(self, *ranges: tuple[int, int]):
        self._starts: list[int] = []
        self._ends: list[int] = []
        for start, end in ranges:
            self.add(start, end)

    def __iter__(self):
        return iter(zip(self._starts, self._ends, strict=True))

    def __repr__(self):
        return f"Ranges{tuple(self)}"

    @property
    def total(self) -> int:
        """How many integers the set has."""
        return sum(self._ends) - sum(self._starts)

    def add(self, start: int, end: int) -> None:
        if start < end:
            first, last = bisect_left(self._ends, start), bisect_right(self._starts, end)
            if first < last:                     # those that [start, end) overlaps or touches
                start, end = min(start, self._starts[first]), max(end, self._ends[last - 1])
            self._starts[first:last], self._ends[first:last] = [start], [end]

    def take(self, start: int, end: int) -> list[tuple[int, int]]:
        """Remove [start, end): the parts of it that were in the set, ascending."""
        first, last = bisect_right(self._ends, start), bisect_left(self._starts, end)
        if start >= end or first >= last:
            return []
        found = list(zip(self._starts[first:last], self._ends[first:last], strict=True))
        rest = [(low, high) for low, high in ((found[0][0], start), (end, found[-1][1])) if low < high]
        self._starts[first:last], self._ends[first:last] = [low for low, _ in rest], [high for _, high in rest]
        return [(max(low, start), min(high, end)) for low, high in found]
