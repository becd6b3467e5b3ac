"""Where the tests find vector files, and small files they write themselves."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from repository import ROOT

FOLDER = Path(os.environ.get("VTA_VECTORS") or ROOT / "vectors")
ABSENT = f"the vector folder is not at {FOLDER}; set VTA_VECTORS"
FILES = sorted([*FOLDER.glob("*.npz"), *FOLDER.glob("configs/*.npz")])

# For tests that take one vector file each: they are skipped, and say so, where the folder is not there.
each_vector = pytest.mark.parametrize(
    "path", FILES or [pytest.param(None, marks=pytest.mark.skip(
        reason=ABSENT))],
    ids=lambda path: path and path.stem)


def write_vector(path, words, before=(), after=(), address=0x10000, stats=None, **keys):
    """A vector file for the stream `words`; `before` and `after` are (address, uint8 array) pairs.

    The stream itself is put into `before`. `stats` is a dict or text; `keys` replace keys of the file.
    """
    words = np.asarray(words, np.uint64)
    before = [(address, words.reshape(-1).view(np.uint8)), *before]
    text = stats if isinstance(stats, str) else json.dumps(stats or {})
    values = {"insns": words, "insn_phy_addr": np.int64(address), "stats": np.array(text)}
    for name, chunks in (("before", before), ("after", after)):
        data = [np.asarray(data, np.uint8) for _, data in chunks]
        values |= {f"mem_{name}_addr": np.array([start for start, _ in chunks], np.int64),
                   f"mem_{name}_len": np.array([len(part) for part in data], np.int64),
                   f"mem_{name}_data": np.concatenate([np.empty(0, np.uint8), *data])}
    np.savez_compressed(path, **values | keys)
    return path
