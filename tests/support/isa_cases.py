"""Corner cases of the instruction set as programs with known results, for any device.

A case is a function that fills a Program and returns the expected results of its STOREs: pairs (view, expected), one
number for each tile. `FAULTS` are cases that also end in an error, with its cause and unit.
"""

from vta.hw.isa import AluOp, MemType, Opcode, Unit
from vta.hw.registers import ErrorCause

ACC, INP, WGT, UOP = MemType.ACC, MemType.INP, MemType.WGT, MemType.UOP
X = 0x12345
CASES, FAULTS = {}, {}


def case(function):
    CASES[function.__name__] = function
    return function


def fault(cause, unit):
    def add(function):
        FAULTS[function.__name__] = (function, cause, unit)
        return function
    return add


def byte(value):
    """The signed low byte, which STORE takes from an accumulator."""
    return (value + 128 & 255) - 128


def check(results):
    """Assert that each view holds its expected values, one for each tile, equal in all lanes."""
    for view, expected in results:
        for number, (tile, value) in enumerate(zip(view, expected, strict=True)):
            assert (tile == value).all(), f"tile {number}: {tile.tolist()}, expected {value}"


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
    CASES[f"shift_by_{_amount}"] = _shift(_amount)


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
    """Without a tile to move, an index beyond the memory is no error."""
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
    """Odd and even places in DRAM and scratchpad, and a load of an odd number of them."""
    p.fill(ACC, [1, 2, 3, 4, 5])
    p.uops((0, 0), (1, 1), (2, 2), sram=1)
    first = p.uops((4, 4), (3, 3), (4, 4), sram=4)
    first["dram_base"] += 1
    first["x_size"] = first["x_stride"] = 2
    p.alu(AluOp.ADD, 10, uop=(1, 6))
    return [(p.store(5), [11, 12, 13, 14, 15])]


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


@fault(ErrorCause.INDEX, Unit.COMPUTE)
def accumulator_index_wraps(p):
    """Decision D6: dst = depth is tile 0."""
    depth = p.config.depth["ACC"]
    p.uops((depth - 1, depth - 1))
    p.fill(ACC, [1])
    p.fill(ACC, [2], sram=depth - 1)
    p.alu(AluOp.ADD, 10, loop=(1, 2), dst=(0, 1), src=(0, 1))
    return [(p.store(1), [11]), (p.store(1, sram=depth - 1), [12])]


@fault(ErrorCause.INDEX, Unit.COMPUTE)
def negative_steps_wrap(p):
    """A factor of depth - 1 is a step of -1 modulo the depth."""
    depth = p.config.depth["ACC"]
    p.uops((2, 2))
    p.fill(ACC, [1, 2, 3])
    p.alu(AluOp.ADD, 10, loop=(1, 3), dst=(0, depth - 1), src=(0, depth - 1))
    return [(p.store(3), [11, 12, 13])]


@fault(ErrorCause.INDEX, Unit.COMPUTE)
def input_index_wraps(p):
    depth = p.config.depth["INP"]
    p.uops((0, depth - 1, 0))
    p.fill(INP, [3])
    p.fill(INP, [5], sram=depth - 1)
    p.fill(WGT, [1])
    p.gemm(reset=1, loop=(1, 2), dst=(0, 1))
    p.gemm(loop=(1, 2), dst=(0, 1), src=(0, 1))
    return [(p.store(2), [byte(5 * p.config.block), byte(3 * p.config.block)])]


@fault(ErrorCause.INDEX, Unit.COMPUTE)
def load_beyond_the_accumulator_wraps(p):
    depth = p.config.depth["ACC"]
    p.fill(ACC, [1, 2, 3], sram=depth - 1)
    return [(p.store(2), [2, 3]), (p.store(1, sram=depth - 1), [1])]


@fault(ErrorCause.INDEX, Unit.LOAD)
def load_beyond_the_weights_wraps(p):
    p.uops((0, 0, 0))
    p.fill(INP, [1])
    p.fill(WGT, [1, 2], sram=p.config.depth["WGT"] - 1)
    p.gemm(reset=1)
    p.gemm()
    return [(p.store(1), [byte(2 * p.config.block)])]


@fault(ErrorCause.INDEX, Unit.STORE)
def store_beyond_the_output_wraps(p):
    depth = p.config.depth["ACC"]
    p.fill(ACC, [1])
    p.fill(ACC, [2], sram=depth - 1)
    return [(p.store(2, sram=depth - 1), [2, 1])]


@fault(ErrorCause.OPCODE, Unit.COMPUTE)
def unknown_opcode_handles_tokens(p):
    """Decision D7: the tokens it pops and pushes keep the stream going."""
    p.fill(ACC, [4])
    p.fill(INP, [0])
    p.emit(6)
    return [(p.store(1), [4])]


@fault(ErrorCause.OPCODE, Unit.COMPUTE)
def unknown_operation_is_ignored(p):
    p.uops((0, 0))
    p.fill(ACC, [4])
    p.alu(max(AluOp) + 1, 3)
    return [(p.store(1), [4])]


@fault(ErrorCause.MEMORY_TYPE, Unit.COMPUTE)
def load_of_output_is_ignored(p):
    p.fill(ACC, [4])
    p.emit(Opcode.LOAD, mem_type=4, x_size=1, y_size=1)
    return [(p.store(1), [4])]


@fault(ErrorCause.MEMORY_TYPE, Unit.STORE)
def store_of_something_else_is_ignored(p):
    p.fill(ACC, [4])
    kept = p.store(1, mem=MemType.INP)
    return [(kept, [0x55]), (p.store(1), [4])]
