"""Assembly text: one line for each instruction or micro-op, in both directions, bit for bit.

    LOAD INP sram=0 dram=0x100 y=9 x=56 stride=56 pad=1,1,0,1 pop_next
    GEMM uop=14:140 iter=8x7 dst=98/14 src=0/16 wgt=9/0 pop_prev push_prev
    ALU SHR uop=0:1 iter=1x784 dst=0/1 src=0/1 imm=8
    UOP dst=0 src=16 wgt=3

docs/assembly.md describes the syntax. Omitted fields are zero; nonzero bits outside every field appear as `unused=`,
so every bit pattern survives the round trip.
"""

import re

import numpy as np

from vta.hw.isa import (
    INSN_BITS,
    MEMORY_PAD,
    TOKEN_FLAGS,
    UOP_BITS,
    AluOp,
    EncodingError,
    MemType,
    Opcode,
    decode,
    encode,
    from_words,
    layouts,
    opcode_of,
    pad_fields,
    pad_value,
    parse_hex,
    to_words,
)

# text key -> its fields and the separator of their values, in the order of printing
TRANSFER = {"sram": (("sram_base",), ""), "dram": (("dram_base",), ""), "y": (("y_size",), ""),
            "x": (("x_size",), ""), "stride": (("x_stride",), ""),
            "pad": (("y_pad_0", "y_pad_1", "x_pad_0", "x_pad_1"), ",")}
TRANSFER_PAD = TRANSFER | {"value": (("pad_low", "pad_high"), "")}       # two fields, one signed byte
NEST = {"uop": (("uop_bgn", "uop_end"), ":"), "iter": (("iter_out", "iter_in"), "x"),
        "dst": (("dst_factor_out", "dst_factor_in"), "/"), "src": (("src_factor_out", "src_factor_in"), "/")}
NEST_WGT = NEST | {"wgt": (("wgt_factor_out", "wgt_factor_in"), "/")}
KEYS = {
    "LOAD": TRANSFER, "STORE": TRANSFER, "GEMM": NEST_WGT, "WINDOW": NEST_WGT,
    "ALU": NEST | {"imm": (("imm",), ""), "bounds": (("imm",), ","), "unused_imm": (("imm",), "")},
    "UOP": {"dst": (("dst",), ""), "src": (("src",), ""), "wgt": (("wgt",), "")},
}
# the operand after the mnemonic: its field and the names of its values
SELECTOR = {"LOAD": ("mem_type", MemType), "STORE": ("mem_type", MemType), "ALU": ("alu_opcode", AluOp)}
FLAGS = ("reset", "requantise")
OPTIONAL = ("pad", "imm", "bounds", "unused_imm")        # printed only where they have an effect
HEXADECIMAL = ("dram",)


class AssemblyError(ValueError):
    """A syntax error; `line` and `column` count from 1."""

    def __init__(self, line, column, message):
        super().__init__(f"line {line}, column {column}: {message}")
        self.line, self.column = line, column


def _name(names, value, config, prefix=None):
    """The name of a code that the configuration knows, else a prefix and the number."""
    return names(value).name if value in names.of(config) else f"{prefix or names.__name__.upper()[:3]}{value}"


def _immediate(values, config):
    """The text key of an ALU's immediate field."""
    if values["use_imm"]:
        return "imm"
    return "bounds" if AluOp.PAR in AluOp.of(config) and values["alu_opcode"] == AluOp.PAR else "unused_imm"


def bounds(imm):
    """(lowest, highest) in PAR's immediate: two signed bytes."""
    return [(imm >> place & 255 ^ 128) - 128 for place in (0, 8)]


def _keys(mnemonic, layout):
    """The operands of an instruction: {text key: (fields, separator)}."""
    return TRANSFER_PAD if layout is MEMORY_PAD else KEYS.get(mnemonic, {})


def _unused(layout, bits, word):
    """The bits of `word` outside every field of the layout."""
    return word & ~layout.named & ((1 << bits) - 1)


# binary -> text
def disassemble(insns, config):
    """One line for each instruction of `insns` (n, 2) uint64."""
    return [_instruction(from_words(words), layouts(config)) for words in np.asarray(insns).tolist()]


def disassemble_uops(uops, config):
    """One line for each micro-op of `uops` (n,) uint32."""
    layout = layouts(config).uop
    return [_line("UOP", layout, UOP_BITS, word, decode(layout, word)) for word in np.asarray(uops).tolist()]


def _instruction(word, formats):
    layout = formats.of_word(word)
    return _line(_name(Opcode, opcode_of(word), formats.config, "OP"), layout, INSN_BITS, word, decode(layout, word),
                 formats.config)


def _line(mnemonic, layout, bits, word, values, config=None):
    parts = [mnemonic]
    if mnemonic in SELECTOR:
        field, names = SELECTOR[mnemonic]
        parts.append(_name(names, values[field], config))
    parts += [flag for flag in FLAGS if values.get(flag)]
    keys = _keys(mnemonic, layout)
    idle = keys is TRANSFER and not any(values[f] for fields, _ in keys.values() for f in fields)
    for key, (fields, separator) in {} if idle else keys.items():
        numbers = [values[field] for field in fields] if key != "value" else [pad_value(values)]
        if key in OPTIONAL and not any(numbers) and not (key == "imm" and values["use_imm"]):
            continue
        if fields == ("imm",) and key != _immediate(values, config):
            continue
        if key == "bounds":
            numbers = bounds(numbers[0])
        text = [f"{number:#x}" if key in HEXADECIMAL else str(number) for number in numbers]
        parts.append(f"{key}={separator.join(text)}")
    parts += [flag for flag in TOKEN_FLAGS if values.get(flag)]
    if rest := _unused(layout, bits, word):
        low, high = to_words(rest)
        parts.append(f"unused={rest:#x}" if bits == UOP_BITS else f"unused={high:x}_{low:x}")
    return " ".join(parts)


# text -> binary
def assemble(text, config):
    """The instructions (n, 2) uint64 and micro-ops (m,) uint32 of `text`, each in order of its lines.

    AssemblyError names line, column, and what was expected there.
    """
    insns, uops = [], []
    for number, line in enumerate(text.splitlines(), 1):
        line = re.split("[#;]", line)[0]
        words = [(match.group(), match.start() + 1) for match in re.finditer(r"\S+", line)]
        if words and re.fullmatch(r"\d+:", words[0][0]):      # the number that `vta disasm` prints
            words = words[1:]
        if words:
            parser = _Line(number, words, layouts(config))
            (uops if words[0][0] == "UOP" else insns).append(parser.word)
    return (np.array([to_words(word) for word in insns], np.uint64).reshape(-1, 2),
            np.array(uops, np.uint32))


class _Line:
    """One line being read; `word` is its encoding."""

    def __init__(self, number, words, formats):
        self.number, self.words = number, words
        self.values, self.unused, self.seen = {}, 0, set()
        mnemonic = self.mnemonic = words[0][0]
        if mnemonic == "UOP":
            self.layout, self.bits = formats.uop, UOP_BITS
        else:
            opcode = self._choice(words[0], Opcode, formats.config, "a mnemonic", "OP", extra=("UOP",))
            self.layout, self.bits = formats.of(opcode), INSN_BITS
            self.values["opcode"] = opcode
        rest = words[1:]
        if mnemonic in SELECTOR:
            field, names = SELECTOR[mnemonic]
            if not rest:
                self._fail(words[0][1] + len(mnemonic), f"expected one of {', '.join(n.name for n in names)}")
            self.values[field] = self._choice(rest[0], names, formats.config, "one", names.__name__.upper()[:3])
            self.layout = formats.of(opcode, self.values.get("mem_type"))
            rest = rest[1:]
        for word, column in rest:
            self._operand(word, column)
        self.word = encode(self.layout, self.values) | self.unused

    def _fail(self, column, message):
        raise AssemblyError(self.number, column, message)

    def _choice(self, word, names, config, what, prefix, extra=()):
        """The value of a name, or of the prefix and a number."""
        text, column = word
        known = {code.name: code for code in names.of(config)}
        if text in known:
            return int(known[text])
        if (match := re.fullmatch(rf"{prefix}([0-7])", text)) and int(match[1]) not in known.values():
            return int(match[1])
        needs = f"; it needs the feature {names[text].feature}" if text in names.__members__ else ""
        self._fail(column, f"expected {what} of {', '.join([*known, *extra])}, found {text!r}{needs}")

    def _operand(self, word, column):
        key, equals, value = word.partition("=")
        if key in self.seen:
            self._fail(column, f"{key} is given twice")
        self.seen.add(key)
        keys = _keys(self.mnemonic, self.layout)
        flags = [flag for flag in (*TOKEN_FLAGS, *FLAGS) if flag in self.layout.ranges]
        if not equals and key in flags:
            self.values[key] = 1
        elif equals and key == "unused":
            self._unused_bits(value, column + len(key) + 1)
        elif equals and key in keys:
            self._fields(key, *keys[key], value, column + len(key) + 1)
        else:
            known = [*(f"{name}=" for name in keys), *flags, "unused="]
            self._fail(column, f"expected one of {', '.join(known)}, found {word!r}")

    def _fields(self, key, fields, separator, value, column):
        if key == "value":
            self._pad_value(value, column)
            return
        if key == "bounds":
            self._bounds(value, column)
            return
        parts = value.split(separator) if separator else [value]
        if len(parts) != len(fields):
            form = separator.join("N" * len(fields))
            self._fail(column, f"expected {key}={form}, found {value!r}")
        for field, part in zip(fields, parts, strict=True):
            low, high = self.layout.ranges[field][2:]
            try:
                number = int(part, 0)
            except ValueError:
                self._fail(column, f"expected a number for {field}, found {part!r}")
            if not low <= number <= high:
                self._fail(column, f"expected {field} from {low} to {high}, found {part}")
            self.values[field] = number
            column += len(part) + 1
        if key == "imm":
            self.values["use_imm"] = 1
        if len({"imm", "unused_imm", "bounds"} & self.seen) > 1:
            self._fail(column, "imm, bounds and unused_imm exclude each other")

    def _pad_value(self, value, column):
        try:
            self.values |= pad_fields(int(value, 0))
        except ValueError:               # an EncodingError, too
            self._fail(column, f"expected a byte for value, -128 to 127, found {value!r}")

    def _bounds(self, value, column):
        parts = value.split(",")
        numbers = [int(part) for part in parts if re.fullmatch(r"-?\d{1,3}", part)]
        if len(parts) != 2 or len(numbers) != 2 or not all(-128 <= number <= 127 for number in numbers):
            self._fail(column, f"expected bounds=N,N, bytes from -128 to 127, found {value!r}")
        low, high = numbers
        self.values["imm"] = high << 8 | low & 255

    def _unused_bits(self, value, column):
        try:
            bits = int(value, 16) if self.bits == UOP_BITS else parse_hex(value)
        except (ValueError, EncodingError):
            form = "a hexadecimal word" if self.bits == UOP_BITS else "word1_word0 in hexadecimal"
            self._fail(column, f"expected {form}, found {value!r}")
        if bits < 0 or _unused(self.layout, self.bits, bits) != bits:
            self._fail(column, f"expected bits that no field of {self.mnemonic} names, found {value}")
        self.unused = bits
