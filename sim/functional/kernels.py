"""GEMM and ALU instructions made executable, and the cache that makes each of them so only once.

The index vectors of an instruction depend on its word and on the micro-ops it finds: both are the key.
"""

from vta.hw.isa import AluOp, Opcode, decode, from_words, layouts
from vta.hw.registers import ErrorCause
from vta.sim.functional import alu, gemm
from vta.sim.functional.nest import Nest

CACHED_STEPS = 1 << 22      # steps of all instructions whose index vectors are kept
CACHED_INSNS = 1 << 16


class Instruction:
    """One GEMM or ALU, wherever it stands in a stream."""

    def __init__(self, word, config, cache):
        opcode = Opcode(int(word) & 7)
        fields = decode(layouts(config).of(opcode), word)
        pair = {name: (fields.get(f"{name}_factor_out", 0), fields.get(f"{name}_factor_in", 0))
                for name in ("dst", "src", "wgt")}
        self.nest = Nest(*(fields[name] for name in ("uop_bgn", "uop_end", "iter_out", "iter_in")), **pair)
        self._cache, self._config, self._built = cache, config, {}
        if opcode == Opcode.GEMM:
            self._kernel, self._what = gemm.kernel, (bool(fields["reset"]),)
        else:
            imm = fields["imm"] if fields["use_imm"] else None
            self._kernel, self._what = alu.kernel, (AluOp(fields["alu_opcode"]), imm)
        self.parts = self.nest.parts()

    def apply(self, machine, position):
        """Execute all steps; an index out of range is reported for `position` of the stream."""
        nest = self.nest
        if nest.uop_end > len(machine.uop):
            machine.report(position, ErrorCause.INDEX, f"micro-op index {nest.uop_end - 1} reaches beyond "
                                                       f"{len(machine.uop) - 1}")
        micro_ops = nest.micro_ops(machine.uop)
        if len(self.parts) > 1:       # too many steps to keep
            for part in self.parts:
                self._run(machine, position, self._kernel(nest, *self._what, micro_ops, self._config, part))
            return
        key = micro_ops.tobytes()
        built = self._built.get(key)
        if built is None:
            built = self._kernel(nest, *self._what, micro_ops, self._config, self.parts[0])
            self._cache.keep(self, self._built, key, built)
        self._run(machine, position, built)

    def _run(self, machine, position, built):
        operations, complaint = built
        if complaint:
            machine.report(position, ErrorCause.INDEX, complaint)
        for operation in operations:
            operation.apply(machine)


class Kernels:
    """All instructions of one configuration met so far, by their words."""

    def __init__(self, config):
        self._config, self._instructions, self._steps = config, {}, 0

    def instruction(self, words):
        """The Instruction of (word 0, word 1); token flags make no difference."""
        key = (words[0] & ~0x78, words[1])
        if key not in self._instructions:
            if len(self._instructions) >= CACHED_INSNS:
                self._instructions = {}
            self._instructions[key] = Instruction(from_words(key), self._config, self)
        return self._instructions[key]

    def keep(self, instruction, store, key, built):
        """Put what was built into an instruction's store; forget everything when there is too much."""
        self._steps += instruction.nest.steps
        if self._steps > CACHED_STEPS:
            self._instructions, self._steps = {}, instruction.nest.steps
            store.clear()
        store[key] = built
