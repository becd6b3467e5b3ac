"""Reports of the clock as text and as data for JSON."""

KINDS = ("LUT", "CARRY4", "CARRY", "MUX", "RAM", "SRL", "DSP")


def levels(line):
    """`12 LUT + 4 CARRY4`: what lies between the two registers."""
    ordered = sorted(line.levels.items(), key=lambda item: KINDS.index(item[0]) if item[0] in KINDS else len(KINDS))
    return " + ".join(f"{count} {kind}" for kind, count in ordered) or "none"


def ends(line):
    """`unit.register -> unit.register.PIN`."""
    return f"{line.start} -> {line.end}{'.' + line.pin if line.pin else ''}"


def as_text(report, paths=1, units=20):
    """The limit, `paths` worst paths step by step, the worst path out of and into `units` units, paths at ports."""
    lines = [f"{report.ns:.2f} ns, {report.mhz:.1f} MHz"]
    if report.inner:
        lines.append(f"{report.inner[0]:.2f} ns inside of {report.inner[1]}")
    for line in report.ends[:paths]:
        lines += ["", f"{ends(line)}: {line.ns:.2f} ns = {line.cells:.2f} cells + {line.wires:.2f} wires, "
                      f"{levels(line)}"]
        lines += [f"  {time:6.2f}  {cell:<12} {pins:<12} wire {wire:5.2f}  fan-out {fanout:5}  {unit}"
                  for time, cell, pins, wire, fanout, unit in line.steps if wire or pins != "FCI->FCO"]
    for title, found in (("worst path out of each unit", report.starts), ("worst path into each unit", report.ends)):
        lines += ["", f"{title}:", "    ns  cells  wires  levels"]
        lines += [f"{line.ns:6.2f} {line.cells:6.2f} {line.wires:6.2f} {line.depth:7}  {ends(line)}"
                  for line in found[:units]]
        if len(found) > units:
            lines.append(f"and {len(found) - units} more units")
    if report.ports:
        lines += ["", "paths that begin or end at a port, without what lies outside:"]
        lines += [f"{line.ns:6.2f}  {kind}: {ends(line)}" for kind, line in report.ports.items()]
    return "\n".join(lines)


def as_dict(report):
    """Everything in a Report as dictionaries and lists."""
    return {"ns": round(report.ns, 3), "mhz": round(report.mhz, 2),
            "worst": _line(report.worst, steps=True),
            "inside": {"ns": report.inner[0], "cell": report.inner[1]} if report.inner else None,
            "from_unit": [_line(line) for line in report.starts], "into_unit": [_line(line) for line in report.ends],
            "ports": {kind: _line(line) for kind, line in report.ports.items()}}


def _line(line, steps=False):
    found = {"ns": round(line.ns, 3), "cells": round(line.cells, 3), "wires": round(line.wires, 3),
             "from": str(line.start), "to": f"{line.end}{'.' + line.pin if line.pin else ''}",
             "from_unit": getattr(line.start, "unit", None), "to_unit": getattr(line.end, "unit", None),
             "levels": line.levels, "through": list(line.through)}
    if steps:
        names = ("at", "cell", "pins", "wire", "fanout", "unit")
        found["steps"] = [dict(zip(names, step, strict=True)) for step in line.steps]
    return found
