"""Proofs about the RTL hold, and each finds the bugs planted for it; the documentation lists them."""

import pytest
from repository import DOCS

from vta.hw.rtl import tokens
from vta.sim.formal.catalogue import PROOFS
from vta.sim.formal.mutant import mutant

CASES = [pytest.param(proof, marks=[] if proof.quick else [pytest.mark.slow], id=proof.name) for proof in PROOFS]


@pytest.mark.parametrize("proof", CASES)
def test_holds(proof):
    verdict = proof.run()
    assert verdict.holds, verdict.broken


@pytest.mark.parametrize("proof", CASES)
def test_planted_bugs_are_found(proof):
    assert proof.bugs
    for bug in proof.bugs:
        verdict = proof.run_with(bug)
        assert not verdict.holds, bug.name
        assert ".py:" in verdict.broken and " in cycle " in verdict.broken


def test_a_bug_that_cannot_be_planted():
    with pytest.raises(ValueError, match="'nowhere' 0 times"):
        mutant(tokens, "nowhere", "")


def test_the_documentation_lists_all():
    text = (DOCS / "proofs.md").read_text()
    rows = {line.split("|")[1].strip().strip("`"): line for line in text.splitlines() if line.startswith("| `")}
    assert set(rows) == {proof.name for proof in PROOFS}
    for proof in PROOFS:
        assert proof.reach in rows[proof.name] and ("`make test`" in rows[proof.name]) == proof.quick
        unit = proof.module.__name__.removeprefix("vta.").replace(".", "/")
        assert proof.states in rows[proof.name] and all(f"| {unit} | {bug.name} |" in text for bug in proof.bugs)
