"""Programs: a relocatable stream with its constants and buffers, as an object and as one file.

    program = Program.from_code(stream.code(), "my_conv", constants={"kernel": weights})   # checked
    program.save("my_conv.vta");  program = Program.load("my_conv.vta")
    outputs, result = program.run(device, data=array)          # places, relocates, runs, copies back

A program file is a zip of `program.json` (format, name, configuration and its hash, buffers) and plain numpy
`.npy` members: `insns`, `uops`, `relocations`, `const.NAME`. Nothing in it is compressed, dated or pickled:
equal programs give equal bytes. `numpy.load` opens it too.
"""

import dataclasses
import io
import json
import tokenize
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from vta.compiler.check.checker import check
from vta.compiler.check.report import Report
from vta.compiler.stream.code import UOPS, Code, DramBuffer
from vta.hw.columns import Columns
from vta.hw.config import Config, ConfigError
from vta.hw.isa import Opcode, opcode_of

FORMAT = 1
PAGE = 4096                      # alignment of buffers and streams; no tile is larger
SUFFIX = ".vta"
HEAD = "program.json"


class ProgramError(ValueError):
    """A file that is not a program, or a program that cannot run as requested."""


@dataclass(frozen=True)
class Program:
    """`code` (compiler.stream.Code), `constants`: buffer name -> array of its shape and dtype."""

    name: str
    code: Code
    constants: dict[str, np.ndarray]

    @classmethod
    def from_code(cls, code: Code, name: str, constants: Mapping[str, np.ndarray] | None = None) -> "Program":
        """The program of a finished stream; the checker must find no fault (CheckError)."""
        program = cls(name, code, dict(constants or {}))
        program._validate()
        program.check().require()
        return program

    @property
    def config(self) -> Config:
        return self.code.config

    @property
    def needs(self) -> Config:
        """The configuration with only those features that the stream uses: what a device must have to run it."""
        return dataclasses.replace(self.config, features=Columns(self.code.insns, self.config).features)

    @property
    def buffers(self) -> list[DramBuffer]:
        """All buffers but the micro-op image."""
        return self.code.buffers[UOPS + 1:]

    def buffer(self, name: str) -> DramBuffer:
        for buffer in self.buffers:
            if buffer.name == name:
                return buffer
        raise ProgramError(f"program {self.name!r} has no buffer {name!r}; it has "
                           f"{', '.join(b.name for b in self.buffers) or 'none'}")

    def _validate(self):
        if not isinstance(self.name, str):
            raise ProgramError(f"program name {self.name!r} must be text")
        wanted = {buffer.name: buffer for buffer in self.buffers if buffer.kind == "const"}
        if set(wanted) != set(self.constants):
            raise ProgramError(f"program {self.name!r}: constants {sorted(self.constants)} given, "
                               f"{sorted(wanted)} declared")
        for name, buffer in wanted.items():
            self.constants[name] = _fitting(self.constants[name], buffer, self.name)

    # placing and checking
    def layout(self, base: int = PAGE) -> tuple[list[int], int]:
        """Addresses of all buffers, page-aligned and contiguous from `base`, and the first page after them."""
        addresses = []
        for buffer in self.code.buffers:
            addresses.append(base)
            base += -(-max(buffer.nbytes, 1) // PAGE) * PAGE
        return addresses, base

    def check(self) -> Report:
        """The stream checker's report on this program."""
        addresses, _ = self.layout()
        uops = self.code.uops.view(np.uint8)

        def memory(address, nbytes):
            at = address - addresses[UOPS]
            return uops[at:at + nbytes] if 0 <= at <= uops.size - nbytes else None

        buffers = self.code.buffers
        ranges = [(address, buffer.nbytes) for address, buffer in zip(addresses, buffers, strict=True)]
        defined = [where for where, buffer in zip(ranges, buffers, strict=True) if buffer.kind != "output"]
        return check(self.code.place(addresses), self.config, memory=memory, regions=ranges, defined=defined)

    # running
    @contextmanager
    def place(self, device: Any) -> Iterator["Placement"]:
        """A Placement: the program in the memory of `device`, ready to run any number of times."""
        if not isinstance(getattr(device, "config", None), Config):
            raise ProgramError(f"{device!r} is no device: open one with vta.device(...)")
        if refusal := device.config.refusal(self.needs):
            raise ProgramError(f"program {self.name!r} cannot run on this device: {refusal}")
        with ExitStack() as stack:
            homes = [stack.enter_context(device.memory.alloc(max(buffer.nbytes, 1), PAGE))
                     for buffer in self.code.buffers]
            insns = self.code.place([home.address for home in homes])
            stream = stack.enter_context(device.memory.alloc(insns.nbytes, PAGE))
            device.memory.write(stream.address, insns)
            if self.code.uops.size:
                device.memory.write(homes[UOPS].address, self.code.uops)
            for name, home in zip((b.name for b in self.code.buffers), homes, strict=True):
                if name in self.constants:
                    device.memory.write(home.address, self.constants[name])
            yield Placement(self, device, stream.address, homes)

    def run(self, device: Any, *, watchdog: int | None = None, progress: Callable[[int], object] | None = None,
            **arrays: np.ndarray) -> tuple[dict[str, np.ndarray], Any]:
        """Run once: `arrays` are the inputs by name. Returns (outputs by name, the device's RunResult)."""
        with self.place(device) as placed:
            return placed.run(watchdog=watchdog, progress=progress, **arrays)

    # files
    def save(self, path: str | PathLike) -> None:
        Path(path).write_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """The program file's bytes: equal for equal programs, on every machine."""
        needs = self.needs
        head = {
            "format": FORMAT, "name": self.name, "config_hash": needs.hash,
            "config": needs.architecture,
            "buffers": [{"name": b.name, "shape": list(b.shape), "dtype": b.dtype, "kind": b.kind,
                         "layout": b.layout} for b in self.buffers],
        }
        members = {"insns": self.code.insns.astype("<u8"), "uops": self.code.uops.astype("<u4"),
                   "relocations": self.code.relocations.astype("<i8")}
        members |= {f"const.{name}": array for name, array in sorted(self.constants.items())}
        data = io.BytesIO()
        with zipfile.ZipFile(data, "w", zipfile.ZIP_STORED) as file:
            _add(file, HEAD, json.dumps(head, indent=1).encode() + b"\n")
            for name, array in members.items():
                text = io.BytesIO()
                np.lib.format.write_array(text, np.ascontiguousarray(array), version=(1, 0),
                                          allow_pickle=False)
                _add(file, f"{name}.npy", text.getvalue())
        return data.getvalue()

    @classmethod
    def load(cls, path: str | PathLike) -> "Program":
        """Read a program file; ProgramError if it is malformed."""
        try:
            with zipfile.ZipFile(path) as file:
                head = json.loads(file.read(HEAD))
                arrays = {name.removesuffix(".npy"): _array(file.read(name))
                          for name in file.namelist() if name.endswith(".npy")}
        except FileNotFoundError:
            raise ProgramError(f"no program file {path}") from None
        except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError,
                RuntimeError, TypeError, SyntaxError, tokenize.TokenError) as error:       # numpy's, for headers
            raise ProgramError(f"{path} is not a program file: {error}") from None
        return cls._from_parts(path, head, arrays)

    @classmethod
    def _from_parts(cls, path, head, arrays):
        def need(ok, message):
            if not ok:
                raise ProgramError(f"{path}: {message}")

        need(isinstance(head, dict) and head.get("format") == FORMAT,
             f"program format {head.get('format') if isinstance(head, dict) else head!r}, "
             f"this version reads {FORMAT}")
        try:
            config = Config.from_dict(head["config"], name="program")
            buffers = tuple(parse_buffer(row) for row in head["buffers"])
            name, stamp = head["name"], head["config_hash"]
        except ConfigError as error:
            raise ProgramError(f"{path}: {error}") from None
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ProgramError(f"{path}: bad header: {type(error).__name__}: {error}") from None
        need(stamp == config.hash, f"configuration hash {stamp!r} does not belong to its configuration "
                                   f"({config.hash:#010x})")
        need(len({b.name for b in buffers} | {"uop"}) == len(buffers) + 1, "two buffers of one name")
        for key, dtype, shape in (("insns", "uint64", (-1, 2)), ("uops", "uint32", (-1,)),
                                  ("relocations", "int64", (-1, 2))):
            array = arrays.get(key)
            need(array is not None, f"{key} is missing")
            need(array.dtype == dtype and array.ndim == len(shape) and array.shape[1:] == shape[1:],
                 f"{key} is {array.dtype} {array.shape}, expected {dtype} {shape}")
        insns, uops, relocations = arrays["insns"], arrays["uops"], arrays["relocations"]
        image = DramBuffer("uop", uops.shape, "uint32", "const")
        rows, owners = relocations.T
        need(len(insns) > 0, "no instructions")
        need(np.all((rows >= 0) & (rows < len(insns)) & (owners >= 0) & (owners <= len(buffers)))
             and np.all(opcode_of(insns[rows, 0]) <= Opcode.STORE),
             "a relocation points to no LOAD or STORE, or to no buffer")
        constants = {key.removeprefix("const."): value for key, value in arrays.items()
                     if key.startswith("const.")}
        program = cls(name, Code(config, insns, uops, relocations, (image, *buffers)), constants)
        program._validate()
        return program


class Placement:
    """A program in a device's memory. `addresses`: buffer name -> byte address."""

    def __init__(self, program: Program, device: Any, stream: int, homes: list):
        self.program, self.device, self.stream = program, device, stream
        self.homes = dict(zip((buffer.name for buffer in program.code.buffers), homes, strict=True))
        self.addresses = {name: home.address for name, home in self.homes.items()}

    def run(self, *, watchdog: int | None = None, progress: Callable[[int], object] | None = None,
            **arrays: np.ndarray) -> tuple[dict[str, np.ndarray], Any]:
        """Copy the inputs in, run, copy the outputs out: (outputs by name, the device's RunResult)."""
        self.write(**arrays)
        result = self.execute(watchdog=watchdog, progress=progress)
        return self.read(), result

    def write(self, **arrays: np.ndarray) -> None:
        """Copy the inputs, by name, to the device."""
        program, memory = self.program, self.device.memory
        inputs = [buffer for buffer in program.buffers if buffer.kind == "input"]
        unknown = set(arrays) - {buffer.name for buffer in inputs}
        missing = {buffer.name for buffer in inputs} - set(arrays)
        if unknown or missing:
            wrong = [f"{word} {', '.join(sorted(names))}" for word, names in
                     (("missing", missing), ("unknown", unknown)) if names]
            raise ProgramError(f"program {program.name!r}: its inputs are "
                               f"{', '.join(b.name for b in inputs) or 'none'}; {'; '.join(wrong)}")
        for buffer in inputs:
            memory.write(self.addresses[buffer.name], _fitting(arrays[buffer.name], buffer, program.name))

    def execute(self, *, watchdog: int | None = None, progress: Callable[[int], object] | None = None) -> Any:
        """Run on the inputs that were written; the device's RunResult."""
        count = len(self.program.code.insns)
        return self.device.run(self.stream, count, watchdog=watchdog, progress=progress)

    def read(self) -> dict[str, np.ndarray]:
        """Copies of the outputs, by name."""
        memory = self.device.memory
        return {buffer.name: memory.read(self.addresses[buffer.name], buffer.nbytes).view(buffer.dtype)
                .reshape(buffer.shape) for buffer in self.program.buffers if buffer.kind == "output"}


def parse_buffer(row):
    """The DramBuffer that a header's object describes; KeyError, TypeError or ValueError if it describes none."""
    for key in ("name", "dtype", "kind", "layout"):
        if not isinstance(row[key], str):
            raise TypeError(f"{key} {row[key]!r} of a buffer must be text")
    if not isinstance(row["shape"], list) or any(type(n) is not int for n in row["shape"]):
        raise TypeError(f"shape {row['shape']!r} of buffer {row['name']!r} must be a list of integers")
    return DramBuffer(row["name"], tuple(row["shape"]), np.dtype(row["dtype"]).name, row["kind"], row["layout"])


def _fitting(array, buffer, program):
    array = np.asarray(array)
    if array.shape != buffer.shape or array.dtype != buffer.dtype:
        raise ProgramError(f"program {program!r}: {buffer.name} is {array.dtype} {array.shape}, expected "
                           f"{buffer.dtype} {buffer.shape}{f' ({buffer.layout})' if buffer.layout else ''}")
    return np.ascontiguousarray(array)


def _add(file, name, data):
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.create_system = 3                  # the same on every system
    file.writestr(info, data)


def _array(data):
    return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
