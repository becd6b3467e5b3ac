"""Vector files: one launch each, with DRAM before and after it (`.npz`, no pickles).

Keys: `insns` (n, 2) uint64 and `insn_phy_addr`; `mem_before_addr/_len/_data` and `mem_after_addr/_len/_data`,
chunks of DRAM laid end to end, all other bytes zero before and unchanged after; `stats`, a JSON string with
TVM's seven statistics, `tokens_before`, `tokens_left` and, if it is not the default, `config`. Other keys are ignored.
"""

import json
import tokenize
import zipfile
import zlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vta.hw.config import Config, ConfigError
from vta.hw.counters import tvm_stats
from vta.hw.isa import Queue

QUEUES = tuple(queue.name.lower() for queue in Queue)


class VectorError(ValueError):
    """A file that is not a vector, or is truncated; the message names the file and the error."""


@dataclass(frozen=True)
class Chunks:
    """Ranges of DRAM: `address` and `nbytes` of each, their bytes end to end in `data`."""

    address: np.ndarray
    nbytes: np.ndarray
    data: np.ndarray

    def __iter__(self):
        """(address, bytes) of each chunk."""
        ends = np.cumsum(self.nbytes).tolist()
        for address, nbytes, end in zip(self.address.tolist(), self.nbytes.tolist(), ends, strict=True):
            yield address, self.data[end - nbytes:end]

    def write(self, memory):
        """Copy all chunks into a memory that has `write(address, data)`."""
        for address, data in self:
            memory.write(address, data)


@dataclass(frozen=True)
class Vector:
    """One launch. `stats` holds those of TVM's statistics that the file lists; `regions` (k, 2) of (address, bytes)
    is all of the DRAM that was allocated, if the file lists it."""

    path: Path
    config: Config
    insns: np.ndarray
    insn_address: int
    before: Chunks
    after: Chunks
    tokens_before: dict
    tokens_left: dict
    stats: dict
    regions: np.ndarray | None = None

    @property
    def name(self):
        return self.path.stem


def load_vector(path):
    """The Vector in a file; VectorError if it is malformed, OSError if it cannot be read."""
    path = Path(path)

    def need(ok, words):
        if not ok:
            raise VectorError(f"{path}: {words}")

    try:
        with open(path, "rb") as file:
            archive = np.load(file, allow_pickle=False)
            need(isinstance(archive, np.lib.npyio.NpzFile), "not a vector but a single array")
            keys = {key: archive[key] for key in (*_KEYS, "regions") if key in archive.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError, KeyError, NotImplementedError, TypeError,
            SyntaxError, tokenize.TokenError) as error:
        if isinstance(error, VectorError):
            raise
        raise VectorError(f"{path}: not a vector file, or a truncated one") from None
    for key, (kind, ndim) in _KEYS.items():
        need(key in keys, f"key {key!r} is missing")
        need(keys[key].dtype.kind in kind and keys[key].ndim == ndim,
             f"key {key!r} has type {keys[key].dtype} and {keys[key].ndim} dimensions")
    need(keys["insns"].shape[1:] == (2,) and len(keys["insns"]), f"insns has shape {keys['insns'].shape}")
    regions = keys.get("regions")
    need(regions is None or (regions.dtype.kind in "iu" and regions.ndim == 2 and regions.shape[1] == 2),
         "regions is not a list of (address, bytes)")
    chunks = {}
    for when in ("before", "after"):
        memory = Chunks(*(keys[f"mem_{when}_{name}"] for name in ("addr", "len", "data")))
        total = int(memory.nbytes.sum())
        need(len(memory.address) == len(memory.nbytes) and total == memory.data.nbytes and (memory.nbytes >= 0).all(),
             f"mem_{when}: {len(memory.address)} addresses, {len(memory.nbytes)} lengths of {total} bytes in "
             f"all, but {memory.data.nbytes} bytes of data")
        chunks[when] = memory
    try:
        stats = json.loads(str(keys["stats"]))
        need(isinstance(stats, dict), "stats is not a JSON object")
        config = Config.from_dict(stats["config"], name=path.stem) if "config" in stats else Config()
    except (json.JSONDecodeError, RecursionError, ConfigError) as error:
        raise VectorError(f"{path}: stats: {error}") from None
    return Vector(path, config, keys["insns"].astype(np.uint64), int(keys["insn_phy_addr"]), **chunks,
                  tokens_before=_tokens(stats, "tokens_before", need),
                  tokens_left=_tokens(stats, "tokens_left", need),
                  stats={name: stats[name] for name in _STATISTICS if name in stats}, regions=regions)


# key -> (kinds of number it may hold, dimensions)
_KEYS = {"insns": ("u", 2), "insn_phy_addr": ("iu", 0), "stats": ("U", 0)} | {
    f"mem_{when}_{name}": (kind, 1) for when in ("before", "after")
    for name, kind in (("addr", "iu"), ("len", "iu"), ("data", "u"))}
_STATISTICS = tuple(tvm_stats(defaultdict(int), Config()))


def _tokens(stats, key, need):
    counts = stats.get(key, {})
    need(isinstance(counts, dict) and all(name in QUEUES and type(count) is int and count >= 0
                                          for name, count in counts.items()), f"stats: bad {key} {counts!r}")
    return dict.fromkeys(QUEUES, 0) | counts
