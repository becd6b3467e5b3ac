"""The interfaces between units: the payload layouts that several of them share, and port signatures.

A signature is seen from the unit that acts: the client of a memory, the producer or the consumer of tokens, the unit
that reports its status.
"""

from amaranth.hdl import unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from vta.hw.counters import EVENTS, STATES
from vta.hw.features import Feature
from vta.hw.registers import SHAPES
from vta.hw.rtl.axi import LEN_BITS

NUMBER_BITS = 24     # instructions of a unit are numbered modulo 2^24 for error reports
ISSUED = data.StructLayout({      # an instruction whose tokens are there: those that it pushes, and its number
    "push_prev": unsigned(1), "push_next": unsigned(1), "number": unsigned(NUMBER_BITS)})
ERROR = data.StructLayout({      # an error in this cycle: its ErrorCause and the number of the instruction in its unit
    "valid": unsigned(1), "cause": SHAPES["error"]["cause"].shape, "number": unsigned(NUMBER_BITS)})

# the producer reserves room for a token (only while `can_push`), and pushes it in the same cycle or later
TOKEN_SOURCE = wiring.Signature({"can_push": In(1), "reserve": Out(1), "push": Out(1)})
TOKEN_SINK = wiring.Signature({"can_pop": In(1), "pop": Out(1)})


def burst_layout(config):
    """One burst request: `addr` of its first beat in bytes, a multiple of the bus; `len` is beats - 1."""
    return data.StructLayout({"addr": config.axi_addr_width, "len": LEN_BITS})


def beat_layout(config):
    """One beat of read data; `error` where the response was not OKAY; `last` of its burst."""
    return data.StructLayout({"data": unsigned(config.axi_data_width), "error": unsigned(1), "last": unsigned(1)})


def write_beat_layout(config):
    """One beat to write: `strobe` says which bytes."""
    return data.StructLayout({"data": unsigned(config.axi_data_width), "strobe": unsigned(config.bus_bytes)})


def slice_bits(config):
    """Width of a slice's number: a tile has up to 512 slices, on the narrowest bus."""
    slices = max(config.tile_bytes.values()) // config.bus_bytes
    return max(slices - 1, 1).bit_length()


def pad_byte_member(config):
    """{"pad_byte": its shape}, the byte in the padding of a LOAD, where it may be another than 0; otherwise {}."""
    return {"pad_byte": unsigned(8)} if config.has(Feature.PAD_VALUE) else {}


def diagonal_member(config):
    """{"diagonal": its shape}, whether a LOAD brings the diagonals of tiles, where it may; otherwise {}."""
    return {"diagonal": unsigned(1)} if config.has(Feature.DIAGONAL) else {}


def chunk_layout(config):
    """A chunk: what a tile writer writes in one cycle, to the memory at position `select` of its list.

    With `write`, the low bytes of `data` are slice `slice` of tile `index`; a slice is as wide as the bus or the tile,
    whichever is narrower, and `complete` marks the last one of a tile. With `pad`, the bytes of tile `pad_index`
    become `pad_byte`, or 0; a chunk has both only if `write` does not complete a tile. `last`: the chunk completes the
    LOAD, which pushes a token if `push`; it may write nothing. With `diagonal`, the slices are those of the `block`
    bytes on the diagonal of a WGT tile, whose other bytes become 0.
    """
    return data.StructLayout({
        "select": unsigned(1), "write": unsigned(1), "index": unsigned(16), "slice": unsigned(slice_bits(config)),
        "complete": unsigned(1), "data": unsigned(config.axi_data_width), **diagonal_member(config),
        "pad": unsigned(1), "pad_index": unsigned(16), **pad_byte_member(config), "last": unsigned(1),
        "push": unsigned(1)})


def read_client(config):
    """A client of DRAM: `request` takes bursts, `beats` returns their data in order."""
    return wiring.Signature({"request": Out(stream.Signature(burst_layout(config))),
                             "beats": In(stream.Signature(beat_layout(config)))})


def scratch_write(config):
    """A write to an on-chip memory: `chunk` in a cycle with `en`."""
    return wiring.Signature({"en": Out(1), "chunk": Out(chunk_layout(config))})


def scratch_read(config, name):
    """A read of memory `name`: `data` (a whole tile) is that of `index` in the last cycle with `en` before."""
    return wiring.Signature({"en": Out(1), "index": Out(range(config.depth[name])),
                             "data": In(8 * config.tile_bytes[name])})


def unit_status(unit):
    """What a unit reports: its counters by name (see `vta.hw.rtl.unit_state`), an error, its progress.

    `progress`: something happened in this cycle; `settled`: nothing can until a token or an instruction comes.
    """
    states, events = (data.StructLayout({counter.name: 1 for counter in table[unit]}) for table in (STATES, EVENTS))
    return wiring.Signature({"states": Out(states), "events": Out(events), "error": Out(ERROR),
                             "progress": Out(1), "settled": Out(1)})
