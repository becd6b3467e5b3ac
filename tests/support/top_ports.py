"""The port list of the top module, from the words of docs/architecture.md: what packaging tests build on."""

CHANNELS = {
    "ar": (("addr", "A"), ("len", 8), ("size", 3), ("burst", 2), ("id", 4), ("cache", 4), ("prot", 3)),
    "aw": (("addr", "A"), ("len", 8), ("size", 3), ("burst", 2), ("id", 4), ("cache", 4), ("prot", 3)),
    "w": (("data", "D"), ("strb", "S"), ("last", 1)),
    "r": (("data", "D"), ("resp", 2), ("last", 1), ("id", 4)),
    "b": (("resp", 2), ("id", 4)),
}


def top_ports(config):
    """[(name, "in" or "out", bits)] of the top module `vta` of this configuration."""
    ports = [("aclk", "in", 1), ("aresetn", "in", 1), ("interrupt", "out", 1)]
    lite = {"ar": (("addr", 12), ("prot", 3)), "aw": (("addr", 12), ("prot", 3)),
            "w": (("data", 32), ("strb", 4)), "r": (("data", 32), ("resp", 2)), "b": (("resp", 2),)}
    ports += _interface("s_axi", lite, "in", "out")
    bits = {"A": config.axi_addr_width, "D": config.axi_data_width, "S": config.axi_data_width // 8}
    for n in range(config.axi_ports):
        full = {channel: tuple((name, bits.get(width, width)) for name, width in members)
                for channel, members in CHANNELS.items()}
        ports += _interface(f"m_axi{n or ''}", full, "out", "in")
    return ports


def _interface(prefix, channels, forward, backward):
    for channel, members in channels.items():
        way, back = (backward, forward) if channel in "rb" else (forward, backward)
        yield f"{prefix}_{channel}valid", way, 1
        yield f"{prefix}_{channel}ready", back, 1
        for name, width in members:
            yield f"{prefix}_{channel}{name}", way, width


def top_verilog(config):
    """An empty module with those ports, written as Yosys writes them."""
    ports = top_ports(config)
    lines = [f"module vta({', '.join(name for name, _, _ in ports)});"]
    for name, way, width in ports:
        bits = f"[{width - 1}:0] " if width > 1 else ""
        lines += [f"  {way}put {bits}{name};", f"  wire {bits}{name};"]
    return "\n".join([*lines, "endmodule"]) + "\n"
