"""component.xml: well formed, elements in the standard's order, all ports and registers present."""

import dataclasses
import xml.etree.ElementTree as ET

import pytest
from top_ports import top_ports, top_verilog

from vta.hw.config import PRESETS
from vta.hw.export import ipxact
from vta.hw.registers import identity, register_map

NS = {"s": ipxact.SPIRIT}
# IEEE 1685-2009: the elements used, in the order that the schema requires inside their parent
ORDER = {
    "component": "vendor library name version busInterfaces addressSpaces memoryMaps model fileSets "
                 "description parameters vendorExtensions",
    "busInterface": "name busType abstractionType master slave portMaps parameters",
    "addressSpace": "name range width",
    "memoryMap": "name addressBlock addressUnitBits",
    "addressBlock": "name baseAddress range width usage register",
    "register": "name description addressOffset size volatile access reset field",
    "reset": "value mask",
    "field": "name description bitOffset bitWidth volatile access modifiedWriteValue",
    "model": "views ports",
    "view": "name displayName envIdentifier language modelName fileSetRef",
    "port": "name wire", "wire": "direction vector", "vector": "left right",
    "portMap": "logicalPort physicalPort", "parameter": "name value", "fileSet": "name file",
    "file": "name fileType",
}
CONFIGS = [PRESETS["default"], PRESETS["wide"], dataclasses.replace(PRESETS["tiny"], axi_addr_width=64)]


def name_of(node):
    return node.findtext("s:name", namespaces=NS)


def parse(config):
    return ET.fromstring(ipxact.component_xml(config, top_verilog(config)))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.name)
def test_element_order(config):
    checked = 0
    for node in parse(config).iter():
        tag = node.tag.rpartition("}")[2]
        if node.tag.startswith(f"{{{ipxact.SPIRIT}}}") and tag in ORDER:
            order = ORDER[tag].split()
            places = [order.index(child.tag.rpartition("}")[2]) for child in node]
            assert places == sorted(places), f"{tag}: {[c.tag for c in node]}"
            checked += 1
    assert checked > 200


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.name)
def test_ports_and_maps(config):
    root = parse(config)
    ports = {name_of(p): (p.findtext("s:wire/s:direction", namespaces=NS),
                                                   int(p.findtext("s:wire/s:vector/s:left", "0", NS)) + 1)
             for p in root.iterfind("s:model/s:ports/s:port", NS)}
    assert ports == {name: (way, width) for name, way, width in top_ports(config)}
    mapped = [node.text for node in root.iterfind(".//s:physicalPort/s:name", NS)]
    assert sorted(mapped) == sorted(ports), "every port belongs to exactly one bus interface"
    buses = {name_of(b): b for b in root.iterfind("s:busInterfaces/s:busInterface", NS)}
    masters = [f"m_axi{n or ''}" for n in range(config.axi_ports)]
    assert set(buses) == {"s_axi", "aclk", "aresetn", "interrupt", *masters}
    associated = {name_of(p): p.findtext("s:value", namespaces=NS)
                  for p in buses["aclk"].iterfind("s:parameters/s:parameter", NS)}
    assert associated == {"ASSOCIATED_BUSIF": ":".join(["s_axi", *masters]), "ASSOCIATED_RESET": "aresetn"}
    maps = {name_of(m) for m in root.iterfind("s:memoryMaps/s:memoryMap", NS)}
    references = root.findall(".//s:memoryMapRef", NS)
    assert {r.get(f"{{{ipxact.SPIRIT}}}memoryMapRef") for r in references} == maps == {"s_axi"}
    spaces = [name_of(m) for m in root.iterfind("s:addressSpaces/s:addressSpace", NS)]
    references = root.findall(".//s:addressSpaceRef", NS)
    assert [r.get(f"{{{ipxact.SPIRIT}}}addressSpaceRef") for r in references] == spaces == masters
    filesets = {name_of(f) for f in root.iterfind("s:fileSets/s:fileSet", NS)}
    assert {n.text for n in root.iterfind(".//s:fileSetRef/s:localName", NS)} == filesets


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: c.name)
def test_registers(config):
    root = ET.fromstring(ipxact.memory_map_xml(config))
    found = {}
    for reg in root.iterfind(".//s:register", NS):
        fields = [(name_of(f), int(f.findtext("s:bitOffset", namespaces=NS)),
                   int(f.findtext("s:bitWidth", namespaces=NS))) for f in reg.iterfind("s:field", NS)]
        found[name_of(reg)] = (
            int(reg.findtext("s:addressOffset", namespaces=NS), 16), fields,
            int(reg.findtext("s:reset/s:value", namespaces=NS), 16))
    assert found == {reg.name: (reg.offset, [(f.name, f.low, f.width) for f in reg.fields],
                                identity(config).get(reg.name, 0)) for reg in register_map(config)}


def test_read_only_master():
    config = PRESETS["default"]
    text = "\n".join(line for line in top_verilog(config).splitlines()
                     if line.startswith("module") or not any(f" m_axi_{c}" in line for c in ("aw", "w", "b")))
    root = ET.fromstring(ipxact.component_xml(config, text))
    values = {v.get(f"{{{ipxact.SPIRIT}}}id"): v.text for v in root.iterfind(".//s:value", NS)}
    assert values["BUSIFPARAM_VALUE.M_AXI.READ_WRITE_MODE"] == "READ_ONLY"
    assert values["BUSIFPARAM_VALUE.S_AXI.READ_WRITE_MODE"] == "READ_WRITE"


@pytest.mark.parametrize("line, message", [("  input aclk;", "no port 'aclk'"),
                                           ("  output interrupt;", "no port 'interrupt'")])
def test_missing_port(line, message):
    config = PRESETS["default"]
    text = top_verilog(config)
    assert line in text
    with pytest.raises(ipxact.PortError, match=message):
        ipxact.component_xml(config, text.replace(line, ""))


def test_missing_module():
    with pytest.raises(ipxact.PortError, match="no module 'vta'"):
        ipxact.component_xml(PRESETS["default"], "module other(a);\n  input a;\nendmodule\n")
