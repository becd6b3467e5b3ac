"""Corner cases of GEMM and ALU: see isa_case.py."""

from isa_case import byte, cases

from vta.hw.isa import AluOp, MemType

ACC, INP, WGT = MemType.ACC, MemType.INP, MemType.WGT
X = 0x12345
COMPUTE, case = cases()


# the table of shift amounts: amount -> results of 0x12345, -0x12345, 3, -3
SHIFTS = {0: (69, -69, 3, -3), 1: (-94, 93, 1, -2), 4: (52, -53, 0, -1), 15: (2, -3, 0, -1),
          16: (1, -2, 0, -1), 17: (0, -1, 0, -1), 20: (0, -1, 0, -1), 31: (0, -1, 0, -1),
          -1: (-118, 118, 6, -6), -2: (20, -20, 12, -12), -15: (0, 0, 0, 0), -16: (0, 0, 0, 0),
          -17: (0, 0, 0, 0), -31: (0, 0, 0, 0), 32: (69, -69, 3, -3), 33: (-94, 93, 1, -2),
          -32: (69, -69, 3, -3), -33: (-118, 118, 6, -6)}


def _shift(amount):
    def shift_immediate(p):
        p.uops((0, 0))
        p.fill(ACC, [X, -X, 3, -3])
        p.alu(AluOp.SHR, amount, loop=(1, 4), dst=(0, 1), src=(0, 1))
        return [(p.store(4), SHIFTS[amount])]
    return shift_immediate


for _amount in SHIFTS:
    COMPUTE[f"shift_by_{_amount}"] = _shift(_amount)


@case
def shift_by_register(p):
    """The sign of the whole src lane decides the direction, its low five bits the amount (D4)."""
    amounts = [0, 1, 15, 16, 31, -1, -16, -31, 32, -(1 << 31)]
    p.uops((0, 10))
    p.fill(ACC, [X] * 10 + amounts)
    p.alu(AluOp.SHR, loop=(2, 5), dst=(5, 1), src=(5, 1))
    return [(p.store(10), [69, -94, 2, 1, 0, -118, 0, 0, 69, 69])]


@case
def all_operations(p):
    """MIN, MAX, ADD, MUL of tensors and immediates; comparisons are signed, the rest is modulo 2^32."""
    values = [(5, 7), (-5, 7), (100, -100), (-2, -3)]
    p.uops((0, 4), (4, 4))
    results = []
    for operation, function in ((AluOp.MIN, min), (AluOp.MAX, max), (AluOp.ADD, lambda x, y: x + y),
                                (AluOp.MUL, lambda x, y: x * y)):
        p.fill(ACC, [x for x, _ in values] + [y for _, y in values])
        p.alu(operation, loop=(1, 4), dst=(0, 1), src=(0, 1))
        results.append((p.store(4), [byte(function(x, y)) for x, y in values]))
        p.alu(operation, -3, uop=(1, 2), loop=(4, 1), dst=(1, 0), src=(1, 0))
        results.append((p.store(4, sram=4), [byte(function(y, -3)) for _, y in values]))
    return results


@case
def addition_wraps(p):
    """0x7FFFFFFF + 1 is negative; low bytes are stored without saturation."""
    p.uops((0, 0))
    p.fill(ACC, [0x7FFFFFFF, 300])
    p.alu(AluOp.ADD, 1, loop=(1, 2), dst=(0, 1), src=(0, 1))
    stored = p.store(2)
    p.alu(AluOp.SHR, 25)
    return [(stored, [0, 45]), (p.store(1), [-64])]


@case
def product_keeps_low_word(p):
    p.uops((0, 1), (0, 0))
    p.fill(ACC, [0x10001, 0x10001])
    p.alu(AluOp.MUL)                                     # 0x100020001 modulo 2^32
    p.alu(AluOp.SHR, 16, uop=(1, 2))
    p.alu(AluOp.MUL, -3, uop=(1, 2))
    return [(p.store(1), [-6])]


@case
def immediate_reads_dst(p):
    """Decision D3: dst, unless the configuration says src."""
    p.uops((0, 1))
    p.fill(ACC, [10, 50])
    p.alu(AluOp.ADD, 1)
    return [(p.store(2), [51 if p.config.alu_imm_reads_src else 11, 50])]


@case
def steps_see_earlier_steps(p):
    """Five additions to one tile; then a running sum, each step reading what the last one wrote."""
    p.uops((0, 0), (1, 0))
    p.fill(ACC, [1, 2, 3, 4])
    p.alu(AluOp.ADD, 3, loop=(5, 1))
    p.alu(AluOp.ADD, uop=(1, 2), loop=(1, 3), dst=(0, 1), src=(0, 1))
    return [(p.store(4), [16, 18, 21, 25])]


@case
def step_doubles_itself(p):
    p.uops((0, 0))
    p.fill(ACC, [3])
    p.alu(AluOp.ADD, loop=(2, 2))
    return [(p.store(1), [48])]


@case
def step_reads_before_it_is_overwritten(p):
    """dst of a later step is src of an earlier one."""
    p.uops((0, 1))
    p.fill(ACC, [1, 2, 3, 100])
    p.alu(AluOp.ADD, loop=(1, 3), dst=(0, 1), src=(0, 1))
    return [(p.store(4), [3, 5, 103, 100])]


@case
def maximum_over_a_window(p):
    """Pooling: all steps of a window have one dst, the window is the innermost loop."""
    p.uops((0, 2), (0, 3), (0, 4))
    p.fill(ACC, [-128, -128, 5, 9, 2, -1, 7, 3])
    p.alu(AluOp.MAX, uop=(0, 3), loop=(1, 2), dst=(0, 1), src=(0, 3))
    return [(p.store(2), [9, 7])]


@case
def gemm_accumulates_into_one_tile(p):
    """Back-to-back steps with one dst; every product is the extreme -128 * -128."""
    p.uops((0, 0, 0))
    p.fill(INP, [-128])
    p.fill(WGT, [-128])
    p.fill(ACC, [1 << 12])
    p.gemm(loop=(3, 2))
    p.alu(AluOp.SHR, 12)
    return [(p.store(1), [byte(1 + 6 * p.config.block * 4)])]


@case
def gemm_multiplies_by_the_transpose(p):
    """Column j of the result belongs to row j of the weight tile."""
    block, batch = p.config.block, p.config.batch
    rows = [[b + 1 if k == 0 else 0 for b in range(batch) for k in range(block)]]
    columns = [[j - 2 if k == 0 else 99 for j in range(block) for k in range(block)]]
    p.uops((0, 0, 0))
    p.load(INP, rows)
    p.load(WGT, columns)
    p.gemm(reset=1)
    p.gemm()
    stored = p.store(1)
    expected = [byte((b + 1) * (j - 2)) for b in range(batch) for j in range(block)]
    return [(stored.reshape(-1, 1), expected)]


@case
def gemm_reset_clears_accumulator_and_output(p):
    """Decision D2: the output buffer becomes 0 as well."""
    p.uops((0, 0, 0))
    p.fill(INP, [1])
    p.fill(WGT, [2])
    p.fill(ACC, [77, 78])
    p.alu(AluOp.ADD, 0)
    p.gemm(reset=1)
    return [(p.store(2), [0, 78])]


@case
def empty_nests_do_nothing(p):
    """Trip counts of 0 and an empty micro-op range (D8)."""
    p.uops((0, 0))
    p.fill(ACC, [5])
    for loop, uop in (((0, 3), (0, 1)), ((3, 0), (0, 1)), ((2, 2), (1, 1)), ((2, 2), (2, 1))):
        p.alu(AluOp.ADD, 1, uop=uop, loop=loop)
        p.gemm(reset=1, uop=uop, loop=loop)
    return [(p.store(1), [5])]


@case
def last_micro_op_of_the_buffer(p):
    """uop_end may be one past the last of them."""
    depth = p.config.depth["UOP"]
    p.uops((0, 0), (0, 0), sram=depth - 2)
    p.fill(ACC, [5])
    p.alu(AluOp.ADD, 1, uop=(depth - 2, depth))
    return [(p.store(1), [7])]
