"""The streams of the self-test: load an accumulator tile from `source`, halve it, store it to `target`."""

import numpy as np

from vta.hw.isa import AluOp, MemType, Opcode, encode, layouts, to_words

NOWHERE = 0xF000_0000            # a bus address without memory, on every board and in simulation


class SelftestProgram:
    """Buffers and streams on `device`: each stream is (n, 2) uint64, ready to run any number of times.

    `good` has no error. `token_chain` pops one S2G token and pushes one. `unknown_opcode`, `index`, `read_nowhere`,
    `write_nowhere` fail at instruction 2, 2, 0, 0 of their unit. `deadlock` waits for a token that never comes,
    `push_l2g` pushes one L2G token and then does the same. `endless` and `many_loads` take long.
    """

    def __init__(self, device):
        self._config, self._formats = device.config, layouts(device.config)
        tiles = device.config.tile_bytes
        self.source = device.memory.alloc(tiles["ACC"], 4096)
        self.target = device.memory.alloc(tiles["OUT"], 4096)
        self._uop = device.memory.alloc(64, 4096)
        self._uop.array[:] = 0
        nowhere = (NOWHERE - getattr(device, "bus_base", 0)) % (1 << 32)
        load_uop = self._transfer(Opcode.LOAD, MemType.UOP, self._uop.address)
        load_acc = self._transfer(Opcode.LOAD, MemType.ACC, self.source.address)
        halve = self._halve(push_next=1)
        store = self._transfer(Opcode.STORE, MemType.OUT, self.target.address, pop_prev=1, push_prev=1)
        self.good = self._insns(load_uop, load_acc, halve, store)
        self.token_chain = self._insns(load_uop, load_acc, self._halve(pop_next=1, push_next=1), store)
        self.unknown_opcode = self._insns(load_uop, load_acc, {"opcode": 6}, halve, store)
        last = (1 << device.config.acc_depth_log) - 1
        self.index = self._insns(load_uop, load_acc, self._halve(dst_factor_in=last, iter_in=3))
        self.read_nowhere = self._insns(self._transfer(Opcode.LOAD, MemType.ACC, nowhere))
        self.write_nowhere = self._insns(
            load_uop, load_acc, halve,
            self._transfer(Opcode.STORE, MemType.OUT, nowhere, pop_prev=1, push_prev=1))
        self.deadlock = self._insns(self._halve(pop_prev=1, iter_in=0))
        self.endless = self._insns(load_uop, load_acc, self._halve(iter_out=10_000, iter_in=10_000))
        self.many_loads = self._insns(*[load_acc] * 200, halve, store, *[load_acc] * 200)
        self.push_l2g = self._insns({"opcode": Opcode.LOAD, "mem_type": MemType.INP, "push_next": 1},
                                    self._halve(pop_next=1, iter_in=0))

    def free(self):
        for buffer in (self.source, self.target, self._uop):
            buffer.free()

    def _transfer(self, opcode, mem, address, **flags):
        return {"opcode": opcode, "mem_type": mem, "x_size": 1, "y_size": 1, "x_stride": 1,
                "dram_base": address // self._config.tile_bytes[mem.name], **flags}

    def _halve(self, **fields):
        return {"opcode": Opcode.ALU, "alu_opcode": AluOp.SHR, "use_imm": 1, "imm": 1, "uop_end": 1,
                "iter_out": 1, "iter_in": 1, **fields}

    def _insns(self, *instructions):
        """The stream of these instructions and FINISH, (n, 2) uint64."""
        words = [encode(self._formats.of(fields["opcode"]), fields)
                 for fields in (*instructions, {"opcode": Opcode.FINISH})]
        return np.array([to_words(word) for word in words], np.uint64)
