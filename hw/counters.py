"""The performance counters, once, as data: RTL, register map, runtime and documentation read this table.

Every unit is in exactly one *state* per cycle of a run, so the state counters of a unit add up to the
run's cycles; simulations assert it. The other counters are *events*. All are 32 bits wide, are cleared
at launch and hold their values after the run. Offsets never change: a new counter takes the next free one, wherever
it is in the table.
"""

from dataclasses import dataclass

from vta.hw.isa import Unit


@dataclass(frozen=True)
class Counter:
    """`kind` is "state" (cycles; one per unit and cycle) or "event" (occurrences); `offset` in bytes from the first."""

    name: str
    offset: int
    kind: str
    unit: Unit
    doc: str
    advice: str = ""


def _state(unit, offset, name, doc, advice=""):
    return Counter(f"{unit.name.lower()}_{name}", offset, "state", unit, doc, advice)


def _event(unit, offset, name, doc, advice=""):
    return Counter(name, offset, "event", unit, doc, advice)


F, L, C, S = Unit.FETCH, Unit.LOAD, Unit.COMPUTE, Unit.STORE
COUNTERS = (
    _state(F, 0x00, "busy", "cycles in which fetch dispatched an instruction"),
    _state(F, 0x04, "wait_mem", "cycles in which fetch had no instruction to dispatch and waited for memory",
           "too many instructions for the work they do: larger kernels, a wider bus, or a separate port for fetch"),
    _state(F, 0x08, "wait_queue", "cycles in which fetch held an instruction for a unit whose queue was full",
           "harmless while the other units are busy; otherwise deepen that queue"),
    _state(F, 0x0C, "idle", "cycles after the last instruction was dispatched"),

    _state(L, 0x10, "busy", "cycles in which load wrote tiles or padding, or executed a token instruction"),
    _state(L, 0x14, "wait_insn", "cycles in which load had no instruction",
           "nothing to load, or another full queue blocks fetch"),
    _state(L, 0x18, "wait_token", "cycles in which load waited for a G2L token",
           "compute is the bottleneck, as it should be"),
    _state(L, 0x1C, "wait_mem", "cycles in which load had requested data and the bus carried none (latency)",
           "keep more requests in flight: larger transfers, or a higher read_outstanding"),
    _state(L, 0x20, "wait_bus", "cycles in which the read channel carried another unit's data",
           "the bus is shared: set axi_ports = 2"),
    _state(L, 0x24, "idle", "cycles after the last load"),

    _state(C, 0x28, "gemm", "cycles in which a GEMM step (reset included) entered the pipeline"),
    _state(C, 0x2C, "alu", "cycles in which an ALU step entered the pipeline"),
    _state(C, 0x30, "load_acc", "cycles in which an accumulator tile was loaded or padded"),
    _state(C, 0x34, "token", "cycles spent on instructions without pipeline work: token NOPs, LOAD UOP, FINISH"),
    _state(C, 0x38, "wait_insn", "cycles in which compute had no instruction",
           "fetch or its queue is the bottleneck"),
    _state(C, 0x3C, "wait_l2g", "cycles in which compute waited for an L2G token",
           "memory bound: reuse inputs or weights more, or use two virtual threads"),
    _state(C, 0x40, "wait_s2g", "cycles in which compute waited for an S2G token",
           "store bound: longer rows, or a second virtual thread"),
    _state(C, 0x44, "wait_uop", "cycles in which a GEMM or ALU instruction waited for its micro-ops",
           "kernels are being reloaded: use fewer or smaller ones"),
    _state(C, 0x48, "wait_acc", "cycles in which compute waited for accumulator tiles from memory",
           "load biases earlier, or load fewer of them"),
    _state(C, 0x4C, "wait_hazard", "cycles lost to accumulator bank conflicts, MUL or a true dependency",
           "place src and dst of tensor ALU steps at indices that differ in an odd number of bits"),
    _state(C, 0x50, "wait_pipe", "cycles in which an instruction waited for the pipeline to accept it"),
    _state(C, 0xC4, "wait_requant", "cycles in which an instruction waited until the requantiser was empty",
           "PAR and the change from requantised to plain steps cost some ten cycles each: longer kernels"),
    _state(C, 0x54, "idle", "cycles after FINISH entered the pipeline"),

    _state(S, 0x58, "busy", "cycles in which store put data on the bus, or executed a token instruction"),
    _state(S, 0x5C, "wait_insn", "cycles in which store had no instruction"),
    _state(S, 0x60, "wait_token", "cycles in which store waited for a G2S token"),
    _state(S, 0x64, "wait_write", "cycles in which the write channel did not take data",
           "memory write bandwidth is the limit"),
    _state(S, 0x68, "wait_mem", "cycles in which store waited for write responses only"),
    _state(S, 0x6C, "idle", "cycles after the last store"),

    _event(F, 0x70, "fetch_insns", "instructions dispatched"),
    _event(L, 0x74, "load_insns", "instructions executed by load"),
    _event(C, 0x78, "compute_insns", "instructions executed by compute"),
    _event(S, 0x7C, "store_insns", "instructions executed by store"),
    _event(L, 0x80, "inp_tiles", "INP tiles loaded from memory, excluding padding"),
    _event(L, 0x84, "wgt_tiles", "WGT tiles loaded from memory, excluding padding"),
    _event(C, 0x88, "uop_words", "micro-ops loaded from memory"),
    _event(C, 0x8C, "acc_tiles", "ACC tiles loaded from memory (ACC and ACC_8BIT), excluding padding"),
    _event(S, 0x90, "out_tiles", "OUT tiles stored to memory"),
    _event(C, 0x94, "gemm_steps", "GEMM steps, excluding reset"),
    _event(C, 0x98, "reset_steps", "GEMM steps with reset"),
    _event(C, 0x9C, "alu_steps", "ALU steps"),
    _event(C, 0xC0, "requantised", "tiles that the requantiser was given"),
    _event(F, 0xA0, "read_beats", "data beats on all AXI read channels"),
    _event(F, 0xA4, "read_bursts", "bursts requested on all AXI read channels"),
    _event(S, 0xA8, "write_beats", "data beats on all AXI write channels"),
    _event(S, 0xAC, "write_bursts", "bursts requested on all AXI write channels"),
    _event(L, 0xB0, "pushed_l2g", "tokens pushed from load to compute"),
    _event(C, 0xB4, "pushed_g2l", "tokens pushed from compute to load"),
    _event(C, 0xB8, "pushed_g2s", "tokens pushed from compute to store"),
    _event(S, 0xBC, "pushed_s2g", "tokens pushed from store to compute"),
)
READ_PORTS = ("read_beats", "read_bursts")       # counted where the channels are, not by a unit
STATES = {unit: tuple(c for c in COUNTERS if c.unit is unit and c.kind == "state") for unit in Unit}
EVENTS = {unit: tuple(c for c in COUNTERS if c.unit is unit and c.kind == "event" and c.name not in READ_PORTS)
          for unit in Unit}


def tvm_stats(counts, config):
    """The seven statistics of TVM's simulator, under its names, from counter values (a dict by name)."""
    tile = config.tile_bytes
    return {
        "inp_load_nbytes": counts["inp_tiles"] * tile["INP"],
        "wgt_load_nbytes": counts["wgt_tiles"] * tile["WGT"],
        "acc_load_nbytes": counts["acc_tiles"] * tile["ACC"],
        "uop_load_nbytes": counts["uop_words"] * tile["UOP"],
        "out_store_nbytes": counts["out_tiles"] * tile["OUT"],
        "gemm_counter": counts["gemm_steps"],
        "alu_counter": counts["alu_steps"],
    }
