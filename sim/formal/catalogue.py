"""All proofs about the RTL, each with the planted bugs that it must find."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType

from vta.hw.config import PRESETS
from vta.hw.rtl import burst_generator, fifo, gemm, nest, read_arbiter, requantise, store_data, tokens, write_master
from vta.sim.formal.burst_generator import LegalBursts, WholeRegion
from vta.sim.formal.fifo import FirstInFirstOut
from vta.sim.formal.mutant import mutant
from vta.sim.formal.nest import ThreeLoops
from vta.sim.formal.product import DualProduct
from vta.sim.formal.prove import bounded, inductive
from vta.sim.formal.read_arbiter import ReadChannelRules
from vta.sim.formal.requantise import ComposedProduct, RoundedProduct
from vta.sim.formal.store import SteadyBeats
from vta.sim.formal.tokens import TokenConservation
from vta.sim.formal.write_master import WriteChannelRules

TINY = PRESETS["tiny"]
PAIR = replace(TINY, read_outstanding=2, write_outstanding=2)


@dataclass(frozen=True)
class Bug:
    """A planted bug: the text `old` of the unit's module becomes `new`."""

    name: str
    old: str
    new: str


@dataclass(frozen=True)
class Proof:
    """`make(unit)` gives the property of the unit in module `unit`; `prove` checks it over `steps` cycles.

    `quick` proofs are part of `make test`, with all their bugs; each bug shows within `bug_steps` cycles.
    """

    name: str
    states: str
    module: ModuleType
    make: Callable
    steps: int
    bugs: tuple[Bug, ...]
    prove: Callable = bounded
    quick: bool = True
    bug_steps: int = 6

    @property
    def reach(self):
        """How far the proof reaches, as text."""
        if self.prove is inductive:
            return "every execution"
        return f"{self.steps} cycles from reset" if self.steps > 1 else "all operands"

    def run(self):
        """The verdict on the unit itself."""
        return self.prove(self.make(self.module), self.steps)

    def run_with(self, bug):
        """The verdict on the unit with `bug` planted in it."""
        return bounded(self.make(mutant(self.module, bug.old, bug.new)), self.bug_steps)


TOKEN_BUGS = (
    Bug("a pop is not counted", "counted(self.count, source.push, popped)",
        "counted(self.count, source.push, popped & 0)"),
    Bug("one extra slot", "(reserved == depth - 1)", "(reserved == depth)"),
    Bug("a reserved slot is not counted", "counted(reserved, source.reserve", "counted(reserved, source.push"),
    Bug("the last token is not offered", "source.push | (self.count[1:] != 0)", "(self.count[1:] != 0)"),
)
WRITE_BUGS = (
    Bug("W changes while it waits (apache/tvm-vta issue 41)", "self.beats.ready.eq(moved)",
        "self.beats.ready.eq(axi.wvalid)"),
    Bug("WLAST one beat early", "last.eq(sent == lens.o.payload)", "last.eq(sent + 1 >= lens.o.payload)"),
    Bug("data ahead of its address", "axi.wvalid.eq(self.beats.valid & lens.o.valid)",
        "axi.wvalid.eq(self.beats.valid)"),
    Bug("AW withdrawn", "with m.If(axi.awready):", "with m.If(1):"),
    Bug("AW overwritten while it waits", "(~axi.awvalid | axi.awready) & ~in_flight", "~in_flight"),
    Bug("one burst too many", "Counter(limit)", "Counter(limit + 1)"),
    Bug("responses not counted", "in_flight.down.eq(self.response)", "in_flight.down.eq(0)"),
)
READ_BUGS = (
    Bug("AR withdrawn", "with m.Elif(axi.arready):", "with m.Else():"),
    Bug("AR overwritten while it waits", "(~axi.arvalid | axi.arready) & ~in_flight", "~in_flight"),
    Bug("two requests at once", "free & (urgent == k)", "free"),
    Bug("one burst too many", "Counter(limit)", "Counter(limit + 1)"),
    Bug("every beat ends a burst", "arrived.o.ready & beat.last", "arrived.o.ready"),
    Bug("the last beat is not marked", "new.last.eq(axi.rlast)", "new.last.eq(0)"),
    Bug("beats go to all clients of an ID", "& (order.o.payload == k if order else 1)", ""),
)
BURST_BUGS = (
    Bug("bursts cross the block boundary", "Mux(row_ends, last_beat[:block_log], config.max_burst - 1)",
        "last_beat[:block_log]"),
    Bug("a burst moves on while it waits", "with m.If(~valid):", "with m.If(1):"),
    Bug("the next block starts a beat late", "Cat(Const(0, block_log), following)",
        "Cat(Const(1, block_log), following)"),
)
REGION_BUGS = (
    BURST_BUGS[2],
    Bug("the last beat of a row is dropped", "last_beat.eq(start.last >> bus)",
        "last_beat.eq((start.last >> bus) - 1)"),
    Bug("the next row starts where the row ends", "row.first.eq(start.first + start.stride)",
        "row.first.eq(start.last + 1)"),
    Bug("rows are not counted", "row.rows.eq(start.rows - 1)", "row.rows.eq(start.rows)"),
    Bug("last on every row", "self.last.eq(row_ends & last_row)", "self.last.eq(row_ends)"),
)
NEST_BUGS = (
    Bug("the inner trip count is not restored", "[left_in.eq(now.iter_in), left_out", "[left_out"),
    Bug("the inner loop restarts at index 0", "inner[name].eq(onward)]", "inner[name].eq(0)]"),
    Bug("one micro-op too many", "Mux(last_uop, now.one_uop, uops == 2)", "Mux(last_uop, now.one_uop, uops == 1)"),
    Bug("the sticky bit is not kept", "total[bits] | at[bits] |", "total[bits] |"),
    Bug("the next instruction is taken early", "~active | (self.step.ready & last)", "~active | last"),
)
FIFO_KINDS = {"plain": (), "block_ram": ("block_ram",), "registered": ("registered",),
              "both": ("block_ram", "registered")}
# room in the memory takes more where there are registers behind it
FIFO_DEPTHS = {"registered": ((4, 8), (5, 12)), "both": ((5, 8), (6, 12))}
FIFO_BUGS = (Bug("a write into a full queue", "self.i.valid & self.i.ready & ~straight", "self.i.valid & ~straight"),
             Bug("one place too many", "Counter(capacity)", "Counter(capacity + 1)"))
STRAIGHT_BUGS = (*FIFO_BUGS, Bug("what arrives overtakes what is in the memory", "ready & ~valid & ~count.some",
                                 "ready"))
PRODUCT_BUGS = (
    Bug("the borrow is not returned", "product + (1 << 15)", "product"),
    Bug("the two products overlap", "(w1 << 16)", "(w1 << 15)"),
)
COMPOSED_BUGS = (
    Bug("the bias is added to both halves", "Mux(no_bias, 0, bias)", "bias"),
    Bug("all of a first half is added to the bias", "self.word[HALF_BITS:BIAS_BITS] & mask",
        "self.word[HALF_BITS:BIAS_BITS]"),
    Bug("both parts of the multiplier have a sign", "multiplier[:LOW_BITS])", "multiplier[:LOW_BITS].as_signed())"),
    Bug("the first half's product is shifted too far", "high >> HALF_BITS - LOW_BITS", "high >> HALF_BITS - 16"),
    Bug("the first half's product comes a cycle late", "m.If(second[1])", "m.If(second[0])"),
    Bug("a wide tile is rounded early", "early = self.early & ~first", "early = self.early"),
)
ROUNDED_BUGS = (
    Bug("the bits below the second half are forgotten", " | (second & lost[-1])", ""),
    Bug("what the last multiplexers drop is forgotten", "some.eq(sticky | last_lost)", "some.eq(sticky)"),
    Bug("a rounded product is rounded again", "one_below = ~double & Mux", "one_below = Mux"),
    Bug("negative ties are rounded up", "(some | ~coarse[32])", "1"),
    Bug("ties go to odd numbers", "(some | fine[1])", "(some | ~fine[1])"),
    Bug("the shift loses the sign", "value = value.as_signed()", "value = value.as_unsigned()"),
    Bug("numbers of ten bits are out of reach", "q[9:] != q[31].replicate(23)", "q[8:] != q[31].replicate(24)"),
    Bug("a lane without bounds has an upper one", "more.eq(~p.raw & ", "more.eq("),
    Bug("the sign is that of the unbounded result", "(self.high[7] | (sign & self.low[7]))", "sign"),
)

PROOFS = (
    Proof("tokens", "a token queue of 8 loses and invents nothing", tokens,
          lambda unit: TokenConservation(unit, 8), 2, TOKEN_BUGS, prove=inductive),
    Proof("tokens_1024", "the same for a token queue of 1024, as in the default configuration", tokens,
          lambda unit: TokenConservation(unit, 1024), 2, TOKEN_BUGS[:1], prove=inductive, quick=False),
    *(Proof(f"fifo_{name}_{depth}", f"a {name} queue of {depth} gives what was written, in order", fifo,
            lambda unit, kind=kind, depth=depth: FirstInFirstOut(unit, kind, depth, width=2), steps,
            STRAIGHT_BUGS if "registered" in kind else FIFO_BUGS, quick=steps == 8, bug_steps=8)
      for name, kind in FIFO_KINDS.items() for depth, steps in FIFO_DEPTHS.get(name, ((3, 8), (4, 12)))),
    Proof("write_master", "AW and W hold, W follows its AW, WLAST is correct, responses are counted", write_master,
          lambda unit: WriteChannelRules(PAIR, unit), 7, WRITE_BUGS, bug_steps=7),
    Proof("write_master_long", "the same with four bursts in flight", write_master,
          lambda unit: WriteChannelRules(TINY, unit), 11, WRITE_BUGS[:1], quick=False),
    Proof("store_narrow", "beats of tiles narrower than the bus are stable", store_data,
          lambda unit: SteadyBeats(TINY, unit), 9,
          (Bug("a tile is lost while the beat waits", "tiles.valid & (~oldest.flush | self.beats.ready)",
               "tiles.valid"),),
          bug_steps=8),
    Proof("store_wide", "beats of tiles of two beats are stable", store_data,
          lambda unit: SteadyBeats(PRESETS["default"], unit), 8,
          (Bug("the beat changes while it waits", "with m.If(self.beats.valid & self.beats.ready):",
               "with m.If(self.beats.valid):"),), bug_steps=8),
    Proof("read_master", "AR holds, requests are counted, each beat reaches the client that requested it",
          read_arbiter, lambda unit: ReadChannelRules(PAIR, unit), 6, READ_BUGS),
    Proof("read_master_long", "the same, for longer", read_arbiter,
          lambda unit: ReadChannelRules(PAIR, unit), 10, READ_BUGS[-1:], quick=False, bug_steps=8),
    Proof("bursts", "bursts hold and are legal, none crosses 4 KiB, for regions of any size", burst_generator,
          lambda unit: LegalBursts(TINY, unit), 2, BURST_BUGS, prove=inductive, bug_steps=9),
    Proof("bursts_default", "the same with the widths of the default configuration", burst_generator,
          lambda unit: LegalBursts(PRESETS["default"], unit), 2, BURST_BUGS[:1], prove=inductive, quick=False),
    Proof("region", "the bursts of a region are its rows, beat by beat", burst_generator,
          lambda unit: WholeRegion(TINY, unit), 10, REGION_BUGS, quick=False, bug_steps=10),
    Proof("nest", "the steps are those of three nested loops", nest, lambda unit: ThreeLoops(TINY, unit), 5, NEST_BUGS),
    Proof("nest_long", "the same, over two instructions", nest,
          lambda unit: ThreeLoops(TINY, unit, trips=2), 10, NEST_BUGS[-1:], quick=False),
    Proof("product_of_one", "two products of -77 in one multiplier, for all weights", gemm,
          lambda unit: DualProduct(unit, -77), 1, PRODUCT_BUGS, bug_steps=1),
    Proof("product", "two products in one multiplier, for all operands", gemm, DualProduct, 1, PRODUCT_BUGS,
          quick=False, bug_steps=1),
    Proof("requantise_product", "two multipliers give the product of a lane, and that of a wide lane's halves",
          requantise, ComposedProduct, 9, COMPOSED_BUGS, bug_steps=9),
    Proof("requantise_by_11", "a product shifted by 11, rounded, offset and clipped is what integers give", requantise,
          lambda unit: RoundedProduct(unit, shift=11), 8, ROUNDED_BUGS, bug_steps=8),
    Proof("requantise", "the same for all shifts", requantise, RoundedProduct, 8, ROUNDED_BUGS[:1], quick=False,
          bug_steps=8),
)
