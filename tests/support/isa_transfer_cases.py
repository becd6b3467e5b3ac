"""Corner cases of LOAD and STORE: see isa_case.py."""

from isa_case import byte, cases

from vta.hw.isa import AluOp, MemType

ACC, INP, WGT = MemType.ACC, MemType.INP, MemType.WGT
TRANSFERS, case = cases()


@case
def store_shows_loaded_accumulator(p):
    """Decision D1: LOAD ACC is seen by a STORE."""
    p.uops((0, 0))
    p.fill(ACC, [5])
    p.alu(AluOp.ADD, 0)
    p.fill(ACC, [9])
    return [(p.store(1), [9])]


@case
def eight_bit_load_extends_the_sign(p):
    p.uops((0, 0))
    p.fill(MemType.ACC_8BIT, [-5, 127, -128])
    p.alu(AluOp.SHR, 1, loop=(1, 3), dst=(0, 1), src=(0, 1))
    return [(p.store(3), [-3, 63, -64])]


@case
def load_pads_on_all_sides(p):
    p.fill(ACC, [7] * 12)
    p.fill(ACC, [1, 2, 3, 4], x=2, y=2, pads=(1, 0, 1, 1))
    return [(p.store(12), [0, 0, 0, 0, 0, 1, 2, 0, 0, 3, 4, 0])]


@case
def rows_have_a_stride(p):
    p.fill(ACC, [1, 2, 9, 3, 4, 9], x=2, y=2, stride=3)
    return [(p.store(4), [1, 2, 3, 4]), (p.store(2, y=2, stride=3), [1, 2, 0x55, 3, 4])]


@case
def rows_may_overlap(p):
    p.fill(ACC, [1, 2, 3], x=2, y=2, stride=1)
    return [(p.store(4), [1, 2, 2, 3])]


@case
def load_without_columns_does_nothing(p):
    """x_size 0: not even padding (D9)."""
    p.fill(ACC, [7, 7, 7, 7])
    p.fill(ACC, [], x=0, y=1, pads=(0, 0, 1, 1))
    return [(p.store(4), [7, 7, 7, 7])]


@case
def load_without_rows_pads_only(p):
    """y_size 0: the padding rows are written (D8)."""
    p.fill(ACC, [7, 7, 7, 7])
    p.fill(ACC, [1, 2], x=2, y=0, pads=(1, 0, 0, 0))
    return [(p.store(4), [0, 0, 7, 7])]


@case
def empty_transfer_is_nowhere(p):
    """Without a tile to move, an index beyond the memory is legal."""
    p.fill(ACC, [7])
    p.fill(ACC, [1], sram=65535, x=1, y=0)
    return [(p.store(1), [7]), (p.store(1, sram=65535, y=0, room=1), [0x55])]


@case
def empty_load_changes_no_operand(p):
    """A LOAD ACC without tiles between two steps with one src."""
    p.uops((1, 0), (2, 0))
    p.fill(ACC, [10, 1, 2])
    p.alu(AluOp.ADD)
    p.fill(ACC, [1], sram=3, x=1, y=0)
    p.alu(AluOp.ADD, uop=(1, 2))
    return [(p.store(3), [10, 11, 12])]


@case
def weights_can_be_padded(p):
    """Decision D9."""
    p.uops((0, 0, 0))
    p.fill(INP, [1])
    p.fill(WGT, [1, 1])
    p.fill(WGT, [2], pads=(0, 0, 1, 0))
    p.gemm(reset=1, loop=(1, 2), dst=(0, 1))
    p.gemm(loop=(1, 2), dst=(0, 1), wgt=(0, 1))
    return [(p.store(2), [0, byte(2 * p.config.block)])]


@case
def micro_ops_at_any_alignment(p):
    """Odd and even positions in DRAM and scratchpad, and a load of an odd number of them."""
    p.fill(ACC, [1, 2, 3, 4, 5])
    p.uops((0, 0), (1, 1), (2, 2), sram=1)
    first = p.uops((4, 4), (3, 3), (4, 4), sram=4)
    first["dram_base"] += 1
    first["x_size"] = first["x_stride"] = 2
    p.alu(AluOp.ADD, 10, uop=(1, 6))
    return [(p.store(5), [11, 12, 13, 14, 15])]
