"""Golden model of the decoders: what LOADs and STOREs look like once decoded, from their fields."""

from vta.hw.isa import AluOp, MemType, Opcode, pad_value
from vta.hw.rtl.alu import SELECT, SELECTED
from vta.hw.rtl.burst_generator import ROW_BITS


def transfer(config, names, fields, pointer=0):
    """The fields of `transfer_layout` for an instruction of one of the memory types `names`."""
    select = names.index(MemType(fields["mem_type"]).name)
    tile, x, y, stride = config.tile_bytes[names[select]], fields["x_size"], fields["y_size"], fields["x_stride"]
    first, bus = pointer + fields["dram_base"] * tile, config.bus_bytes
    merged = stride == x
    return {"select": select, "work": int(x != 0 and y != 0), "merged": int(merged),
            "sram_base": fields["sram_base"], "x_size": x, "y_size": y,
            "region": {"first": first, "last": first + (x * y if merged else x) * tile - 1 if x and y else None,
                       "stride": stride * tile % (1 << ROW_BITS), "rows": 1 if merged else y},
            "beat_offset": first % bus, "stride": stride * tile % bus}


def pads(fields):
    """The fields of PADS for a LOAD."""
    top, bottom, left, right = (fields.get(name, 0) for name in ("y_pad_0", "y_pad_1", "x_pad_0", "x_pad_1"))
    width, rows = left + fields["x_size"] + right, fields["y_size"] != 0
    return {"base": fields["sram_base"] + left, "top": top * width, "bottom": bottom * width,
            "left": left, "right": right, "between": left + right, "skip": left + right + 1,
            "any": int(fields["x_size"] != 0 and (top + bottom > 0 or (left + right > 0 and rows))),
            "some_rows": int(rows)}


def pad_byte(config, fields):
    """{"pad_byte": what is in the padding of a LOAD}, if the configuration has that feature."""
    pads = fields["mem_type"] == MemType.INP_PAD
    return {"pad_byte": pad_value(fields) & 255 if pads else 0} if "pad_value" in config.features else {}


def load(config, names, fields, number=0, pointer=0):
    """The fields of `load_layout`: what a Loader gets for a LOAD."""
    decoded = transfer(config, names, fields, pointer)
    decoded["region"]["last"] = decoded["region"]["last"] or 0
    return {"transfer": decoded, "pads": pads(fields), **pad_byte(config, fields),
            "push": fields.get("push_next", 0), "number": number}


def descriptor(config, names, fields, number=0):
    """The fields of `descriptor_layout`: what a tile writer gets for a LOAD."""
    about, around = transfer(config, names, fields), pads(fields)
    depth, base = config.depth[names[about["select"]]], around["base"] + around["top"]
    first = around["top"] + (around["left"] if around["some_rows"] else around["bottom"])
    last = around["bottom"] + around["right"]
    return {
        **{name: about[name] for name in ("sram_base", "x_size", "y_size", "stride", "beat_offset", "merged")},
        "select": about["select"] % 2,
        **({"diagonal": int(names[about["select"]] == "WGT_DIAG")} if "diagonal" in config.features else {}),
        "data": about["work"], "pads": around["any"], "base": base, "base_beyond": int(base >= depth),
        "sram_beyond": int(about["sram_base"] >= depth),
        "one_column": int(about["x_size"] == 1), "one_row": int(about["y_size"] == 1),
        "no_rows": int(not around["some_rows"]),
        "first_run": first, "first_some": int(first != 0), "first_one": int(first == 1),
        "last_run": last, "last_some": int(last != 0), "last_one": int(last == 1),
        "between": around["between"], "skip": around["skip"], **pad_byte(config, fields),
        "push": fields.get("push_next", 0), "number": number}


def nest(fields, opcode):
    """The fields of `nest_layout` for a GEMM or ALU instruction."""
    uops = fields["uop_end"] - fields["uop_bgn"]
    return {**{name: value for name, value in fields.items() if "factor" in name or name in (
                "uop_bgn", "uop_end", "iter_out", "iter_in")},
            "uops": uops, "one_uop": int(uops == 1), "one_in": int(fields["iter_in"] == 1),
            "one_out": int(fields["iter_out"] == 1)}


def shared(config, fields, opcode):
    """The fields of `shared_layout` for a GEMM, WINDOW or ALU instruction; None: of no meaning."""
    alu, operation = opcode == Opcode.ALU, AluOp(fields["alu_opcode"]) if opcode == Opcode.ALU else AluOp.ADD
    par, req = operation is AluOp.PAR, operation is AluOp.REQ
    requantises, from_zero = bool(not alu and fields.get("requantise")), bool(not alu and fields.get("reset"))
    reset = from_zero and opcode == Opcode.GEMM and not requantises
    use_imm = bool(alu and (req or (fields.get("use_imm") and not par)))
    about = {"select": dict.fromkeys(SELECT.members, 0) | dict.fromkeys(SELECTED.get(operation, ("add",)), 1),
             "is_alu": int(alu), "is_gemm": int(not alu and not reset), "reset": int(reset), "use_imm": int(use_imm),
             "has_src": int(alu and not use_imm and not par),
             "waits": int(alu and operation in (AluOp.SHR, AluOp.MUL, AluOp.REQ)),
             "long": int(alu and takes_several_ops(fields)),
             "imm": fields.get("imm", 0) if alu else 0}
    if "window" in config.features:
        about["is_window"] = int(opcode == Opcode.WINDOW)
    if config.features & {"window", "requantise"}:
        wide = req and fields["imm"] & 1
        one_loop = fields["uop_end"] - fields["uop_bgn"] == fields["iter_out"] == 1
        about["requant"] = {
            "par": int(par), "req": int(req), "wide": int(wide) if req else None, "requantises": int(requantises),
            "each": int(opcode == Opcode.WINDOW), "fresh": int(from_zero and not reset),
            # an odd distance reaches each of at least 32 tiles before the first one again
            "quick": int(config.depth["ACC"] >= 32 and not config.alu_imm_reads_src and one_loop
                         and fields.get("dst_factor_in", 0) % 2) if req else None}
    return about


def takes_several_ops(fields):
    """Whether a step takes several ops even without a clash: MUL, PAR, and a wide REQ."""
    operation = fields.get("alu_opcode")
    return operation in (AluOp.MUL, AluOp.PAR) or (operation == AluOp.REQ and bool(fields["imm"] & 1))


def queued_nest(config, fields, opcode, loads):
    """The fields of `queued_nest_layout`."""
    about = shared(config, fields, opcode)
    reads_src = not about["reset"] and (not about["use_imm"] or config.alu_imm_reads_src)
    return {"nest": nest(fields, opcode), "loads": loads, "reads_src": int(reads_src),
            "keeps_dst": int(fields.get("alu_opcode") == AluOp.PAR),
            **{name: about[name] for name in ("is_alu", "has_src", "waits", "use_imm", "long")}}
