"""What no compiler writes: instructions that are to be reported, or ignored, without harm to the others.

Each function of HOSTILE appends one to a generator's program. A transfer bigger than its memory, and addresses
outside of DRAM, are not among them: what those leave is not specified.
"""

from vta.hw.isa import INSN_BITS, AluOp, MemType, Opcode, Queue, Unit, encode

HOSTILE, STUCK = [], []


def unknown(known):
    """The numbers of 3 bits that the enum `known` does not name."""
    return sorted(set(range(8)) - set(known))


def hostile(function):
    HOSTILE.append(function)
    return function


def stuck(function):
    STUCK.append(function)
    return function


def _raw(generator, unit, what, **fields):
    """An instruction of random bits but for `fields` and the token flags."""
    layout = generator.formats.memory
    flags = encode(layout, dict.fromkeys(("pop_prev", "pop_next", "push_prev", "push_next"), 1))
    keep = encode(layout, {name: (1 << layout[name].width) - 1 for name in fields}) | flags
    generator.note(f"hostile: {what}")
    generator.faulty += 1
    word = generator.rng.getrandbits(INSN_BITS) & ~keep | encode(layout, fields)
    generator.order.add(unit, {"word": word})


@hostile
def unknown_opcode(generator):
    _raw(generator, Unit.COMPUTE, "unknown opcode", opcode=generator.rng.choice(unknown(Opcode)))


@hostile
def unknown_load(generator):
    _raw(generator, Unit.COMPUTE, "LOAD of an unknown memory", opcode=int(Opcode.LOAD),
         mem_type=generator.rng.choice((int(MemType.OUT), *unknown(MemType))),
         x_size=generator.rng.choice((1, 5, 65535)))


@hostile
def unknown_store(generator):
    _raw(generator, Unit.STORE, "STORE of another memory than OUT", opcode=int(Opcode.STORE),
         mem_type=generator.rng.choice(unknown([MemType.OUT])), x_size=generator.rng.choice((1, 5, 65535)))


@hostile
def unknown_operation(generator):
    generator.note("hostile: unknown ALU operation")
    generator.faulty += 1
    generator.alu(operation=generator.rng.choice(unknown(AluOp)))


@hostile
def load_wraps(generator):
    generator.note("hostile: LOAD beyond its memory")
    generator.load(beyond=True)


@hostile
def store_wraps(generator):
    generator.note("hostile: STORE beyond its memory")
    generator.store(beyond=True)


@hostile
def uop_load_wraps(generator):
    depth = generator.config.depth["UOP"]
    generator.note("hostile: LOAD UOP beyond its memory")
    generator.load_uops(at=depth - 1, count=3)


@hostile
def uop_range_wraps(generator):
    """A kernel whose micro-ops go on at the beginning of the memory."""
    depth, rng = generator.config.depth["UOP"], generator.rng
    generator.note("hostile: micro-op range beyond its memory")
    generator.load_uops(at=0, count=4)
    generator.load_uops(at=depth - 4, count=4)
    nest = (depth - rng.randint(1, 4), depth + rng.randint(1, 4), rng.randint(1, 3), rng.randint(1, 3))
    generator.gemm(nest=nest) if rng.random() < 0.5 else generator.alu(nest=nest)


@hostile
def gemm_wraps(generator):
    generator.note("hostile: GEMM index beyond its memory")
    generator.gemm(beyond=True)


@hostile
def alu_wraps(generator):
    generator.note("hostile: ALU index beyond its memory")
    generator.alu(beyond=True)


@hostile
def flags_without_queue(generator):
    """Token flags that mean no queue of the unit."""
    generator.note("hostile: token flag without a queue")
    if generator.rng.random() < 0.5:
        generator.store(pop_next=1, push_next=1)
    else:
        generator.load("INP")
        generator.order.insns[-1][0].update(pop_prev=1, push_prev=1)


@hostile
def store_with_padding(generator):
    generator.note("hostile: STORE with padding")
    generator.store(x_pad_0=3, y_pad_0=1, x_pad_1=15, y_pad_1=2)


@stuck
def token_that_never_comes(generator):
    """Everything is done, then compute waits for ever."""
    order = generator.order
    generator.note("hostile: stuck for want of a token")
    order.settle()
    while order.queues[Queue.L2G]:
        order.pop(Queue.L2G)
    order.nop(Unit.COMPUTE)
    order.nop(Unit.COMPUTE)
    order.insns[-1][0]["pop_prev"] = 1
    order.add(Unit.COMPUTE, {"opcode": int(Opcode.FINISH)})


@stuck
def no_finish(generator):
    """Everything is done, and that is all."""
    generator.note("hostile: no FINISH")
    generator.order.settle()
    generator.order.nop(Unit.COMPUTE)


def after_finish(rng):
    """Random words that fetch must drop."""
    return [rng.getrandbits(INSN_BITS) for _ in range(rng.randint(1, 6))]


def rubbish(rng, formats, word):
    """The instruction with random bits where its format has no field, now and then."""
    layout = formats.of(word & 7)
    return word | rng.getrandbits(INSN_BITS) & ~layout.named if rng.random() < 0.3 else word
