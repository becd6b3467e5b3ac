"""GEMM, WINDOW and ALU instructions prepared as numpy operations, and the cache that prepares each of them only once.

The operations of an instruction depend on its word and on the micro-ops that it finds: both are the key.
"""

from vta.hw.isa import TOKEN_MASK, AluOp, Opcode, decode, from_words, layouts, opcode_of
from vta.hw.registers import ErrorCause
from vta.sim.functional import alu, gemm, window
from vta.sim.functional.loop_nest import LoopNest

CACHED_STEPS = 1 << 22      # steps of all instructions whose index vectors are kept
CACHED_INSNS = 1 << 16


class PreparedInstruction:
    """One GEMM, WINDOW or ALU, at any position of a stream."""

    def __init__(self, word, config, cache):
        opcode = opcode_of(word)
        fields = decode(layouts(config).of(opcode), word)
        pair = {name: (fields.get(f"{name}_factor_out", 0), fields.get(f"{name}_factor_in", 0))
                for name in ("dst", "src", "wgt")}
        self.nest = LoopNest(*(fields[name] for name in ("uop_bgn", "uop_end", "iter_out", "iter_in")), **pair)
        self._cache, self._config, self._prepared = cache, config, {}
        if opcode == Opcode.ALU:
            operation = AluOp(fields["alu_opcode"])
            self._prepare, self._arguments = alu.operations, (operation, bool(fields["use_imm"]), fields["imm"])
        else:
            self._prepare = gemm.operations if opcode == Opcode.GEMM else window.operations
            self._arguments = bool(fields["reset"]), bool(fields.get("requantise"))
        self.chunks = self.nest.chunks()

    def apply(self, machine, position):
        """Execute all steps; an index out of range is reported for `position` of the stream."""
        nest = self.nest
        if nest.uop_end > len(machine.uop):
            machine.report(position, ErrorCause.INDEX, f"micro-op index {nest.uop_end - 1} reaches beyond "
                                                       f"{len(machine.uop) - 1}")
        micro_ops = nest.micro_ops(machine.uop)
        if len(self.chunks) > 1:       # too many steps to keep
            for chunk in self.chunks:
                self._run(machine, position, self._operations(micro_ops, chunk))
            return
        key = micro_ops.tobytes()
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = self._operations(micro_ops, self.chunks[0])
            self._cache.keep(self, self._prepared, key, prepared)
        self._run(machine, position, prepared)

    def _operations(self, micro_ops, chunk):
        return self._prepare(self.nest, *self._arguments, micro_ops, self._config, chunk)

    def _run(self, machine, position, prepared):
        operations, complaint = prepared
        if complaint:
            machine.report(position, ErrorCause.INDEX, complaint)
        for operation in operations:
            operation.apply(machine)


class PreparedCache:
    """All instructions of one configuration executed so far, by their words."""

    def __init__(self, config):
        self._config, self._instructions, self._steps = config, {}, 0

    def instruction(self, words):
        """The PreparedInstruction of (word 0, word 1); token flags make no difference."""
        key = (words[0] & ~TOKEN_MASK, words[1])
        if key not in self._instructions:
            if len(self._instructions) >= CACHED_INSNS:
                self._instructions = {}
            self._instructions[key] = PreparedInstruction(from_words(key), self._config, self)
        return self._instructions[key]

    def keep(self, instruction, store, key, prepared):
        """Put prepared operations into an instruction's store; drop everything when there are too many steps."""
        self._steps += instruction.nest.steps
        if self._steps > CACHED_STEPS:
            self._instructions, self._steps = {}, instruction.nest.steps
            store.clear()
        store[key] = prepared
