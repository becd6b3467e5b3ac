"""Pass tokens: which unit waits for which."""

from small_schedules import DEFAULT, convolution, nodes

from vta.compiler.passes import alu, dma, inplace, lift, tokens
from vta.compiler.te.ir import Token
from vta.compiler.te.nests import lower_loops


def test_tokens_balance_and_carry():
    s, args, _ = convolution()
    flow = {}
    for token in nodes(tokens.run(lift.run(alu.run(dma.run(inplace.run(lower_loops(s, args)), DEFAULT), DEFAULT),
                                           DEFAULT)), Token):
        key = (token.source, token.target)
        flow.setdefault(key, []).append("push" if token.push else "pop")
    assert flow == {("store", "compute"): ["push", "pop", "push", "pop"],
                    ("compute", "load"): ["push", "pop", "push", "pop"],
                    ("load", "compute"): ["push", "pop"], ("compute", "store"): ["push", "pop"]}
