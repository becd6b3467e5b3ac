# # Matrix multiply
#
# A row of 256 numbers times a 256 x 256 matrix, on the tensor core: each micro-op multiplies a tile of 1 x 16 inputs
# by a tile of 16 x 16 weights and adds the product to a tile of 1 x 16 sums.
#
#     data   (1, 16) tiles  --LOAD--> INP --+
#                                           +--GEMM--> ACC --STORE--> res  (1, 16) tiles
#     weight (16, 16) tiles --LOAD--> WGT --+

import sys

import numpy as np

import vta
from vta import te

env = vta.get_env()
device = vta.device(sys.argv[1] if len(sys.argv) > 1 else "sim", env.config)

# ## Declare
#
# The sum runs over two axes: `ko`, the tiles, and `ki`, the inputs in a tile.

m, n, o = 16, 16, 1
A = te.placeholder((o, n, env.BATCH, env.BLOCK_IN), name="A", dtype=env.inp_dtype)
B = te.placeholder((m, n, env.BLOCK_OUT, env.BLOCK_IN), name="B", dtype=env.wgt_dtype)
A_buf = te.compute((o, n, env.BATCH, env.BLOCK_IN), lambda *i: A(*i), "A_buf")
B_buf = te.compute((m, n, env.BLOCK_OUT, env.BLOCK_IN), lambda *i: B(*i), "B_buf")
ko = te.reduce_axis((0, n), name="ko")
ki = te.reduce_axis((0, env.BLOCK_IN), name="ki")
C_buf = te.compute(
    (o, m, env.BATCH, env.BLOCK_OUT),
    lambda bo, co, bi, ci: te.sum(
        A_buf[bo, ko, bi, ki].astype(env.acc_dtype) * B_buf[co, ko, ci, ki].astype(env.acc_dtype),
        axis=[ko, ki],
    ),
    name="C_buf",
)
C = te.compute((o, m, env.BATCH, env.BLOCK_OUT), lambda *i: C_buf(*i).astype(env.inp_dtype), name="C")

# ## Schedule

s = te.create_schedule(C.op)
print(te.lower(s, [A, B, C]))

# The buffers go on chip, and their loads into the loop over `ko`, so that only one column of weights is on chip at a
# time. `ko` becomes the outermost loop; the loops over a tile are innermost, where `tensorize` turns them into one
# micro-op.

s[A_buf].set_scope(env.inp_scope)
s[B_buf].set_scope(env.wgt_scope)
s[C_buf].set_scope(env.acc_scope)
s[A_buf].compute_at(s[C_buf], ko)
s[B_buf].compute_at(s[C_buf], ko)
s[A_buf].pragma(s[A_buf].op.axis[0], env.dma_copy)
s[B_buf].pragma(s[B_buf].op.axis[0], env.dma_copy)
s[C].pragma(s[C].op.axis[0], env.dma_copy)
s[C_buf].reorder(
    ko, s[C_buf].op.axis[0], s[C_buf].op.axis[1], s[C_buf].op.axis[2], s[C_buf].op.axis[3], ki
)
s[C_buf].tensorize(s[C_buf].op.axis[2], env.gemm)
print(vta.lower(s, [A, B, C]))

# Load (1) and compute (2) exchange tokens in every iteration: one says "data is ready", the other "you may
# overwrite it".
#
# ## Run

my_gemm = vta.build(s, [A, B, C], "ext_dev", name="my_gemm")
random = np.random.default_rng(0)
data = random.integers(-128, 128, (o * env.BATCH, n * env.BLOCK_IN)).astype(A.dtype)
weight = random.integers(-128, 128, (m * env.BLOCK_OUT, n * env.BLOCK_IN)).astype(B.dtype)
data_packed = data.reshape(o, env.BATCH, n, env.BLOCK_IN).transpose((0, 2, 1, 3))
weight_packed = weight.reshape(m, env.BLOCK_OUT, n, env.BLOCK_IN).transpose((0, 2, 1, 3))
res = np.zeros(C.shape, np.int8)
my_gemm(device, data_packed, weight_packed, res)
reference = (data.astype(np.int32) @ weight.T.astype(np.int32)).astype(np.int8)
np.testing.assert_array_equal(
    res, reference.reshape(o, env.BATCH, m, env.BLOCK_OUT).transpose((0, 2, 1, 3))
)
print("Successful matrix multiply test!")
for k, v in device.stats().items():
    print(f"\t{k:<16}: {v:>16}")
device.close()
