# # Blocked matrix multiply
#
# A fully connected layer of 1024 x 1024: its weights, 1 MiB, are four times what fits on chip. The schedule splits
# both dimensions into blocks of 256, and the layer ends as in a quantised network: with a shift and a clip.
#
#                 256 in   256 in   256 in   256 in
#               +--------+--------+--------+--------+
#     256 out   |   0    |   1    |   2    |   3    |   blocks of weights in the order they are loaded;
#               +--------+--------+--------+--------+   a row of blocks accumulates in one block of sums,
#     256 out   |   4    |   5    |   6    |   7    |   which is shifted, clipped and stored
#               +--------+--------+--------+--------+
#               |  ...                              |

import sys

import numpy as np

import vta
from vta import te

env = vta.get_env()
device = vta.device(sys.argv[1] if len(sys.argv) > 1 else "sim", env.config)

# ## Declare

batch_size, in_channels, out_channels = 1, 1024, 1024
assert batch_size % env.BATCH == 0 and in_channels % env.BLOCK_IN == 0 and out_channels % env.BLOCK_OUT == 0
data_shape = (batch_size // env.BATCH, in_channels // env.BLOCK_IN, env.BATCH, env.BLOCK_IN)
weight_shape = (
    out_channels // env.BLOCK_OUT, in_channels // env.BLOCK_IN, env.BLOCK_OUT, env.BLOCK_IN
)
output_shape = (batch_size // env.BATCH, out_channels // env.BLOCK_OUT, env.BATCH, env.BLOCK_OUT)

ic = te.reduce_axis((0, in_channels // env.BLOCK_IN), name="ic")
ic_tns = te.reduce_axis((0, env.BLOCK_IN), name="ic_tns")
data = te.placeholder(data_shape, name="data", dtype=env.inp_dtype)
weight = te.placeholder(weight_shape, name="weight", dtype=env.wgt_dtype)
data_buf = te.compute(data_shape, lambda *i: data(*i), "data_buf")
weight_buf = te.compute(weight_shape, lambda *i: weight(*i), "weight_buf")
res_gemm = te.compute(
    output_shape,
    lambda bo, co, bi, ci: te.sum(
        data_buf[bo, ic, bi, ic_tns].astype(env.acc_dtype)
        * weight_buf[co, ic, ci, ic_tns].astype(env.acc_dtype),
        axis=[ic, ic_tns],
    ),
    name="res_gem",
)
res_shr = te.compute(output_shape, lambda *i: res_gemm(*i) >> env.INP_WIDTH, name="res_shr")
inp_max = (1 << (env.INP_WIDTH - 1)) - 1
res_max = te.compute(output_shape, lambda *i: te.max(res_shr(*i), 0), "res_max")
res_min = te.compute(output_shape, lambda *i: te.min(res_max(*i), inp_max), "res_min")
res = te.compute(output_shape, lambda *i: res_min(*i).astype(env.inp_dtype), name="res")

# ## Schedule
#
# First split the output into blocks: everything from the product to the store happens inside the loop over blocks.

s = te.create_schedule(res.op)
b_block = 1 // env.BATCH
i_block = 256 // env.BLOCK_IN
o_block = 256 // env.BLOCK_OUT
b, oc, b_tns, oc_tns = s[res].op.axis
b_out, b_inn = s[res].split(b, b_block)
oc_out, oc_inn = s[res].split(oc, o_block)
s[res].reorder(b_out, oc_out, b_inn, oc_inn)
s[res_gemm].compute_at(s[res], oc_out)
s[res_shr].compute_at(s[res], oc_out)
s[res_max].compute_at(s[res], oc_out)
s[res_min].compute_at(s[res], oc_out)

# Then split the sum into blocks, with the loads inside the loop over those.

b_inn, oc_inn, b_tns, oc_tns = s[res_gemm].op.axis
ic_out, ic_inn = s[res_gemm].split(ic, i_block)
s[res_gemm].reorder(ic_out, b_inn, oc_inn, ic_inn, b_tns, oc_tns, ic_tns)
print(te.lower(s, [data, weight, res]))

# Finally, map the stages to the machine.

s[data_buf].set_scope(env.inp_scope)
s[weight_buf].set_scope(env.wgt_scope)
s[res_gemm].set_scope(env.acc_scope)
s[res_shr].set_scope(env.acc_scope)
s[res_min].set_scope(env.acc_scope)
s[res_max].set_scope(env.acc_scope)
s[data_buf].compute_at(s[res_gemm], ic_out)
s[weight_buf].compute_at(s[res_gemm], ic_out)
s[data_buf].pragma(s[data_buf].op.axis[0], env.dma_copy)
s[weight_buf].pragma(s[weight_buf].op.axis[0], env.dma_copy)
s[res].pragma(s[res].op.axis[2], env.dma_copy)
s[res_gemm].tensorize(b_tns, env.gemm)
s[res_shr].pragma(s[res_shr].op.axis[0], env.alu)
s[res_min].pragma(s[res_min].op.axis[0], env.alu)
s[res_max].pragma(s[res_max].op.axis[0], env.alu)
print(vta.lower(s, [data, weight, res]))

# ## Run

my_gemm = vta.build(s, [data, weight, res], "ext_dev", name="my_gemm")
random = np.random.default_rng(0)
data_np = random.integers(-128, 128, (batch_size, in_channels)).astype(data.dtype)
weight_np = random.integers(-128, 128, (out_channels, in_channels)).astype(weight.dtype)
data_packed = data_np.reshape(
    batch_size // env.BATCH, env.BATCH, in_channels // env.BLOCK_IN, env.BLOCK_IN
).transpose((0, 2, 1, 3))
weight_packed = weight_np.reshape(
    out_channels // env.BLOCK_OUT, env.BLOCK_OUT, in_channels // env.BLOCK_IN, env.BLOCK_IN
).transpose((0, 2, 1, 3))
res_np = np.zeros(output_shape, res.dtype)
my_gemm(device, data_packed, weight_packed, res_np)
res_ref = data_np.astype(np.int32) @ weight_np.T.astype(np.int32)
res_ref = np.clip(res_ref >> env.INP_WIDTH, 0, inp_max).astype(res.dtype)
np.testing.assert_array_equal(
    res_np,
    res_ref.reshape(
        batch_size // env.BATCH, env.BATCH, out_channels // env.BLOCK_OUT, env.BLOCK_OUT
    ).transpose((0, 2, 1, 3)),
)
print("Execution statistics:")
for k, v in device.stats().items():
    print(f"\t{k:<16}: {v:>16}")
print("Successful blocked matrix multiply test!")
device.close()
