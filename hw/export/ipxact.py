"""IP-XACT (IEEE 1685-2009): `component.xml` of the packaged accelerator, and its memory map.

Ports are read from the Verilog text, so the two cannot disagree; bus interfaces are found by Arm's signal names. What
Vivado adds to the standard (display name, families) is in its own name space.
"""

import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass

from vta.hw.boards import NAME, VERSION, VLNV
from vta.hw.registers import ADDRESS_BITS, identity, register_map

SPIRIT = "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"
XILINX = "http://www.xilinx.com"
FAMILIES = ("zynq", "zynquplus")
AXI_SIGNALS = frozenset(
    f"{channel}{signal}" for channel, signals in {
        "aw": "id addr len size burst lock cache prot qos region valid ready",
        "ar": "id addr len size burst lock cache prot qos region valid ready",
        "w": "data strb last valid ready", "r": "id data resp last valid ready",
        "b": "id resp valid ready"}.items() for signal in signals.split())
ACCESS = {"rw": "read-write", "rwh": "read-write", "w1c": "read-write", "ro": "read-only", "wo": "write-only"}


class PortError(ValueError):
    """Verilog whose top module lacks a port that the package needs."""


@dataclass(frozen=True)
class Port:
    name: str
    direction: str           # "in" or "out"
    width: int


def verilog_ports(text, top=NAME):
    """The ports of module `top` in Verilog `text`, in order; PortError where there is no such module."""
    module = re.search(rf"^module \\?{top}\s*\((.*?)^endmodule", text, re.S | re.M)
    if module is None:
        raise PortError(f"the Verilog has no module {top!r}")
    found = re.findall(r"^\s*(input|output)\s+(?:wire\s+|reg\s+)?(?:\[(\d+):0\]\s*)?(\w+)\s*;",
                       module.group(1), re.M)
    return [Port(name, "in" if kind == "input" else "out", int(high or 0) + 1) for kind, high, name in found]


def axi_interfaces(ports):
    """{prefix: {signal: Port}} of the AXI interfaces among `ports`, e.g. {"m_axi": {"araddr": ...}}."""
    interfaces = {}
    for port in ports:
        prefix, _, signal = port.name.rpartition("_")
        if prefix and signal in AXI_SIGNALS:
            interfaces.setdefault(prefix, {})[signal] = port
    return interfaces


def memory_map_xml(config):
    """The memory map alone, as an XML document: every register and field of `config`."""
    return _text(_memory_map(config))


def component_xml(config, verilog, verilog_file="vta.v"):
    """Text of component.xml for the accelerator `config` whose generated top is `verilog`."""
    ports = verilog_ports(verilog)
    axi = axi_interfaces(ports)
    for name in ("aclk", "aresetn", "interrupt"):
        if name not in {port.name for port in ports}:
            raise PortError(f"the Verilog's top has no port {name!r}")
    for name in ("s_axi", "m_axi"):
        if name not in axi:
            raise PortError(f"the Verilog's top has no AXI interface {name!r}")
    masters = [name for name in axi if name.startswith("m_")]
    root = _element("component")
    for tag, value in zip(("vendor", "library", "name", "version"), VLNV.split(":"), strict=True):
        _element(tag, root, value)
    buses = _element("busInterfaces", root)
    _slave(buses, axi["s_axi"])
    for name in masters:
        _master(buses, name, axi[name], config)
    _wire(buses, "interrupt", "interrupt", "master", "INTERRUPT", {"SENSITIVITY": "LEVEL_HIGH"})
    _wire(buses, "aresetn", "reset", "slave", "RST", {"POLARITY": "ACTIVE_LOW"})
    _wire(buses, "aclk", "clock", "slave", "CLK",
          {"ASSOCIATED_BUSIF": ":".join(["s_axi", *masters]), "ASSOCIATED_RESET": "aresetn"})
    spaces = _element("addressSpaces", root)
    for name in masters:
        space = _element("addressSpace", spaces)
        _element("name", space, name)
        _element("range", space, 1 << config.axi_addr_width)
        _element("width", space, config.axi_data_width)
    _element("memoryMaps", root).append(_memory_map(config))
    _model(root, ports)
    _file_sets(root, verilog_file)
    _element("description", root, "Versatile Tensor Accelerator: an instruction-driven int8 matrix unit")
    _parameters(root, {"Component_Name": f"{NAME}_v{VERSION.replace('.', '_')}"}, "PARAM_VALUE")
    _xilinx_extensions(root, config)
    return _text(root)


def _element(tag, parent=None, text=None, **attributes):
    """A SPIRIT element; its attributes are in the same name space."""
    name = f"{{{SPIRIT}}}{tag}"
    attributes = {f"{{{SPIRIT}}}{key}": str(value) for key, value in attributes.items()}
    node = ET.Element(name, attributes) if parent is None else ET.SubElement(parent, name, attributes)
    if text is not None:
        node.text = str(text)
    return node


def _text(root):
    ET.register_namespace("spirit", SPIRIT)
    ET.register_namespace("xilinx", XILINX)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _parameters(parent, values, prefix):
    parameters = _element("parameters", parent)
    for name, value in values.items():
        parameter = _element("parameter", parameters)
        _element("name", parameter, name)
        _element("value", parameter, value, id=f"{prefix}.{name}")


def _bus(buses, name, library, kind, mode, reference=None):
    """A bus interface up to its mode; the caller adds port map and parameters."""
    bus = _element("busInterface", buses)
    _element("name", bus, name)
    for tag, suffix in (("busType", ""), ("abstractionType", "_rtl")):
        _element(tag, bus, vendor="xilinx.com", library=library, name=kind + suffix, version="1.0")
    mode_node = _element(mode, bus)
    if reference:
        _element(reference, mode_node, **{reference: name})
    return bus


def _port_map(bus, pairs):
    maps = _element("portMaps", bus)
    for logical, physical in pairs:
        entry = _element("portMap", maps)
        _element("name", _element("logicalPort", entry), logical)
        _element("name", _element("physicalPort", entry), physical)


def _slave(buses, signals):
    bus = _bus(buses, "s_axi", "interface", "aximm", "slave", "memoryMapRef")
    _port_map(bus, [(signal.upper(), port.name) for signal, port in signals.items()])
    _parameters(bus, {"DATA_WIDTH": 32, "PROTOCOL": "AXI4LITE", "ADDR_WIDTH": signals["araddr"].width,
                      "HAS_BURST": 0, "READ_WRITE_MODE": "READ_WRITE"}, "BUSIFPARAM_VALUE.S_AXI")


def _master(buses, name, signals, config):
    bus = _bus(buses, name, "interface", "aximm", "master", "addressSpaceRef")
    _port_map(bus, [(signal.upper(), port.name) for signal, port in signals.items()])
    mode = {(True, True): "READ_WRITE", (True, False): "READ_ONLY",
            (False, True): "WRITE_ONLY"}["arvalid" in signals, "awvalid" in signals]
    address = signals.get("araddr") or signals["awaddr"]
    identifier = signals.get("arid") or signals["awid"]
    _parameters(bus, {
        "DATA_WIDTH": config.axi_data_width, "PROTOCOL": "AXI4", "ADDR_WIDTH": address.width,
        "ID_WIDTH": identifier.width, "READ_WRITE_MODE": mode, "HAS_BURST": 1, "HAS_LOCK": 0, "HAS_PROT": 1,
        "HAS_CACHE": 1, "HAS_QOS": 0, "HAS_REGION": 0, "SUPPORTS_NARROW_BURST": 0,
        "MAX_BURST_LENGTH": config.max_burst, "NUM_READ_OUTSTANDING": config.read_outstanding,
        "NUM_WRITE_OUTSTANDING": config.write_outstanding}, f"BUSIFPARAM_VALUE.{name.upper()}")


def _wire(buses, name, kind, mode, logical, values):
    """A one-wire interface: clock, reset, interrupt."""
    bus = _bus(buses, name, "signal", kind, mode)
    _port_map(bus, [(logical, name)])
    _parameters(bus, values, f"BUSIFPARAM_VALUE.{name.upper()}")


def _memory_map(config):
    values = identity(config)
    memory_map = _element("memoryMap")
    _element("name", memory_map, "s_axi")
    block = _element("addressBlock", memory_map)
    for tag, value in (("name", "registers"), ("baseAddress", 0), ("range", 1 << ADDRESS_BITS), ("width", 32),
                       ("usage", "register")):
        _element(tag, block, value)
    for reg in register_map(config):
        node = _element("register", block)
        constant = reg.name in values or reg.access in ("rw", "wo")
        hardware = "false" if constant else "true"
        for tag, value in (("name", reg.name), ("description", reg.doc),
                           ("addressOffset", f"0x{reg.offset:X}"), ("size", 32), ("volatile", hardware),
                           ("access", ACCESS[reg.access])):
            _element(tag, node, value)
        reset = _element("reset", node)
        _element("value", reset, f"0x{values.get(reg.name, 0):X}")
        _element("mask", reset, "0xFFFFFFFF")
        for f in reg.fields:
            field = _element("field", node)
            for tag, value in (("name", f.name), ("description", f.doc), ("bitOffset", f.low),
                               ("bitWidth", f.width), ("volatile", hardware), ("access", ACCESS[reg.access])):
                _element(tag, field, value)
            if reg.access == "w1c":
                _element("modifiedWriteValue", field, "oneToClear")
    _element("addressUnitBits", memory_map, 8)
    return memory_map


def _model(root, ports):
    model = _element("model", root)
    views = _element("views", model)
    for view_name, purpose in (("synthesis", "synthesis"), ("behavioralsimulation", "simulation")):
        view = _element("view", views)
        _element("name", view, f"xilinx_anylanguage{view_name}")
        _element("displayName", view, purpose.capitalize())
        _element("envIdentifier", view, f":vivado.xilinx.com:{purpose}")
        _element("language", view, "Verilog")
        _element("modelName", view, NAME)
        _element("localName", _element("fileSetRef", view), f"{purpose}_files")
    nodes = _element("ports", model)
    for port in ports:
        node = _element("port", nodes)
        _element("name", node, port.name)
        wire = _element("wire", node)
        _element("direction", wire, port.direction)
        if port.width > 1:
            vector = _element("vector", wire)
            _element("left", vector, port.width - 1)
            _element("right", vector, 0)


def _file_sets(root, verilog_file):
    filesets = _element("fileSets", root)
    for name in ("synthesis_files", "simulation_files"):
        fileset = _element("fileSet", filesets)
        _element("name", fileset, name)
        file = _element("file", fileset)
        _element("name", file, verilog_file)
        _element("fileType", file, "verilogSource")


def _xilinx_extensions(root, config):
    core = ET.SubElement(_element("vendorExtensions", root), f"{{{XILINX}}}coreExtensions")

    def add(tag, text, parent=core, **attributes):
        node = ET.SubElement(parent, f"{{{XILINX}}}{tag}",
                             {f"{{{XILINX}}}{key}": value for key, value in attributes.items()})
        node.text = text
        return node

    families = add("supportedFamilies", None)
    for family in FAMILIES:
        add("family", family, families, lifeCycle="Production")
    add("taxonomy", "/Machine_Learning", add("taxonomies", None))
    add("displayName", f"VTA ({config.name}, {config.hash:08x})")
    add("definitionSource", "package_project")
    add("coreRevision", "1")
