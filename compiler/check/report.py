"""What the checker found: faults, and the report that holds them."""

from dataclasses import dataclass

KEEP = 100                       # faults kept of each kind; the rest are only counted


@dataclass(frozen=True)
class Fault:
    """A fault of instruction `insn` (its number in the stream) and perhaps `other`, or with the
    stream as a whole (None)."""

    kind: str
    insn: int | None
    message: str
    other: int | None = None

    def __str__(self):
        where = "" if self.insn is None else f"instruction {self.insn}: "
        return f"{self.kind}: {where}{self.message}"


class CheckError(ValueError):
    """A stream with faults; the message is the first one, `report` has them all."""

    def __init__(self, report):
        more = report.count - 1
        super().__init__(f"{report.faults[0]}" + (f" (and {more} more)" if more > 0 else ""))
        self.report = report


@dataclass(frozen=True)
class Report:
    """`faults` in the order found (at most KEEP of a kind; `count` is all of them). `tokens_left` in the four
    queues at the end. `uops_known` is False where a micro-op's contents were not available: what those GEMM
    and ALU instructions touch is then not checked."""

    insns: int
    faults: tuple
    count: int
    tokens_left: dict
    uops_known: bool

    @property
    def ok(self):
        return not self.faults

    def require(self):
        """Raise CheckError if there is any fault; else return this report."""
        if self.faults:
            raise CheckError(self)
        return self

    def __str__(self):
        lines = [str(fault) for fault in self.faults]
        if self.count > len(lines):
            lines.append(f"... and {self.count - len(lines)} more")
        known = "" if self.uops_known else "; micro-ops unknown: what GEMM and ALU touch was not checked"
        verdict = f"{self.count} fault{'s' * (self.count != 1)}" if self.count else "no faults"
        return "\n".join([*lines, f"{self.insns} instructions, {verdict}{known}"])
