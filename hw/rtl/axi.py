"""AXI4 and AXI4-Lite ports as Amaranth signatures, with Arm's signal names, seen from the master.

All masters send INCR bursts of at most `max_burst` full-width beats that stay within an aligned block of that
size (so none crosses a 4 KiB boundary), to normal bufferable cacheable memory.
"""

from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import exact_log2

ID_BITS = 4
LEN_BITS = 8
OKAY = 0
CONSTANTS = {"burst": 0b01, "cache": 0b1111, "prot": 0b000}


def bus_log(config):
    """log2 of the bytes of a beat."""
    return exact_log2(config.bus_bytes)


def read_signature(config):
    """The AR and R channels of one master."""
    return wiring.Signature({
        "araddr": Out(config.axi_addr_width), "arlen": Out(LEN_BITS), "arid": Out(ID_BITS),
        "arvalid": Out(1), "arready": In(1),
        "rdata": In(config.axi_data_width), "rresp": In(2), "rlast": In(1), "rid": In(ID_BITS),
        "rvalid": In(1), "rready": Out(1)})


def write_signature(config):
    """The AW, W and B channels of one master."""
    return wiring.Signature({
        "awaddr": Out(config.axi_addr_width), "awlen": Out(LEN_BITS), "awid": Out(ID_BITS),
        "awvalid": Out(1), "awready": In(1),
        "wdata": Out(config.axi_data_width), "wstrb": Out(config.bus_bytes), "wlast": Out(1),
        "wvalid": Out(1), "wready": In(1),
        "bresp": In(2), "bid": In(ID_BITS), "bvalid": In(1), "bready": Out(1)})


def lite_signature(address_bits):
    """An AXI4-Lite port of 32-bit data, seen from the master."""
    return wiring.Signature({
        "awaddr": Out(address_bits), "awprot": Out(3), "awvalid": Out(1), "awready": In(1),
        "wdata": Out(32), "wstrb": Out(4), "wvalid": Out(1), "wready": In(1),
        "bresp": In(2), "bvalid": In(1), "bready": Out(1),
        "araddr": Out(address_bits), "arprot": Out(3), "arvalid": Out(1), "arready": In(1),
        "rdata": In(32), "rresp": In(2), "rvalid": In(1), "rready": Out(1)})
