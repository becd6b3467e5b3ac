"""A small program with each kind of buffer, and its file with something changed in it."""

import io
import json
import zipfile

import numpy as np

from vta.compiler.program import Program
from vta.compiler.stream.stream import COMPUTE, STORE, Stream
from vta.hw.config import PRESETS
from vta.hw.isa import AluOp, MemType

DEEP = b"[" * 100_000            # more than Python's JSON reader follows


def add_constant(config=PRESETS["default"], tiles=4):
    """data (int32) + a constant, shifted right by 1: a program with each kind of buffer."""
    s = Stream(config)
    shape = (tiles, config.batch, config.block)
    data = s.buffer("data", shape, "int32", "input", "tile b c")
    bias = s.buffer("bias", shape, "int32", "const")
    result = s.buffer("result", shape, "int8", "output")
    s.load_buffer_2d(data, 0, tiles, 1, tiles, (0, 0, 0, 0), 0, MemType.ACC)
    s.load_buffer_2d(bias, 0, tiles, 1, tiles, (0, 0, 0, 0), tiles, MemType.ACC)
    for op, src, use_imm, imm in ((AluOp.ADD, tiles, 0, 0), (AluOp.SHR, 0, 1, 1)):
        with s.uop_kernel(op.name), s.uop_loop(tiles, 1, 1, 0):
            s.uop_push(1, 0, 0, src, 0, op, use_imm, imm)
    s.dep_push(COMPUTE, STORE)
    s.dep_pop(COMPUTE, STORE)
    s.store_buffer_2d(0, MemType.OUT, result, 0, tiles, 1, tiles)
    s.sync()
    constant = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    return Program.from_code(s.code(), "add_constant", {"bias": constant})


def data(program):
    return np.random.default_rng(2).integers(-1000, 1000, program.buffer("data").shape, np.int32)


def expected(program, array):
    return ((array + program.constants["bias"]) >> 1).astype(np.int8)


def rewritten(program, change):
    """The program's file with `change(members)` applied to its dict of name -> bytes."""
    with zipfile.ZipFile(io.BytesIO(program.to_bytes())) as file:
        members = {name: file.read(name) for name in file.namelist()}
    change(members)
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as file:
        for name, content in members.items():
            file.writestr(name, content)
    return data.getvalue()


def head(**changes):
    def change(members):
        values = json.loads(members["program.json"])
        values.update(changes)
        members["program.json"] = json.dumps(values).encode()
    return change


def array(name, value):
    def change(members):
        text = io.BytesIO()
        np.save(text, value, allow_pickle=True)
        members[name] = text.getvalue()
    return change


def buffer(**changes):
    def change(members):
        values = json.loads(members["program.json"])
        values["buffers"][0].update(changes)
        members["program.json"] = json.dumps(values).encode()
    return change


def header(name, old, new):
    """The text of a .npy header, changed."""
    return lambda members: members.update({name: members[name].replace(old, new)})


def endless(members):
    """Instructions beyond any memory, by their header."""
    text = io.BytesIO()
    np.lib.format.write_array_header_1_0(text, {"descr": "<u8", "fortran_order": False, "shape": (1 << 50, 2)})
    members["insns.npy"] = text.getvalue()
