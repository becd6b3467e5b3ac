# # Get started: adding two vectors
#
# The smallest program: two matrices of 32-bit numbers are loaded into the accumulator, the ALU adds them, and the
# sum is stored as 8 bits. It shows the three steps of every program: declare, schedule, run.
#
#        DRAM            on chip (accumulator)            DRAM
#     A  int32  --LOAD--> A_buf --+
#                                 +--ALU ADD--> C_buf --STORE--> C  int8
#     B  int32  --LOAD--> B_buf --+

import sys

import numpy as np

import vta
from vta import te

env = vta.get_env()
device = vta.device(sys.argv[1] if len(sys.argv) > 1 else "sim", env.config)

# ## Declare
#
# The accelerator works on tiles, so tensors are tiled: here 1 x 64 tiles of BATCH x BLOCK_OUT numbers.

m, o = 64, 1
shape = (o, m, env.BATCH, env.BLOCK_OUT)
A = te.placeholder(shape, name="A", dtype=env.acc_dtype)
B = te.placeholder(shape, name="B", dtype=env.acc_dtype)
A_buf = te.compute(shape, lambda *i: A(*i), "A_buf")
B_buf = te.compute(shape, lambda *i: B(*i), "B_buf")
C_buf = te.compute(shape, lambda *i: A_buf(*i) + B_buf(*i), name="C_buf")
C = te.compute(shape, lambda *i: C_buf(*i).astype(env.inp_dtype), name="C")

# ## Schedule
#
# The default schedule loops over single elements.

s = te.create_schedule(C.op)
print(te.lower(s, [A, B, C]))

# A scope says where a stage is stored, a pragma what executes its loops: `dma_copy` a transfer, `alu` the ALU.

s[A_buf].set_scope(env.acc_scope)
s[B_buf].set_scope(env.acc_scope)
s[C_buf].set_scope(env.acc_scope)
s[A_buf].pragma(s[A_buf].op.axis[0], env.dma_copy)
s[B_buf].pragma(s[B_buf].op.axis[0], env.dma_copy)
s[C_buf].pragma(s[C_buf].op.axis[0], env.alu)
s[C].pragma(s[C].op.axis[0], env.dma_copy)
print(vta.lower(s, [A, B, C]))

# `C_buf` is gone: ALU instructions have two addresses, so the sum overwrites `A_buf`. The program loads each operand
# once, runs one ALU instruction and one store, and uses two tokens to make the store wait for the sum.
#
# ## Run

my_vadd = vta.build(s, [A, B, C], "ext_dev", name="my_vadd")
random = np.random.default_rng(0)
a = random.integers(-128, 128, shape, dtype=np.int32)
b = random.integers(-128, 128, shape, dtype=np.int32)
c = np.zeros(shape, np.int8)
my_vadd(device, a, b, c)
np.testing.assert_array_equal(c, (a + b).astype(np.int8))
print("Successful vector add test!")
for k, v in device.stats().items():
    print(f"\t{k:<16}: {v:>16}")
device.close()
