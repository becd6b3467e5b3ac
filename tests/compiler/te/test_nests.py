"""Pass nests: every stage becomes loops around one store."""

from small_schedules import convolution, nodes, refuse, vector_add

from vta.compiler.te.ir import Store
from vta.compiler.te.nests import lower_loops


def test_nests_reduction_starts_from_zero():
    s, args, _n = convolution(tensorize=False)
    stores = [store for store in nodes(lower_loops(s, args), Store) if store.stage == "conv"]
    assert [store.value.word for store in stores] == ["const", "add"]


def test_nests_result_must_be_an_argument():
    s, args, _ = vector_add()
    refuse(s, args[:2], "the result C must be an argument")


def test_stage_left_in_dram():
    s, args, n = vector_add()
    s[n.B_buf].set_scope("global")
    refuse(s, args, "stage B_buf lives in DRAM but is no argument")


def test_unknown_scope():
    s, args, n = vector_add()
    s[n.B_buf].set_scope("shared")
    refuse(s, args, "stage B_buf: scope 'shared' must be one of")
