"""Raw binaries: a program as little-endian images at fixed addresses, for exchange with other VTA simulators.

    insns.bin      the instruction stream, 16 bytes each, word 0 first
    uop.bin        the micro-op image, 4 bytes each
    NAME.bin       each constant buffer
    manifest.json  configuration, and for every file and buffer: address, bytes, shape, type, kind

Pointer registers must be 0: `dram_base` times the tile's bytes is the address. Importing finds the buffer of each
transfer by its address, so the imported program is relocatable and equal to the exported one.
"""

import json
from pathlib import Path

import numpy as np

from vta.compiler.check.footprint import Footprints
from vta.compiler.program import PAGE, Program, ProgramError, parse_buffer
from vta.compiler.stream.code import DRAM, UOPS, Code
from vta.hw.columns import by_type
from vta.hw.config import Config, ConfigError
from vta.hw.isa import MEMORY, extract

MANIFEST = "manifest.json"


def export_raw(program, folder, base=PAGE):
    """Write the folder, the program's buffers one after another from byte address `base`, then the stream."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    addresses, stream = program.layout(base)
    insns = program.code.place(addresses)
    (folder / "insns.bin").write_bytes(insns.astype("<u8").tobytes())
    rows = []
    for buffer, address in zip(program.code.buffers, addresses, strict=True):
        image = buffer is program.code.buffers[UOPS]
        data = program.code.uops if image else program.constants.get(buffer.name)
        if data is not None:
            (folder / f"{buffer.name}.bin").write_bytes(data.astype(data.dtype.newbyteorder("<")).tobytes())
        rows.append({"name": buffer.name, "file": None if data is None else f"{buffer.name}.bin",
                     "address": address, "bytes": buffer.nbytes, "shape": list(buffer.shape),
                     "dtype": buffer.dtype, "kind": buffer.kind, "layout": buffer.layout})
    manifest = {"name": program.name, "config": program.config.architecture,
                "config_hash": program.config.hash,
                "insns": {"file": "insns.bin", "address": stream, "count": len(insns)}, "buffers": rows}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n")


def import_raw(folder):
    """The Program in a folder; ProgramError where manifest, files and stream are inconsistent."""
    folder = Path(folder)
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        config = Config.from_dict(manifest["config"], name="program")
        if manifest["config_hash"] != config.hash:
            raise ProgramError(f"{folder / MANIFEST}: configuration hash {manifest['config_hash']!r} does not belong "
                               f"to its configuration ({config.hash:#010x})")
        rows = manifest["buffers"]
        buffers = tuple(parse_buffer(row) for row in rows)
        addresses = np.array([int(row["address"]) for row in rows], np.int64)
        insns = _read(folder, "insns.bin", "<u8", (int(manifest["insns"]["count"]), 2))
        data = {buffer.name: _read(folder, row["file"], np.dtype(buffer.dtype).newbyteorder("<"),
                                   buffer.shape)
                for buffer, row in zip(buffers, rows, strict=True) if row["file"]}
        name = str(manifest["name"])
    except FileNotFoundError as error:
        raise ProgramError(f"{folder}: {error.filename} is missing") from None
    except ConfigError as error:
        raise ProgramError(f"{folder / MANIFEST}: {error}") from None
    except ProgramError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError, OSError) as error:
        raise ProgramError(f"{folder / MANIFEST}: {type(error).__name__}: {error}") from None
    if not buffers or buffers[UOPS].name != "uop":
        raise ProgramError(f"{folder / MANIFEST}: the first buffer must be 'uop'")
    uops = data.pop("uop", np.zeros(0, np.uint32))
    code = Code(config, *_relocatable(insns, config, buffers, addresses, uops))
    return Program.from_code(code, name, data)


def _relocatable(insns, config, buffers, addresses, uops):
    """(instructions relative to their buffers, micro-ops, relocations, buffers)."""
    insn, first, _ = Footprints(insns, config).dram_rows()
    rows, starts = np.unique(insn, return_index=True)      # the first row of a transfer is its dram_base
    first = first[starts]
    inside = (first[:, None] >= addresses) & (first[:, None] < addresses + [b.nbytes for b in buffers])
    for n in np.flatnonzero(~inside.any(axis=1))[:1]:
        raise ProgramError(f"instruction {rows[n]}: address {first[n]:#x} lies in no buffer of the manifest")
    owners = inside.argmax(axis=1)
    tiles = by_type(config.tile_bytes)[extract(insns[rows], MEMORY["mem_type"])]
    for n in np.flatnonzero(addresses[owners] % tiles)[:1]:
        raise ProgramError(f"buffer {buffers[owners[n]].name!r} at {addresses[owners[n]]:#x} is not aligned "
                           f"to its tiles of {tiles[n]} bytes")
    insns = insns.copy()
    insns[rows, 0] -= (addresses[owners] // tiles << DRAM.offset).astype(np.uint64)
    return insns, uops, np.stack([rows, owners], axis=1), buffers


def _read(folder, name, dtype, shape):
    data = (folder / Path(name).name).read_bytes()
    want = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    if len(data) != want:
        raise ProgramError(f"{folder / name}: {len(data)} bytes, the manifest says {want}")
    return np.frombuffer(data, dtype).reshape(shape).astype(np.dtype(dtype).newbyteorder("="))
