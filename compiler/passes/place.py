"""Pass 7, place: every on-chip buffer gets its tiles.

In:  Dma and Push with pointers into buffers.
Out: the same, with `Buffer.offset` and `Buffer.stride` set: a buffer of virtual thread t begins at
     offset + t * stride. One thread's buffers lie one after another; the next thread's share follows.
A memory that is too small is an error that lists its buffers.
"""

from vta.compiler.te.expr import CompileError
from vta.compiler.te.rewrite import memory_of


def run(program, config):
    for memory in ("INP", "WGT", "ACC"):
        lanes = config.tile_bytes["WGT" if memory == "WGT" else "INP"]
        mine = [buffer for buffer in program.buffers if memory_of(buffer) == memory]
        share = 0
        for buffer in mine:
            if buffer.size % lanes:
                raise CompileError(f"stage {buffer.name}: its {buffer.size} elements on chip are no whole "
                                   f"tiles of {lanes}")
            buffer.offset = share
            share += buffer.size // lanes
        threads = max((buffer.threads for buffer in mine), default=1)
        if share * threads > config.depth[memory]:
            rows = ", ".join(f"{buffer.name} {buffer.size // lanes}" for buffer in mine)
            raise CompileError(f"memory {memory} holds {config.depth[memory]} tiles, the schedule needs "
                               f"{share * threads}: {rows}, for each of {threads} virtual threads; make the "
                               f"tiles of this program smaller")
        for buffer in mine:
            buffer.stride = share
    return program
