"""The accumulator pipeline: accumulators in two banks, output buffer, one op a cycle, forwarding."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.rtl.alu import AluLane, Operation
from vta.hw.rtl.interfaces import scratch_read


def tag_layout():
    """What leaves the pipeline when an instruction is complete: the tokens it pushes, and whether it was FINISH."""
    return data.StructLayout({"push_prev": unsigned(1), "push_next": unsigned(1), "finish": unsigned(1)})


def op_layout(config):
    """An op, one cycle's work in the accumulator pipeline: result = x `operation` y, written to tile `dst`.

    x is tile `x` if `read_x`, else the one read before. y is `dot` if `is_gemm`, else the sign-extended `imm` if
    `use_imm`, else tile `src` if `read_src`, else the one read before; for MOVE, the tile that enters with the
    op. Without `write` the result is dropped.
    """
    index = unsigned(config.acc_depth_log)
    return data.StructLayout({
        "operation": Operation, "phase": unsigned(2), "is_gemm": unsigned(1),
        "use_imm": unsigned(1), "imm": signed(16),
        "x": index, "src": index, "dst": index,
        "read_x": unsigned(1), "read_src": unsigned(1), "write": unsigned(1), "tag": tag_layout()})


def bank_of(index):
    """The bank of a tile: the parity of its index, so that indices which differ in one bit never share a bank."""
    return index.xor()


class Accumulate(wiring.Component):
    """Reads, operates, writes: the result of `op` is in the memories 3 cycles later; one op a cycle, never stalls.

    Any sequence of ops is exact: an op reads what earlier ops wrote, forwarded from the three that are still in
    the pipeline. An op may read two tiles only from different banks, or the same tile twice. `tile` is sampled
    with the op, `dot` 2 cycles later. The output buffer gets the low byte of every result written; its
    read port has a latency of one cycle. `done` is the tag of the op being written.
    """

    def __init__(self, config, dot_bits):
        self.config = config
        lanes = config.lanes
        self.tile_shape = data.ArrayLayout(signed(32), lanes)
        super().__init__({
            "valid": In(1), "op": In(op_layout(config)), "tile": In(self.tile_shape),
            "dot": In(data.ArrayLayout(signed(dot_bits), lanes)),
            "done": Out(tag_layout()), "busy": Out(1),
            "out": In(scratch_read(config, "OUT"))})

    def elaborate(self, platform):
        m = Module()
        depth, tile = self.config.depth["ACC"], self.tile_shape
        layout = op_layout(self.config)
        reading, operating, writing = (Signal(layout, name=name) for name in ("reading", "operating", "writing"))
        reading_valid, operating_valid, writing_valid = (
            Signal(name=f"{name}_valid") for name in ("reading", "operating", "writing"))
        result = Signal(tile)                    # of the op in `writing`
        late_result = Signal(tile)               # of the op before that
        late_write = Signal()
        late_dst = Signal(self.config.acc_depth_log)

        # cycle 0: addresses to the banks
        op = self.op
        banks = []
        for number in range(2):
            m.submodules[f"bank_{number}"] = bank = memory.Memory(shape=tile, depth=max(depth // 2, 1), init=[])
            read = bank.read_port()
            write = bank.write_port()
            m.d.comb += [
                read.en.eq(self.valid & (op.read_x | op.read_src)),
                read.addr.eq(Mux(op.read_x & (bank_of(op.x) == number), op.x[1:], op.src[1:])),
                write.en.eq(writing_valid & writing.write & (bank_of(writing.dst) == number)),
                write.addr.eq(writing.dst[1:]), write.data.eq(result),
            ]
            banks.append(read.data)
        loaded = Signal(tile)
        m.d.sync += reading_valid.eq(self.valid)
        with m.If(self.valid):
            m.d.sync += reading.eq(op)
            with m.If(op.operation == Operation.MOVE):
                m.d.sync += loaded.eq(self.tile)

        # the op in `writing` has the newest value of its tile
        def writes(index):
            return writing_valid & writing.write & (writing.dst == index)

        def choose(select, values):
            """One of four values: a six-input LUT per bit."""
            low, high = (Mux(select[0], values[2 * n + 1], values[2 * n]) for n in range(2))
            return Mux(select[1], high, low)

        # cycle 1: from the banks, or newer results; an operand waiting in x_q or y_q is updated by a write to its tile
        x_q, y_q, x = (Signal(32 * self.config.lanes, name=name) for name in ("x_q", "y_q", "x"))
        sources = [banks[0].as_value(), banks[1].as_value(), late_result.as_value(), result.as_value()]
        ahead_x, ahead_src = operating.read_x & writes(operating.x), operating.read_src & writes(operating.src)
        moves = reading_valid & (reading.operation == Operation.MOVE)
        m.d.sync += operating_valid.eq(reading_valid)
        with m.If(reading_valid):
            m.d.sync += operating.eq(reading)
        for name, kept, read, index, ahead, moved in (
                ("x", x_q, reading.read_x, reading.x, ahead_x, 0),
                ("src", y_q, reading.read_src, reading.src, ahead_src, moves)):
            read = reading_valid & read
            select = Signal(2, name=f"select_{name}")
            late = late_write & (late_dst == index)
            newest = writes(index) | ~read
            m.d.comb += select.eq(Cat(Mux(late, 0, bank_of(index)) | newest, late | newest))
            with m.If(moved | read | (operating_valid & ahead)):
                m.d.sync += kept.eq(Mux(moved, loaded.as_value(), choose(select, sources)))

        # cycle 2: the operation; its operand is the result of the op just ahead if that writes the same tile
        m.d.comb += x.eq(Mux(ahead_x, result.as_value(), x_q))
        select_y = Signal(2)
        m.d.comb += select_y.eq(Mux(operating.is_gemm, 3, Mux(operating.use_imm, 2, ahead_src)))
        next_result = Signal(tile)
        for n in range(self.config.lanes):
            waiting = y_q.word_select(n, 32).as_signed()
            m.submodules[f"lane_{n}"] = lane = AluLane()
            m.d.comb += [
                lane.en.eq(operating_valid), lane.operation.eq(operating.operation),
                lane.phase.eq(operating.phase), lane.x.eq(x.word_select(n, 32)),
                lane.y.eq(choose(select_y, [waiting, result[n], operating.imm, self.dot[n]])),
                next_result[n].eq(lane.result),
            ]
        m.d.sync += [writing_valid.eq(operating_valid), late_write.eq(writing_valid & writing.write)]
        with m.If(operating_valid):
            m.d.sync += writing.eq(operating)
            with m.If(operating.write):
                m.d.sync += result.eq(next_result)

        # cycle 3: the write; the result is kept one cycle more for forwarding
        with m.If(writing_valid):
            m.d.sync += [late_result.eq(result), late_dst.eq(writing.dst)]
        m.submodules.out = out = memory.Memory(shape=8 * self.config.lanes, depth=depth, init=[])
        out_read = out.read_port()
        out_write = out.write_port()
        m.d.comb += [
            out_write.en.eq(writing_valid & writing.write), out_write.addr.eq(writing.dst),
            out_write.data.eq(Cat(value[:8] for value in result)),
            out_read.en.eq(self.out.en), out_read.addr.eq(self.out.index), self.out.data.eq(out_read.data),
            self.busy.eq(reading_valid | operating_valid | writing_valid),
        ]
        with m.If(writing_valid):
            m.d.comb += self.done.eq(writing.tag)
        return m
