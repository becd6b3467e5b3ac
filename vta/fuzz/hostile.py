"""Instructions that no compiler emits: they must be reported or ignored without effect on the others.

Each function of HOSTILE appends one to a Draft; see `hostile_for`. Transfers larger than their memory and addresses
outside DRAM are not among them: their results are not specified.
"""

from functools import partial

from vta.fuzz.nests import alu, gemm, load_uops, micro_op, par, req
from vta.fuzz.transfers import load, store
from vta.hw.features import Feature
from vta.hw.isa import INSN_BITS, MAX_PAD, MAX_SIZE, TOKEN_MASK, AluOp, MemType, Opcode, Queue, Unit, encode

HOSTILE, STUCK = [], []


def hostile(function, feature=None):
    HOSTILE.append((function, feature))
    return function


def hostile_with(feature):
    """`hostile` for configurations with a feature only."""
    return partial(hostile, feature=feature)


def hostile_for(config):
    """The functions of HOSTILE that a configuration can have."""
    return [function for function, feature in HOSTILE if feature is None or config.has(feature)]


def stuck(function):
    STUCK.append(function)
    return function


def _unused(numbers, bits=3):
    """The values of a field of `bits` that are not among `numbers`."""
    return sorted(set(range(1 << bits)) - set(numbers))


def _random_word(draft, unit, what, **fields):
    """An instruction of random bits except for `fields` and the token flags."""
    layout = draft.formats.memory
    keep = encode(layout, {name: (1 << layout[name].width) - 1 for name in fields}) | TOKEN_MASK
    draft.record(f"hostile: {what}")
    draft.faulty += 1
    word = draft.rng.getrandbits(INSN_BITS) & ~keep | encode(layout, fields)
    draft.sequencer.add(unit, {"word": word})


@hostile
def unknown_opcode(draft):
    opcode = draft.rng.choice(_unused(Opcode.of(draft.config)))
    draft.record(f"hostile: opcode {opcode}")
    _random_word(draft, Unit.COMPUTE, "unknown opcode", opcode=opcode)


@hostile
def unknown_load(draft):
    mem_type = draft.rng.choice((int(MemType.OUT), *_unused(MemType.of(draft.config))))
    draft.record(f"hostile: LOAD of memory type {mem_type}")
    _random_word(draft, Unit.COMPUTE, "LOAD of an unknown memory", opcode=int(Opcode.LOAD), mem_type=mem_type,
                 x_size=draft.rng.choice((1, 5, MAX_SIZE)))


@hostile
def unknown_store(draft):
    mem_type = draft.rng.choice(_unused([MemType.OUT]))
    _random_word(draft, Unit.STORE, "STORE of another memory than OUT", opcode=int(Opcode.STORE), mem_type=mem_type,
                 x_size=draft.rng.choice((1, 5, MAX_SIZE)))


@hostile
def unknown_operation(draft):
    draft.record("hostile: unknown ALU operation")
    draft.faulty += 1
    operation = draft.rng.choice(_unused(AluOp.of(draft.config)))
    draft.record(f"hostile: ALU operation {operation}")
    alu(draft, operation=operation)


@hostile
def load_wraps(draft):
    draft.record("hostile: LOAD beyond its memory")
    load(draft, beyond=True)


@hostile
def store_wraps(draft):
    draft.record("hostile: STORE beyond its memory")
    store(draft, beyond=True)


@hostile
def uop_load_wraps(draft):
    depth = draft.config.depth["UOP"]
    draft.record("hostile: LOAD UOP beyond its memory")
    load_uops(draft, at=depth - 1, count=3)


@hostile
def uop_range_wraps(draft):
    """A GEMM or ALU whose micro-op range wraps around to the start of the memory."""
    depth, rng = draft.config.depth["UOP"], draft.rng
    draft.record("hostile: micro-op range beyond its memory")
    load_uops(draft, at=0, count=4)
    load_uops(draft, at=depth - 4, count=4)
    nest = (depth - rng.randint(1, 4), depth + rng.randint(1, 4), rng.randint(1, 3), rng.randint(1, 3))
    gemm(draft, nest=nest) if rng.random() < 0.5 else alu(draft, nest=nest)


@hostile
def gemm_wraps(draft):
    draft.record("hostile: GEMM index beyond its memory")
    gemm(draft, beyond=True, requantise=False)


@hostile
def alu_wraps(draft):
    draft.record("hostile: ALU index beyond its memory")
    alu(draft, beyond=True)


@hostile_with(Feature.REQUANTISE)
def par_wraps(draft):
    draft.record("hostile: PAR index beyond its memory")
    par(draft, beyond=True)


@hostile_with(Feature.REQUANTISE)
def req_wraps(draft):
    draft.record("hostile: REQ index beyond its memory")
    req(draft, beyond=True)


@hostile_with(Feature.REQUANTISE)
def requantised_gemm_wraps(draft):
    draft.record("hostile: requantised GEMM index beyond its memory")
    gemm(draft, beyond=True, requantise=True)


@hostile_with(Feature.REQUANTISE)
def parameters_wrap(draft):
    """PAR of the last tiles of the accumulators: behind them come the first ones, which is no error."""
    depth, rng = draft.config.depth, draft.rng
    draft.record("hostile: PAR of tiles beyond its memory")
    at = rng.randrange(depth["UOP"])
    load_uops(draft, at=at, words=[micro_op(draft, src=depth["ACC"] - rng.choice((1, 2)))])
    par(draft, nest=(at, at + 1, 1, 1), wanted={"src": (0, 0)})


@hostile_with(Feature.WINDOW)
def window_wraps(draft):
    draft.record("hostile: WINDOW index beyond its memory")
    gemm(draft, beyond=True, opcode=Opcode.WINDOW)


@hostile
def flags_without_queue(draft):
    """Token flags that name no queue of the unit."""
    draft.record("hostile: token flag without a queue")
    if draft.rng.random() < 0.5:
        store(draft, pop_next=1, push_next=1)
    else:
        load(draft, "INP")
        draft.sequencer.insns[-1][0].update(pop_prev=1, push_prev=1)


@hostile
def store_with_padding(draft):
    draft.record("hostile: STORE with padding")
    store(draft, x_pad_0=3, y_pad_0=1, x_pad_1=MAX_PAD, y_pad_1=2)


@stuck
def token_that_never_comes(draft):
    """All work is done, then compute waits forever."""
    sequencer = draft.sequencer
    draft.record("hostile: stuck for want of a token")
    sequencer.settle()
    while sequencer.queues[Queue.L2G]:
        sequencer.pop(Queue.L2G)
    sequencer.nop(Unit.COMPUTE)
    sequencer.nop(Unit.COMPUTE)
    sequencer.insns[-1][0]["pop_prev"] = 1
    sequencer.add(Unit.COMPUTE, {"opcode": int(Opcode.FINISH)})


@stuck
def no_finish(draft):
    """All work is done, and nothing follows."""
    draft.record("hostile: no FINISH")
    draft.sequencer.settle()
    draft.sequencer.nop(Unit.COMPUTE)


def after_finish(rng):
    """Random words that fetch must drop."""
    return [rng.getrandbits(INSN_BITS) for _ in range(rng.randint(1, 6))]


def random_unused(rng, formats, word):
    """The instruction, now and then with random bits outside the fields of its format."""
    layout = formats.of_word(word)
    return word | rng.getrandbits(INSN_BITS) & ~layout.named if rng.random() < 0.3 else word
