"""The inputs of the commands: vectors, programs, raw folders, assembly and Python files."""

import importlib.util
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vta.compiler.build import Module
from vta.compiler.check.checker import check
from vta.compiler.ops.operator import Operator
from vta.compiler.program import HEAD, SUFFIX, Program
from vta.compiler.raw import import_raw
from vta.compiler.stream.assembler import AssemblyError, assemble
from vta.hw.config import Config
from vta.runtime.vector import load_vector


class SourceError(ValueError):
    """A file that no command can read."""


@dataclass(frozen=True)
class Source:
    """A stream and what is known about it: `memory(address, nbytes)` -> bytes of DRAM before the run or None,
    `facts`: further arguments of the checker. `program` is set for programs only."""

    insns: np.ndarray
    config: Config
    memory: Callable[[int, int], np.ndarray | None]
    facts: dict[str, object]
    program: Program | None = None

    def check(self):
        """The stream checker's Report."""
        if self.program is not None:
            return self.program.check()
        return check(self.insns, self.config, memory=self.memory, **self.facts)


def open_source(path, config=None):
    """The Source at `path`: a vector (.npz), a program, a folder of raw binaries, a Python file whose function
    `build(config)` returns a program, or assembly text; the last two are read for `config` (a Config).
    SourceError, or the reader's own error, if it is none of them."""
    path = Path(path)
    if path.is_dir():
        return _from_program(import_raw(path))
    if path.suffix == ".py":
        return _from_program(open_program(path, config))
    if path.suffix == SUFFIX or _holds_program(path):
        return _from_program(Program.load(path))
    if path.suffix == ".npz" or zipfile.is_zipfile(path):
        return _from_vector(load_vector(path))
    try:
        insns, uops = assemble(path.read_text(), config or Config())
    except UnicodeDecodeError:
        raise SourceError(f"{path} is neither a vector, a program, raw binaries nor assembly text") from None
    except AssemblyError as error:
        raise SourceError(f"{path}: {error}") from None
    if not len(insns):
        raise SourceError(f"{path} has no instructions")
    return Source(insns, config or Config(), _image(0, uops.view(np.uint8)), {})


def open_program(path, config=None):
    """The Program at `path`: a program file, a folder of raw binaries, or a Python file whose function
    `build(config)` returns one, or what `vta.build` returned, or an operator."""
    path = Path(path)
    if path.is_dir():
        return import_raw(path)
    if path.suffix != ".py":
        return Program.load(path)
    if not path.exists():
        raise SourceError(f"no file {path}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    ours, sys.argv = sys.argv, [str(path)]           # a script sees no command-line arguments
    try:
        spec.loader.exec_module(module)
        build = getattr(module, "build", None)
        program = build(config or Config()) if callable(build) else None
    except ValueError:
        raise                                        # ours: the message suffices
    except (Exception, SystemExit) as error:
        raise SourceError(f"{path}: {type(error).__name__}: {error}") from error
    finally:
        sys.argv = ours
    if not callable(build):
        raise SourceError(f"{path} has no function build(config) that returns a program")
    if isinstance(program, (Module, Operator)):
        program = program.program
    if not isinstance(program, Program):
        raise SourceError(f"{path}: build returned a {type(program).__name__}, not a program")
    return program


def _holds_program(path):
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as file:
        return HEAD in file.namelist()


def _from_program(program):
    addresses, _ = program.layout()
    memory = _image(addresses[0], program.code.uops.view(np.uint8))
    return Source(program.code.place(addresses), program.config, memory, {}, program)


def _from_vector(vector):
    starts = vector.before.address.astype(np.int64)
    order = np.argsort(starts, kind="stable")
    chunks = list(vector.before)

    def memory(address, nbytes):
        data = np.zeros(nbytes, np.uint8)            # what no chunk lists is zero
        first = max(int(np.searchsorted(starts[order], address, "right")) - 1, 0)
        for n in order[first:]:
            at, part = chunks[n]
            if at >= address + nbytes:
                break
            low, high = max(address, at), min(address + nbytes, at + len(part))
            if low < high:
                data[low - address:high - address] = part[low - at:high - at]
        return data

    return Source(vector.insns, vector.config, memory, {
        "tokens_before": vector.tokens_before, "tokens_left": vector.tokens_left, "regions": vector.regions,
        "stream_address": vector.insn_address})


def _image(base, data):
    def memory(address, nbytes):
        at = address - base
        return data[at:at + nbytes] if 0 <= at <= data.size - nbytes else None
    return memory
