"""Place: every array on chip gets its tiles.

In:  Dma and Push with pointers relative to arrays.
Out: the same, with pointers on chip relative to the start of their memory. The arrays of one virtual thread are
     consecutive; the share of the next thread follows.
A memory that is too small is an error that lists its arrays.
"""

from vta.compiler.te.errors import CompileError
from vta.compiler.te.ir import Ptr


def run(function, config):
    places = placement(function.arrays, config)

    def placed(pointer):
        offset, share = places.get(pointer.array, (0, 0))
        index = pointer.index + offset
        return Ptr(pointer.array, function.thread * share + index if pointer.array.threads > 1 else index)
    return function.rewrite(Ptr, placed)


def placement(arrays, config):
    """{array: (its first tile, tiles from one thread's copy to the next)} for the arrays on chip."""
    result = {}
    for memory in ("INP", "WGT", "ACC"):
        lanes = config.tile_bytes["WGT" if memory == "WGT" else "INP"]
        mine = [array for array in arrays if array.memory == memory]
        offsets = [0]
        for array in mine:
            if array.size % lanes:
                raise CompileError(f"stage {array.name}: its {array.size} elements on chip are no whole "
                                   f"tiles of {lanes}")
            offsets.append(offsets[-1] + array.size // lanes)
        share = offsets.pop()
        threads = max((array.threads for array in mine), default=1)
        if share * threads > config.depth[memory]:
            rows = ", ".join(f"{array.name} {array.size // lanes}" for array in mine)
            raise CompileError(f"memory {memory} holds {config.depth[memory]} tiles, the schedule needs "
                               f"{share * threads}: {rows}, for each of {threads} virtual threads; make the "
                               f"tiles of this program smaller")
        result |= {array: (offset, share) for array, offset in zip(mine, offsets, strict=True)}
    return result
