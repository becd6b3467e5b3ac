"""The configuration: one frozen, validated description of an accelerator, and its named presets.

`Config` holds the architecture keys of TVM's `vta_config.json`, on which every program depends, and parameters of the
RTL, which programs cannot observe. Everything else is derived. Rule numbers in messages are those of docs/isa.md,
section "Consistency rules".
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from vta.hw.features import FEATURES, Feature


class ConfigError(ValueError):
    """A configuration that cannot be built; the message names the key, its value and the rule."""


# key of vta_config.json -> field of Config; only these change the meaning of a program
ARCHITECTURE_KEYS = {
    "LOG_INP_WIDTH": "log_inp_width",
    "LOG_WGT_WIDTH": "log_wgt_width",
    "LOG_ACC_WIDTH": "log_acc_width",
    "LOG_BATCH": "log_batch",
    "LOG_BLOCK": "log_block",
    "LOG_UOP_BUFF_SIZE": "log_uop_buff_size",
    "LOG_INP_BUFF_SIZE": "log_inp_buff_size",
    "LOG_WGT_BUFF_SIZE": "log_wgt_buff_size",
    "LOG_ACC_BUFF_SIZE": "log_acc_buff_size",
}
FEATURES_KEY = "FEATURES"      # ... and this one, a list of names, left out where there are none, as in TVM's files
LABEL_KEYS = {"TARGET": "target", "HW_VER": "hw_ver"}
LOOP_BITS = 14
SRAM_BASE_BITS = 16
PAD_BASE_BITS = 14           # of sram_base in a LOAD that pads with any byte
MAX_TILE_BYTES = 4096


@dataclass(frozen=True)
class Config:
    """An accelerator. `log_*` are base-2 logarithms: widths in bits, buffer sizes in bytes."""

    # architecture
    log_inp_width: int = 3
    log_wgt_width: int = 3
    log_acc_width: int = 5
    log_batch: int = 0
    log_block: int = 4
    log_uop_buff_size: int = 15
    log_inp_buff_size: int = 15
    log_wgt_buff_size: int = 18
    log_acc_buff_size: int = 17
    features: frozenset = frozenset()      # names of `vta.hw.features`, beyond the stock instruction set
    # labels, used in bitstream names only
    target: str = "sim"
    hw_ver: str = "0.0.2"
    # RTL parameters
    axi_data_width: int = 64      # bits of each AXI master port
    axi_addr_width: int = 32      # bits of a DRAM byte address; 64 doubles each pointer register
    axi_ports: int = 1            # 1: shared by all; 2: load has its own; 4: fetch, load, compute loads, store
    max_burst: int = 32           # beats; 16 for AXI3
    read_ids: int = 8             # distinct ARIDs; 1 makes every read return in order
    read_outstanding: int = 8     # read bursts in flight on each AXI port
    read_ahead_beats: int = 96    # INP and WGT beats in flight at most, which bounds the wait of urgent reads
    write_outstanding: int = 64   # write bursts awaiting their response
    fetch_depth: int = 256        # instructions fetched ahead
    load_queue_depth: int = 64    # instructions queued for each unit
    compute_queue_depth: int = 64
    store_queue_depth: int = 256
    token_depth: int = 1024       # capacity of each dependency queue; a full one stalls its producer
    alu_imm_reads_src: bool = False  # immediate ALU steps read src (as in VTA's Chisel RTL) instead of dst
    name: str = dataclasses.field(default="default", compare=False)

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, field.type) or (field.type is int and isinstance(value, bool)):
                raise ConfigError(f"{field.name} = {value!r} must be of type {field.type.__name__}")
        unknown = [name for name in self.features if name not in FEATURES]
        self._need(not unknown, f"features: no feature {unknown[0] if unknown else ''!r}; there are "
                                f"{', '.join(FEATURES)}")
        for rule in (self._check_widths, self._check_depths, self._check_fields, self._check_rtl):
            rule()

    def _need(self, ok, message):
        if not ok:
            raise ConfigError(f"configuration {self.name!r}: {message}")

    def _check_widths(self):
        for key, want in (("log_inp_width", 3), ("log_wgt_width", 3), ("log_acc_width", 5)):
            value = getattr(self, key)
            self._need(value == want, f"{key} = {value}: only {want} is built (int8 x int8 -> int32, rule 9)")
        self._need(0 <= self.log_batch <= 4, f"log_batch = {self.log_batch}: must be 0 to 4")
        self._need(2 <= self.log_block <= 6, f"log_block = {self.log_block}: must be 2 to 6")
        for name, size in self.tile_bytes.items():
            self._need(size <= MAX_TILE_BYTES,
                       f"a {name} tile of {size} bytes exceeds {MAX_TILE_BYTES} bytes (rule 6)")

    def _check_depths(self):
        for name, depth in (("uop", self.uop_depth_log), ("inp", self.inp_depth_log),
                            ("wgt", self.wgt_depth_log), ("acc", self.acc_depth_log)):
            size = getattr(self, f"log_{name}_buff_size")
            self._need(depth >= 2, f"log_{name}_buff_size = {size} leaves 2^{depth} entries: at least 4 needed")
            self._need(depth <= SRAM_BASE_BITS,
                       f"log_{name}_buff_size = {size} makes 2^{depth} entries: sram_base has "
                       f"{SRAM_BASE_BITS} bits (rule 8)")

    def _check_fields(self):
        u, i, w, a = self.uop_depth_log, self.inp_depth_log, self.wgt_depth_log, self.acc_depth_log
        bits = 8 + u + (u + 1) + 2 * LOOP_BITS
        self._need(bits <= 64, f"log_uop_buff_size = {self.log_uop_buff_size} makes the first word of GEMM and "
                               f"ALU {bits} bits long, the limit is 64 (rule 1)")
        self._need(bits < 64 or "requantise" not in self.features,
                   f"log_uop_buff_size = {self.log_uop_buff_size} leaves no bit of GEMM's first word for the feature "
                   f"requantise, which needs one (rule 10)")
        self._need(i <= PAD_BASE_BITS or "pad_value" not in self.features,
                   f"log_inp_buff_size = {self.log_inp_buff_size} makes 2^{i} entries: sram_base of the feature "
                   f"pad_value has {PAD_BASE_BITS} bits (rule 11)")
        self._need(2 * (a + i + w) <= 64, f"index widths acc {a} + inp {i} + wgt {w} make the second word of "
                                          f"GEMM {2 * (a + i + w)} bits long, the limit is 64 (rule 2)")
        self._need(4 * a + 20 <= 64, f"log_acc_buff_size = {self.log_acc_buff_size} gives acc indices of {a} bits "
                                     f"and a second word of ALU {4 * a + 20} bits long, the limit is 64 (rule 3)")
        bits = a + max(a, i) + w
        self._need(bits <= 32, f"index widths acc {a}, inp {i}, wgt {w} make a micro-op {bits} bits long, "
                               f"the limit is 32 (rule 4)")

    def _check_rtl(self):
        def one_of(key, *allowed):
            value = getattr(self, key)
            self._need(value in allowed, f"{key} = {value}: must be one of {', '.join(map(str, allowed))}")

        def power(key, low, high):
            value = getattr(self, key)
            self._need(low <= value <= high and value & (value - 1) == 0,
                       f"{key} = {value}: must be a power of two from {low} to {high}")

        one_of("axi_data_width", 64, 128, 256, 512)
        one_of("axi_addr_width", 32, 64)
        one_of("axi_ports", 1, 2, 4)
        power("max_burst", 16, 256)
        power("read_ids", 1, 16)
        power("read_outstanding", 1, 64)
        self._need(16 <= self.read_ahead_beats <= 4096,
                   f"read_ahead_beats = {self.read_ahead_beats}: must be from 16 to 4096")
        power("write_outstanding", 1, 256)
        power("fetch_depth", 8, 1024)
        for unit in ("load", "compute", "store"):
            power(f"{unit}_queue_depth", 2, 1024)
        power("token_depth", 2, 32768)
        self._need(self.max_burst * self.bus_bytes <= 4096,
                   f"max_burst = {self.max_burst} beats of {self.bus_bytes} bytes exceed the 4096 bytes "
                   f"that an AXI burst may not cross")
        self._need(self.read_ahead_beats >= self.max_burst,
                   f"read_ahead_beats = {self.read_ahead_beats} is less than max_burst = {self.max_burst}")

    def has(self, feature: Feature) -> bool:
        """Whether this machine has the feature."""
        return feature.key in self.features

    # derived: dimensions
    @property
    def batch(self) -> int:
        return 1 << self.log_batch

    @property
    def block(self) -> int:
        return 1 << self.log_block

    @property
    def lanes(self) -> int:
        """Elements of an INP, ACC or OUT tile: batch x block."""
        return self.batch * self.block

    @property
    def window_taps(self) -> int:
        """Input tiles that a step of WINDOW multiplies: the one that it reads, and those of the steps before it."""
        return min(4, self.block // 2)

    @property
    def tile_bytes(self) -> dict[str, int]:
        """DRAM bytes of one tile, by memory type; `dram_base` counts in these."""
        row, square = self.batch * self.block, self.block * self.block
        return {"UOP": 4, "WGT": square, "INP": row, "ACC": 4 * row, "OUT": row, "ACC_8BIT": row, "INP_PAD": row,
                "WGT_DIAG": self.block}

    # derived: log2 of buffer depths, in tiles (micro-ops for uop)
    @property
    def uop_depth_log(self) -> int:
        return self.log_uop_buff_size - 2

    @property
    def inp_depth_log(self) -> int:
        return self.log_inp_buff_size - self.log_batch - self.log_block

    @property
    def wgt_depth_log(self) -> int:
        return self.log_wgt_buff_size - 2 * self.log_block

    @property
    def acc_depth_log(self) -> int:
        """Also that of the output buffer, which has as many tiles."""
        return self.log_acc_buff_size - 2 - self.log_batch - self.log_block

    @property
    def depth(self) -> dict[str, int]:
        """Tiles of each on-chip memory, by memory type."""
        uop, inp, wgt, acc = (1 << log for log in (
            self.uop_depth_log, self.inp_depth_log, self.wgt_depth_log, self.acc_depth_log))
        return {"UOP": uop, "WGT": wgt, "INP": inp, "ACC": acc, "OUT": acc, "ACC_8BIT": acc, "INP_PAD": inp,
                "WGT_DIAG": wgt}

    @property
    def bus_bytes(self) -> int:
        return self.axi_data_width // 8

    # exchange
    @property
    def dimensions(self) -> dict[str, int]:
        """TVM's keys of `vta_config.json` that a program depends on."""
        return {key: getattr(self, field) for key, field in ARCHITECTURE_KEYS.items()}

    @property
    def architecture(self) -> dict[str, int | list[str]]:
        """All keys that a program depends on: the dimensions and, where there are any, the features."""
        names = [name for name in FEATURES if name in self.features]
        return self.dimensions | ({FEATURES_KEY: names} if names else {})

    def refusal(self, wanted: "Config") -> str | None:
        """Why a program made for the configuration `wanted` cannot run on this one; None if it can."""
        for key, value in wanted.dimensions.items():
            if self.dimensions[key] != value:
                return f"it needs {key} = {value}, configuration {self.name!r} has {self.dimensions[key]}"
        missing = [name for name in FEATURES if name in wanted.features - self.features]
        if missing:
            return (f"it needs the feature{'s' * (len(missing) > 1)} {', '.join(missing)}, configuration "
                    f"{self.name!r} has {', '.join(sorted(self.features)) or 'none'}")
        return None

    @property
    def hash(self) -> int:
        """32 bits that identify the architecture: configurations with equal hashes run the same programs."""
        text = json.dumps(self.architecture, sort_keys=True)
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "little")

    def to_json(self) -> str:
        """Text of a `vta_config.json` (TVM's keys only, without the RTL parameters)."""
        labels = {key: getattr(self, field) for key, field in LABEL_KEYS.items()}
        return json.dumps(labels | self.architecture, indent=2) + "\n"

    def to_dict(self) -> dict[str, int | str | list[str]]:
        """All fields but the name, as JSON has them; `from_dict` takes them back."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self) if field.name != "name"}
        return fields | {"features": [name for name in FEATURES if name in self.features]}

    @classmethod
    def from_dict(cls, keys: dict[str, int | str], base: "Config | None" = None, name: str = "config") -> "Config":
        """A configuration from `vta_config.json` keys or Config's field names; `base` (`stock`) has the rest."""
        if not isinstance(keys, dict):
            raise ConfigError(f"configuration {name!r}: expected an object of keys, got {type(keys).__name__}")
        known = ARCHITECTURE_KEYS | LABEL_KEYS | {FEATURES_KEY: "features"}
        own = {field.name for field in dataclasses.fields(cls)} - {"name"}
        values = {}
        for key, value in keys.items():
            field = known.get(key, key)
            if field not in own:
                raise ConfigError(f"configuration {name!r}: unknown key {key!r}; known: {', '.join(known)}, "
                                  f"{', '.join(sorted(own - set(known.values())))}")
            if field == "features":
                if not isinstance(value, (list, tuple, set, frozenset)) or not all(isinstance(n, str) for n in value):
                    raise ConfigError(f"configuration {name!r}: {key} = {value!r} must be a list of names")
                value = frozenset(value)
            values[field] = value
        return dataclasses.replace(base or PRESETS["stock"], **values, name=name)

    @classmethod
    def load(cls, source: "Config | str | Path") -> "Config":
        """The preset named `source`, or the configuration in the JSON file at that path."""
        if isinstance(source, cls):
            return source
        if source in PRESETS:
            return PRESETS[source]
        path = Path(source)
        if not path.exists():
            raise ConfigError(f"no configuration {source!r}: neither a file nor a preset ({', '.join(PRESETS)})")
        try:
            keys = json.loads(path.read_text())
        except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise ConfigError(f"cannot read configuration {source}: {error}") from None
        return cls.from_dict(keys, name=path.stem)


def _presets():
    small = dict(log_uop_buff_size=9, log_inp_buff_size=9, log_wgt_buff_size=11, log_acc_buff_size=11)
    # 16 beats are what the high-performance ports pass on as one, and 8 reads what they accept at a time (UG1085)
    mpsoc = dict(axi_data_width=128, max_burst=16, read_ids=16)
    full = dict(features=frozenset(FEATURES))
    return {name: Config(name=name, **fields) for name, fields in {
        "default": full,
        "stock": {},
        "pynq": dict(target="pynq", max_burst=16, **full),
        "ultra96": dict(target="ultra96", **mpsoc, **full),
        "zcu104": dict(target="zcu104", **mpsoc, **full),
        "de10nano": dict(target="de10nano", max_burst=16, **full),
        "tiny": dict(log_block=2, **small, max_burst=16, read_ahead_beats=16, fetch_depth=8, load_queue_depth=4,
                     compute_queue_depth=4, store_queue_depth=4, token_depth=8, read_ids=2, read_outstanding=2,
                     write_outstanding=4),
        "wide": dict(log_block=5, log_batch=0, axi_data_width=512, axi_ports=4),
    }.items()}


PRESETS = _presets()
