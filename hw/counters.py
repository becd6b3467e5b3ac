"""The performance counters, once, as data: RTL, register map, runtime and documentation read this table.

Every unit is in exactly one *state* per cycle of a run, so the state counters of a unit add up to the
run's cycles; simulations assert it. The other counters are *events*. All are 32 bits wide, are cleared
at launch and hold their values after the run.
"""

from dataclasses import dataclass

from vta.hw.isa import Unit


@dataclass(frozen=True)
class Counter:
    """`kind` is "state" (cycles; one per unit and cycle) or "event" (occurrences per `what`)."""

    name: str
    kind: str
    unit: Unit
    doc: str
    advice: str = ""


def _state(unit, name, doc, advice=""):
    return Counter(f"{unit.name.lower()}_{name}", "state", unit, doc, advice)


def _event(unit, name, doc, advice=""):
    return Counter(name, "event", unit, doc, advice)


F, L, C, S = Unit.FETCH, Unit.LOAD, Unit.COMPUTE, Unit.STORE
COUNTERS = (
    _state(F, "busy", "cycles in which fetch dispatched an instruction"),
    _state(F, "wait_mem", "cycles in which fetch had none to dispatch and waited for memory",
           "the stream is long against its work: bigger kernels, wider bus, or a port for fetch alone"),
    _state(F, "wait_queue", "cycles in which fetch held an instruction for a unit whose queue was full",
           "harmless while the other units are busy; else deepen that queue"),
    _state(F, "idle", "cycles after the last instruction was dispatched"),

    _state(L, "busy", "cycles in which load wrote tiles or padding, or executed a token instruction"),
    _state(L, "wait_insn", "cycles in which load had no instruction",
           "nothing to load, or fetch is held up by another queue"),
    _state(L, "wait_token", "cycles in which load waited for a G2L token",
           "compute is the bottleneck; that is what one wants"),
    _state(L, "wait_mem", "cycles in which load had requested data and none was on the bus (latency)",
           "more requests ahead: larger transfers, or more read_outstanding"),
    _state(L, "wait_bus", "cycles in which the read channel carried somebody else's data",
           "the bus is shared: axi_ports = 2"),
    _state(L, "idle", "cycles after the last load"),

    _state(C, "gemm", "cycles in which a GEMM step (reset included) entered the pipeline"),
    _state(C, "alu", "cycles in which an ALU step entered the pipeline"),
    _state(C, "load_acc", "cycles in which an accumulator tile was loaded or padded"),
    _state(C, "token", "cycles spent on instructions without work: token NOPs, LOAD UOP, FINISH"),
    _state(C, "wait_insn", "cycles in which compute had no instruction",
           "fetch or its queue is the bottleneck"),
    _state(C, "wait_l2g", "cycles in which compute waited for an L2G token",
           "memory bound: reuse inputs or weights more, or use two virtual threads"),
    _state(C, "wait_s2g", "cycles in which compute waited for an S2G token",
           "store bound: longer rows, or a second thread"),
    _state(C, "wait_uop", "cycles in which a GEMM or ALU waited for its micro-ops",
           "kernels are reloaded: fewer or smaller ones"),
    _state(C, "wait_acc", "cycles in which compute waited for accumulator tiles from memory",
           "load biases earlier, or fewer of them"),
    _state(C, "wait_hazard", "cycles lost to accumulator bank conflicts, MUL or a true dependency",
           "place src and dst of tensor ALU steps so that their indices differ in an odd number of bits"),
    _state(C, "wait_pipe", "cycles in which an instruction waited for the pipeline behind it"),
    _state(C, "idle", "cycles after FINISH entered the pipeline"),

    _state(S, "busy", "cycles in which store put data on the bus, or executed a token instruction"),
    _state(S, "wait_insn", "cycles in which store had no instruction"),
    _state(S, "wait_token", "cycles in which store waited for a G2S token"),
    _state(S, "wait_write", "cycles in which the write channel did not take data",
           "memory write bandwidth is the limit"),
    _state(S, "wait_mem", "cycles in which store waited for write responses only"),
    _state(S, "idle", "cycles after the last store"),

    _event(F, "fetch_insns", "instructions dispatched"),
    _event(L, "load_insns", "instructions executed by load"),
    _event(C, "compute_insns", "instructions executed by compute"),
    _event(S, "store_insns", "instructions executed by store"),
    _event(L, "inp_tiles", "INP tiles loaded from memory, padding not counted"),
    _event(L, "wgt_tiles", "WGT tiles loaded from memory, padding not counted"),
    _event(C, "uop_words", "micro-ops loaded from memory"),
    _event(C, "acc_tiles", "ACC tiles loaded from memory (ACC and ACC_8BIT), padding not counted"),
    _event(S, "out_tiles", "OUT tiles stored to memory"),
    _event(C, "gemm_steps", "GEMM micro-op steps, reset not counted"),
    _event(C, "reset_steps", "GEMM reset micro-op steps"),
    _event(C, "alu_steps", "ALU micro-op steps"),
    _event(F, "read_beats", "data beats on all AXI read channels"),
    _event(F, "read_bursts", "bursts requested on all AXI read channels"),
    _event(S, "write_beats", "data beats on all AXI write channels"),
    _event(S, "write_bursts", "bursts requested on all AXI write channels"),
    _event(L, "pushed_l2g", "tokens load gave to compute"),
    _event(C, "pushed_g2l", "tokens compute gave to load"),
    _event(C, "pushed_g2s", "tokens compute gave to store"),
    _event(S, "pushed_s2g", "tokens store gave to compute"),
)
STATES = {unit: tuple(c for c in COUNTERS if c.unit is unit and c.kind == "state") for unit in Unit}


def original_stats(counts, config):
    """The seven statistics under the original simulator's names, from counter values (a dict by name)."""
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
