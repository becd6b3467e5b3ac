"""A served functional simulator in this process, and a small program for it."""

import threading
from contextlib import contextmanager

import numpy as np

from vta.hw.isa import AluOp, MemType, Opcode, encode, layouts, to_words
from vta.runtime.device import open_device
from vta.runtime.functional import FunctionalDevice

TOKEN = "a-good-token"
DEADLINE = 60                    # seconds; nothing here takes that long


@contextmanager
def serving_here(token=TOKEN, open_it=lambda: FunctionalDevice("tiny", 1 << 20), **options):
    """A Server in a thread; leaving waits for its end."""
    from vta.runtime.remote.serve import Server  # needs msgpack
    server = Server(open_it, token, **options)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server
    finally:
        server.close()
        thread.join(DEADLINE)
        assert not thread.is_alive()


def connect(server, **options):
    return open_device(f"{server.url}?token={TOKEN}", "tiny", **options)


def shift_program(device, amount):
    """LOAD an ACC tile, shift it right, STORE it: (insns, expected output, output buffer)."""
    formats, tiles = layouts(device.config), device.config.tile_bytes
    source, target = device.memory.alloc(tiles["ACC"]), device.memory.alloc(tiles["OUT"])
    uop = device.memory.alloc(64)
    values = np.arange(source.nbytes // 4, dtype=np.int32) * 37 - 50
    source.view(np.int32)[:] = values
    memory = {"y_size": 1, "x_size": 1, "x_stride": 1}
    words = [
        encode(formats.memory, {"opcode": Opcode.LOAD, "mem_type": MemType.UOP,
                                "dram_base": uop.address // 4} | memory),
        encode(formats.memory, {"opcode": Opcode.LOAD, "mem_type": MemType.ACC,
                                "dram_base": source.address // tiles["ACC"]} | memory),
        encode(formats.alu, {"opcode": Opcode.ALU, "uop_end": 1, "iter_out": 1, "iter_in": 1, "push_next": 1,
                             "alu_opcode": AluOp.SHR, "use_imm": 1, "imm": amount}),
        encode(formats.memory, {"opcode": Opcode.STORE, "mem_type": MemType.OUT, "pop_prev": 1,
                                "push_prev": 1, "dram_base": target.address // tiles["OUT"]} | memory),
        encode(formats.control, {"opcode": Opcode.FINISH}),
    ]
    return np.array([to_words(word) for word in words], np.uint64), (values >> amount).astype(np.int8), target
