"""What the corner cases of the instruction set are made of.

A case is a function that fills a Program and returns the expected results of its STOREs: pairs (view, expected), one
number for each tile.
"""


def cases():
    """({name: function}, the decorator that adds a function to it)."""
    found = {}

    def case(function):
        found[function.__name__] = function
        return function
    return found, case


def byte(value):
    """The signed low byte, which STORE takes from an accumulator."""
    return (value + 128 & 255) - 128


def check(results):
    """Assert that each view holds its expected values, one for each tile, equal in all lanes."""
    for view, expected in results:
        for number, (tile, value) in enumerate(zip(view, expected, strict=True)):
            assert (tile == value).all(), f"tile {number}: {tile.tolist()}, expected {value}"
