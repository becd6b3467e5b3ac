"""The accumulator pipeline: accumulators in two banks, one op a cycle, forwarding."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, enum, memory, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.features import Feature
from vta.hw.rtl.alu import SELECT, AluLane, shifts_left
from vta.hw.rtl.requantise import LOAD

DOT_CYCLE = 2        # cycles from an op to its dot product


class Y(enum.Enum, shape=unsigned(3)):
    """Where an op's second operand comes from: 0, the op before, the immediate, the tile that enters with the op, or
    tile `src`."""

    ZERO = 0
    HOLD = 1
    IMM = 2
    TILE = 3
    SRC = 4


def tag_layout():
    """What leaves the pipeline when an instruction is complete: the tokens it pushes, and whether it was FINISH."""
    return data.StructLayout({"push_prev": unsigned(1), "push_next": unsigned(1), "finish": unsigned(1)})


def op_layout(config):
    """An op, one cycle's work in the accumulator pipeline: result = x `select` y, written to tile `dst`.

    x is tile `x` if `read_x`, that of the op before if `hold_x`, else 0; y see `Y`; to HOLD it, `select` must be that
    of the op before. A product of GEMM (`is_gemm`) is added to y, which must be ZERO. Without `write` the result is
    dropped. `requant`: what the requantiser does with it, if there is one.
    """
    requant = {"requant": REQUANT_OP} if config.has(Feature.REQUANTISE) else {}
    index = unsigned(config.acc_depth_log)
    return data.StructLayout({
        "select": SELECT, "phase": unsigned(2), "is_gemm": unsigned(1), "imm": signed(16),
        "x": index, "src": index, "dst": index, "read_x": unsigned(1), "hold_x": unsigned(1), "y": Y,
        "write": unsigned(1), "tag": tag_layout(), **requant})


# `enters`: the result is a tile to requantise, `to_acc`: into its accumulator as well; `first_half`, `second_half` of a
# wide tile; `load`: the result is parameters; `only_acc`: a plain result does not go to the output buffer
REQUANT_OP = data.StructLayout({
    **dict.fromkeys(("enters", "to_acc", "first_half", "second_half", "only_acc"), 1), "load": LOAD})


def bank_of(index):
    """The bank of a tile: the parity of its index, so that indices which differ in one bit never share a bank."""
    return index.xor()


class Accumulate(wiring.Component):
    """Reads, operates, writes: the result of `op` is in the memories 4 cycles later; one op a cycle, never stalls.

    An op reads what earlier ops wrote, forwarded from those that are still in the pipeline, with one exception: src,
    and x of a SHR or MUL, must not be the tile that the op just ahead (with no cycle between) writes. An op may read
    two tiles only from different banks, or the same tile twice. `tile` is sampled with the op; `dot` `DOT_CYCLE` cycles
    later, when it must be 0 unless the op is a GEMM. `writing` is the op whose `result` is there and is written at the
    end of the cycle. `done` is the tag of the op that writes two cycles later, so whoever reads because of it must take
    three cycles at least; it is 0 for an op that enters the requantiser. After a cycle with `back`, tile `back_dst` is
    written from `back_tile`, for which no op in `writing` may write.
    """

    def __init__(self, config, dot_bits):
        self.config = config
        lanes = config.lanes
        self.tile_shape = data.ArrayLayout(signed(32), lanes)
        super().__init__({
            "valid": In(1), "op": In(op_layout(config)), "tile": In(self.tile_shape),
            "dot": In(data.ArrayLayout(signed(dot_bits), lanes)),
            "done": Out(tag_layout()), "busy": Out(1),
            "writing_valid": Out(1), "writing": Out(op_layout(config)), "result": Out(self.tile_shape),
            "computed": Out(self.tile_shape),      # the result, unless it was MIN or MAX
            "back": In(1), "back_dst": In(config.acc_depth_log), "back_tile": In(self.tile_shape)})

    def elaborate(self, platform):
        m = Module()
        depth, tile, lanes = self.config.depth["ACC"], self.tile_shape, self.config.lanes
        layout = op_layout(self.config)
        op = self.op
        reading, operating, writing = (
            Signal(layout, name=name, reset_less=True) for name in ("reading", "operating", "writing"))
        reading_valid, operating_valid, writing_valid = (
            Signal(name=f"{name}_valid") for name in ("reading", "operating", "writing"))
        # of the op in `writing`: what the lanes computed, their y, inverted, for those that take it, and the result
        computed, y_late, late_result = (
            Signal(tile, name=name, reset_less=True) for name in ("computed", "y_late", "late_result"))
        takes_y = Signal(lanes, reset_less=True)
        result = self.result
        m.d.comb += [self.writing_valid.eq(writing_valid), self.writing.eq(writing),
                       self.computed.eq(computed)]

        # what the requantiser gives back takes the place of a result
        returned = Signal()                      # for the data; the banks have registers of their own
        returned_dst = Signal.like(self.back_dst, reset_less=True)
        to_bank = [Signal(name=f"to_bank_{number}") for number in range(2)]
        if self.config.has(Feature.REQUANTISE):
            m.d.sync += [returned.eq(self.back), returned_dst.eq(self.back_dst),
                         *(here.eq(self.back & (bank_of(self.back_dst) == number))
                           for number, here in enumerate(to_bank))]

        # cycle 0: addresses to the banks; where the operands will come from when the banks answer
        banks = []
        for number in range(2):
            m.submodules[f"bank_{number}"] = bank = memory.Memory(shape=tile, depth=max(depth // 2, 1), init=[])
            read = bank.read_port()
            write = bank.write_port()
            m.d.comb += [
                read.en.eq(self.valid & (op.read_x | (op.y == Y.SRC))),
                read.addr.eq(Mux(op.read_x & (bank_of(op.x) == number), op.x[1:], op.src[1:])),
                write.en.eq((writing_valid & writing.write & (bank_of(writing.dst) == number)) | to_bank[number]),
                write.addr.eq(Mux(to_bank[number], returned_dst[1:], writing.dst[1:])), write.data.eq(result),
            ]
            banks.append(read.data.as_value())
        given = Signal(tile, reset_less=True)    # the immediate, or the tile that entered with the op
        select = {name: Signal(2, name=f"select_{name}", reset_less=True) for name in ("x", "src")}
        follows = Signal()                       # x is the result of the op just ahead
        m.d.sync += [reading_valid.eq(self.valid), reading.eq(op)]
        with m.If(op.y == Y.TILE):
            m.d.sync += given.eq(self.tile)
        with m.Else():
            m.d.sync += [value.eq(op.imm) for value in given]
        for name, index in (("x", op.x), ("src", op.src)):
            late = writing_valid & writing.write & (writing.dst == index)
            newest = operating_valid & operating.write & (operating.dst == index)
            m.d.sync += select[name].eq(Cat(Mux(late, 0, bank_of(index)) | newest, late | newest))
        m.d.sync += follows.eq(op.read_x & reading_valid & reading.write & (reading.dst == op.x))

        # cycle 1: the operands, from the banks or from newer results
        x_q, y_q = (Signal(32 * lanes, name=name, reset_less=True) for name in ("x_q", "y_q"))
        y = Signal(tile)                         # y_q inverts it for MIN and MAX
        left = Signal(lanes, reset_less=True)
        forward = Signal()

        def choose(select):
            """One of four values: a six-input LUT per bit."""
            low, high = (Mux(select[0], one, zero) for zero, one in (
                banks, (late_result.as_value(), result.as_value())))
            return Mux(select[1], high, low)

        m.d.comb += y.eq(Mux(reading.y == Y.SRC, choose(select["src"]), given.as_value()))
        m.d.sync += [operating_valid.eq(reading_valid), operating.eq(reading), forward.eq(follows)]
        with m.If(reading_valid & ~reading.hold_x):
            m.d.sync += x_q.eq(Mux(reading.read_x, choose(select["x"]), 0))
        with m.If(reading_valid & (reading.y != Y.HOLD)):
            m.d.sync += [y_q.eq(y.as_value() ^ reading.select.extreme.replicate(32 * lanes)),
                         left.eq(Cat(shifts_left(value) for value in y))]
            with m.If(reading.y == Y.ZERO):
                m.d.sync += y_q.eq(0)

        # cycle 2: the operation
        for n in range(lanes):
            held, waiting = x_q.word_select(n, 32), y_q.word_select(n, 32)
            m.submodules[f"lane_{n}"] = lane = AluLane()
            m.d.comb += [
                lane.en.eq(operating_valid), lane.select.eq(operating.select), lane.phase.eq(operating.phase),
                lane.x.eq(held), lane.late_x.eq(Mux(forward, result[n], held.as_signed())),
                lane.y.eq(waiting), lane.left.eq(left[n]), lane.addend.eq(waiting.as_signed() | self.dot[n]),
                result[n].eq(Mux(returned, self.back_tile[n], Mux(takes_y[n], ~y_late[n], computed[n]))),
            ]
            m.d.sync += [computed[n].eq(lane.result), takes_y[n].eq(lane.takes_y), y_late[n].eq(waiting)]
        m.d.sync += [writing_valid.eq(operating_valid), writing.eq(operating)]
        # cycle 3: the write; the result is kept one cycle more for forwarding
        m.d.sync += late_result.eq(result)
        m.d.comb += self.busy.eq(reading_valid | operating_valid | writing_valid)
        enters = reading.requant.enters if self.config.has(Feature.REQUANTISE) else Const(0, 1)
        with m.If(reading_valid & ~enters):
            m.d.comb += self.done.eq(reading.tag)
        return m
