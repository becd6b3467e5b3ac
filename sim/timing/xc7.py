"""Delays of 7-series cells, speed grade -1 (the Zynq-7020 of PYNQ-Z1 and -Z2), in ns, slowest corner.

Sources: CARRY4, MUXF7, MUXF8 and block RAM are those of Yosys's `techlibs/xilinx/cells_sim.v`, which Project X-Ray took
from the vendor's own annotation; LUT, register, distributed RAM and DSP48E1 are the switching characteristics of data
sheet DS187. A delay holds from pin to pin; what lies between pins is `wires.py`.
"""

LUT = 0.124
CLOCK_TO_Q = 0.456
REGISTER_SETUP = {"D": 0.05, "CE": 0.20, "R": 0.43, "S": 0.43, "CLR": 0.43, "PRE": 0.43}
MUX = {"MUXF7": {"I0": 0.217, "I1": 0.217, "S": 0.276}, "MUXF8": {"I0": 0.098, "I1": 0.098, "S": 0.273}}
_ = None                      # no path: carry runs upwards
CARRY = {                     # (input, output): delay from input bit (row) to output bit (column)
    ("CI", "CO"): ((0.271, 0.157, 0.228, 0.114),), ("CI", "O"): ((0.222, 0.334, 0.239, 0.313),),
    ("CYINIT", "CO"): ((0.536, 0.494, 0.592, 0.580),), ("CYINIT", "O"): ((0.482, 0.598, 0.584, 0.642),),
    ("S", "CO"): ((0.340, 0.433, 0.512, 0.508), (_, 0.469, 0.548, 0.528), (_, _, 0.292, 0.376), (_, _, _, 0.380)),
    ("S", "O"): ((0.223, 0.400, 0.523, 0.582), (_, 0.205, 0.558, 0.618), (_, _, 0.226, 0.480), (_, _, _, 0.234)),
    ("DI", "CO"): ((0.329, 0.355, 0.456, 0.444), (_, 0.378, 0.455, 0.421), (_, _, 0.329, 0.336), (_, _, _, 0.385)),
    ("DI", "O"): ((_, 0.407, 0.556, 0.537), (_, _, 0.537, 0.518), (_, _, _, 0.438), (_, _, _, _)),
}
BLOCK_RAM = {"read": 2.454, "registered": 0.882}
BLOCK_RAM_SETUP = {"ADDR": 0.566, "WE": 0.532, "EN": 0.443, "REGCE": 0.360, "RST": 0.400, "DI": 0.737}
LUT_RAM = {"clock": 1.15, "address": 0.15}
LUT_RAM_SETUP = {"DI": 0.40, "D": 0.40, "WE": 0.50, "WADDR": 0.47}
SHIFT = {"clock": 1.628, "address": 0.15}
SHIFT_SETUP = 0.30
# address pins of each output of a distributed RAM
READ_ADDRESS = {"DOA": "ADDRA", "DOB": "ADDRB", "DOC": "ADDRC", "DOD": "ADDRD", "DPO": "DPRA", "SPO": "A", "O": "A"}
DSP_REGISTER = {"A": "AREG", "B": "BREG", "C": "CREG", "D": "DREG"}
DSP_TO_P = {"A": 3.841, "B": 3.841, "D": 5.07, "C": 1.52, "PCIN": 1.50}      # no register on the way
DSP_CLOCK_TO_P = {"PREG": 0.434, "MREG": 1.82, "inputs": 4.0}                # from the last register on the way
DSP_TO_MREG = {"A": 1.9, "B": 1.9, "D": 3.2}
DSP_TO_PREG = {"A": 3.6, "B": 3.6, "D": 4.9, "C": 1.3, "PCIN": 1.3}
DSP_SETUP = {"register": 0.30, "CE": 0.35, "RST": 0.40}
# least period inside of a DSP48E1 with input registers and PREG, by what it lacks (1 / FMAX of DS187)
DSP_PERIOD = {"nothing": 1e3 / 464.25, "MREG": 1e3 / 257.47, "ADREG": 1e3 / 290.44, "MREG and ADREG": 1e3 / 190.69}
IGNORED = frozenset(("BUFG", "VCC", "GND", "IBUF", "OBUF"))


def kind(cell):
    """The class of a cell: LUT, CARRY4, MUX, FF, RAM (distributed), SRL, RAMB, DSP, or "" for one without timing."""
    for prefix, name in (("LUT", "LUT"), ("INV", "LUT"), ("CARRY4", "CARRY4"), ("MUXF", "MUX"), ("FD", "FF"),
                         ("LD", "FF"), ("SRL", "SRL"), ("RAMB", "RAMB"), ("RAM", "RAM"), ("DSP48E1", "DSP")):
        if cell.type.startswith(prefix):
            return name
    if cell.type in IGNORED:
        return ""
    raise ValueError(f"cell {cell.name} is of type {cell.type}, whose delays are not known")


def launch(cell, port, index):
    """Delay from the clock to output `port`, or None where no register of the cell drives it."""
    name = kind(cell)
    if name == "FF":
        return CLOCK_TO_Q
    if name == "RAMB":
        side = "DOA_REG" if port in ("DOADO", "DOPADOP") else "DOB_REG"
        return BLOCK_RAM["registered" if cell.parameter(side) else "read"]
    if name == "RAM":
        return LUT_RAM["clock"]
    if name == "SRL":
        return SHIFT["clock"]
    if name == "DSP":
        if cell.parameter("PREG"):
            return DSP_CLOCK_TO_P["PREG"]
        if cell.parameter("MREG"):
            return DSP_CLOCK_TO_P["MREG"]
        if cell.parameter("AREG") or cell.parameter("BREG"):
            return DSP_CLOCK_TO_P["inputs"]
    return None


def arcs(cell, port, index):
    """[(input port, its bit, delay)]: combinational paths to output `port[index]`."""
    name = kind(cell)
    if name == "LUT":
        return [(pin, 0, LUT) for pin in cell.pins if pin not in cell.outputs]
    if name == "MUX":
        return [(pin, 0, delay) for pin, delay in MUX[cell.type].items()]
    if name == "CARRY4":
        return [(pin, bit, row[index]) for pin in ("CI", "CYINIT", "S", "DI")
                for bit, row in enumerate(CARRY[pin, port]) if row[index] is not None]
    if name == "RAM":
        prefix = READ_ADDRESS[port]
        return [(pin, bit, LUT_RAM["address"]) for pin, bits in cell.pins.items()
                if pin.rstrip("0123456789") == prefix for bit in range(len(bits))]
    if name == "SRL":
        return [(pin, bit, SHIFT["address"]) for pin, bits in cell.pins.items()
                if pin.rstrip("0123456789") == "A" for bit in range(len(bits))]
    if name == "DSP" and not cell.parameter("PREG"):
        return [(pin, bit, delay) for pin, delay in DSP_TO_P.items() if not _registered(cell, pin)
                for bit in range(len(cell.pins.get(pin, ())))]
    return []


def setup(cell, port):
    """Setup of an input that ends a path, or None where none ends there."""
    name = kind(cell)
    if name == "FF":
        return REGISTER_SETUP.get(port)
    if name == "RAMB":
        return next((delay for prefix, delay in BLOCK_RAM_SETUP.items() if port.startswith(prefix)), None)
    if name == "RAM":
        pin = port.rstrip("0123456789")
        if pin in ("ADDRD", "A"):                                # the write address
            return LUT_RAM_SETUP["WADDR"]
        return LUT_RAM_SETUP.get("DI" if pin.startswith("DI") else pin)
    if name == "SRL":
        return SHIFT_SETUP if port in ("D", "CE") else None
    if name == "DSP":
        return _dsp_setup(cell, port)
    return None


def _dsp_setup(cell, port):
    if port in DSP_REGISTER and cell.parameter(DSP_REGISTER[port]):
        return DSP_SETUP["register"]
    if port in DSP_TO_MREG and cell.parameter("MREG"):
        return DSP_TO_MREG[port]
    if port in DSP_TO_PREG and cell.parameter("PREG"):
        return DSP_TO_PREG[port]
    return next((DSP_SETUP[prefix] for prefix in ("CE", "RST") if port.startswith(prefix)), None)


def _registered(cell, pin):
    own = DSP_REGISTER.get(pin)
    return bool((own and cell.parameter(own)) or (pin in DSP_TO_MREG and cell.parameter("MREG")))


def inner_period(cell):
    """(least period, what limits it) of the registers inside of a cell, or None."""
    if kind(cell) != "DSP" or not cell.parameter("PREG") or not (cell.parameter("AREG") or cell.parameter("BREG")):
        return None
    adder = cell.parameters.get("USE_DPORT") == "TRUE"
    lacks = [name for name in ("MREG", "ADREG") if not cell.parameter(name) and (name == "MREG" or adder)]
    name = " and ".join(lacks) or "nothing"
    return DSP_PERIOD[name], f"DSP48E1 without {name}" if lacks else "DSP48E1"


def dedicated(driver, output, sink, port):
    """Whether a connection has a wire of its own in a slice or column: carry chain, wide multiplexer, cascade."""
    pair = kind(driver), kind(sink)
    return pair in (("CARRY4", "CARRY4"), ("LUT", "MUX"), ("MUX", "MUX")) or (output, port) == ("PCOUT", "PCIN")
