"""Finds bitstreams: `.bit`, with Vivado's `.hwh` and the manifest `.json` beside it.

Folders are searched in this order: $VTA_BITSTREAMS, `vta/bitstreams` in the installed package,
`~/.cache/vta/bitstreams`. File names are those of TVM's VTA: `TARGET/HW_VER/1x16_i8w8a32_15_15_18_17.bit`, or the last
part alone. TARGET is that of the board named by $BOARD (PYNQ images set it), else the configuration's.
"""

import json
import os
from importlib import resources
from pathlib import Path

from vta.hw.boards import BOARDS, bitstream_name
from vta.hw.config import Config, ConfigError


class BitstreamError(ValueError):
    """A bitstream that is missing, incomplete, or of another configuration."""


def folders():
    """The folders that are searched, first to last."""
    given = os.environ.get("VTA_BITSTREAMS")
    return ([Path(given)] if given else []) + [Path(str(resources.files("vta"))) / "bitstreams",
                                              Path.home() / ".cache" / "vta" / "bitstreams"]


def _target(config):
    name = "".join(filter(str.isalnum, os.environ.get("BOARD", ""))).lower()
    for board in BOARDS.values():
        if name and board.name.replace("-", "").startswith(name):
            return board.config.target
    return config.target


def find_bitstream(config):
    """The path of the `.bit` for the architecture of `config`; BitstreamError where there is none."""
    name = bitstream_name(config) + ".bit"
    for folder in folders():
        for path in (folder / _target(config) / config.hw_ver / name, folder / name):
            if path.exists():
                return path
    raise BitstreamError(f"no bitstream {name} for configuration {config.name!r} in "
                         f"{', '.join(map(str, folders()))}: build it with `vta bitstream` or name the file")


def built_config(bitstream, config):
    """The whole configuration that `bitstream` was built with, from its manifest.

    BitstreamError where a file beside it is missing, or where programs for `config` cannot run on it.
    """
    bitstream = Path(bitstream)
    for suffix in (".bit", ".hwh", ".json"):
        if not bitstream.with_suffix(suffix).exists():
            raise BitstreamError(f"{bitstream.with_suffix(suffix)} is missing: .bit, .hwh and .json belong "
                                 "together")
    manifest = bitstream.with_suffix(".json")
    try:
        keys = json.loads(manifest.read_text())["configuration"]
        built = Config.from_dict({key: keys[key] for key in keys if key != "name"}, name=keys["name"])
    except (ValueError, KeyError, TypeError, RecursionError, ConfigError) as error:
        raise BitstreamError(f"{manifest} is not a manifest of `vta bitstream`: {error}") from None
    if refusal := built.refusal(config):
        raise BitstreamError(f"{bitstream} does not fit the program: {refusal}")
    return built
