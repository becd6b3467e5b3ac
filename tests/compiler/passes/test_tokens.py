"""Pass tokens: which unit waits for which."""

from small_schedules import convolution, lowered, nodes

from vta.compiler.te.ir import Token
from vta.hw.isa import Unit


def test_tokens_balance_and_carry():
    s, args, _ = convolution()
    flow = {}
    for token in nodes(lowered(s, args, "tokens"), Token):
        key = (token.source, token.target)
        flow.setdefault(key, []).append("push" if token.push else "pop")
    assert flow == {(Unit.STORE, Unit.COMPUTE): ["push", "pop", "push", "pop"],
                    (Unit.COMPUTE, Unit.LOAD): ["push", "pop", "push", "pop"],
                    (Unit.LOAD, Unit.COMPUTE): ["push", "pop"], (Unit.COMPUTE, Unit.STORE): ["push", "pop"]}
