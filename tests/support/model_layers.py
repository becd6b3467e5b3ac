"""The layers of quantised networks in TensorFlow Lite files, with their tensors as the reference kernels made them.

The folder, named by VTA_MODELS, has NAME.tflite and golden/NAME.npz: for runs r = 0, 1, ... the inputs `in{r}_0`, the
CRC-32 of every operator's output, `crc{r}`, and for small networks those outputs, `op{r}_{nn}_{OP}`.
"""

import os
import zlib
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path

import integer_rules
import numpy as np
import pytest
import tflite
from repository import ROOT

FOLDER = Path(os.environ.get("VTA_MODELS") or ROOT / "models")
ABSENT = f"the folder of networks is not at {FOLDER}; set VTA_MODELS"
FILES = sorted(FOLDER.glob("*.tflite"))
LARGE = 1_000_000           # bytes of a file from which a network is slow to check

# For tests that take one network each: they are skipped, and say so, where the folder is not there.
each_network = pytest.mark.parametrize(
    "path", [pytest.param(path, marks=[pytest.mark.slow] if path.stat().st_size > LARGE else []) for path in FILES]
    or [pytest.param(None, marks=pytest.mark.skip(reason=ABSENT))], ids=lambda path: path and path.stem)


@dataclass(frozen=True)
class Tensor:
    """scale, float32, and zero_point, int64: (1,) or one for each channel; data: None unless constant."""

    shape: tuple
    dtype: np.dtype
    scale: np.ndarray
    zero_point: np.ndarray
    data: np.ndarray | None


@dataclass(frozen=True)
class Layer:
    """An operator. weights: (O, rows, columns, I), depthwise (1, rows, columns, C), fully connected (O, I); bias:
    int64 (O,); pads: ((top, bottom), (left, right)); axes: of MEAN and TRANSPOSE; activation: NONE, RELU or RELU6."""

    network: str
    index: int
    op: str
    inputs: tuple
    output: Tensor
    weights: Tensor | None = None
    bias: np.ndarray | int = 0
    kernel: tuple = (1, 1)
    stride: tuple = (1, 1)
    dilation: tuple = (1, 1)
    pads: tuple = ((0, 0), (0, 0))
    activation: str = "NONE"
    axes: tuple = ()
    paddings: tuple = ()
    places: tuple = field(default=(), repr=False)       # of inputs and output among the tensors of the network

    def __str__(self):
        return f"{self.network}, operator {self.index} {self.op}"


class Network:
    """A file: `layers`, and their tensors in each of the stored runs."""

    def __init__(self, path):
        self.name = path.stem
        self._model = tflite.Model.GetRootAs(path.read_bytes(), 0)
        self._graph = self._model.Subgraphs(0)
        self._golden = np.load(path.parent / "golden" / f"{path.stem}.npz")
        self.runs = [r for r in range(99) if f"crc{r}" in self._golden]

    @cached_property
    def layers(self):
        """Every operator, in order."""
        return [self._layer(index) for index in range(self._graph.OperatorsLength())]

    def walk(self, run):
        """(layer, inputs, output) of every operator but SOFTMAX; each output has the CRC-32 that is stored.

        It is the stored one if there is any, else what the rules give."""
        start = self._graph.Inputs(0)
        values = {start: self._golden[f"in{run}_0"]}
        for layer in self.layers:
            if layer.op == "SOFTMAX":
                continue                                # the last of its network; no rule
            *places, place = layer.places
            inputs, key = [values[p] for p in places], f"op{run}_{layer.index:02d}_{layer.op}"
            output = self._golden[key] if key in self._golden else integer_rules.outputs(layer, *inputs)
            assert zlib.crc32(output.tobytes()) == self._golden[f"crc{run}"][layer.index], f"{layer}: wrong CRC-32"
            values[place] = output
            yield layer, inputs, output

    def _tensor(self, place):
        tensor = self._graph.Tensors(place)
        shape = tuple(int(n) for n in tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()
        dtype = np.dtype({tflite.TensorType.INT8: np.int8, tflite.TensorType.UINT8: np.uint8,
                          tflite.TensorType.INT32: np.int32, tflite.TensorType.INT64: np.int64}[tensor.Type()])
        raw = self._model.Buffers(tensor.Buffer())
        data = np.frombuffer(raw.DataAsNumpy().tobytes(), dtype).reshape(shape) if raw.DataLength() else None
        scheme = tensor.Quantization()
        known = scheme is not None and scheme.ScaleLength()
        return Tensor(shape, dtype, scheme.ScaleAsNumpy() if known else np.ones(1, np.float32),
                      scheme.ZeroPointAsNumpy() if known else np.zeros(1, np.int64), data)

    def _layer(self, index):
        operator = self._graph.Operators(index)
        code = self._model.OperatorCodes(operator.OpcodeIndex())
        op = tflite.opcode2name(max(code.BuiltinCode(), code.DeprecatedBuiltinCode()))
        places = [int(p) for p in operator.InputsAsNumpy() if p >= 0]
        tensors = [self._tensor(p) for p in places]
        constant = [t.data for t in tensors if t.data is not None]
        moving = [t for t in tensors if t.data is None]
        place = int(operator.OutputsAsNumpy()[0])
        facts = dict(network=self.name, index=index, op=op, inputs=tuple(moving), output=self._tensor(place),
                     places=(*(p for p, t in zip(places, tensors, strict=True) if t.data is None), place))
        if op in (integer_rules.CONV, integer_rules.DEPTHWISE, integer_rules.DENSE):
            facts |= dict(weights=tensors[1], bias=tensors[2].data.astype(np.int64) if len(tensors) > 2 else 0)
        elif op in ("MEAN", "TRANSPOSE"):
            facts["axes"] = tuple(int(axis) for axis in constant[0].reshape(-1))
        elif op == "PAD":
            facts["paddings"] = tuple(map(tuple, constant[0].tolist()))
        return Layer(**facts | self._options(operator, op, tensors, facts["output"]))

    def _options(self, operator, op, tensors, output):
        kind = {"CONV_2D": "Conv2DOptions", "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions", "ADD": "AddOptions",
                "FULLY_CONNECTED": "FullyConnectedOptions", "AVERAGE_POOL_2D": "Pool2DOptions",
                "MAX_POOL_2D": "Pool2DOptions"}.get(op)
        if kind is None:
            return {}
        options = getattr(tflite, kind)()
        options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
        names = {value: name for name, value in vars(tflite.ActivationFunctionType).items() if name.isupper()}
        facts = {"activation": names[options.FusedActivationFunction()]}
        if hasattr(options, "StrideH"):
            pool = kind == "Pool2DOptions"
            kernel = (options.FilterHeight(), options.FilterWidth()) if pool else tensors[1].shape[1:3]
            stride, dilation = (options.StrideH(), options.StrideW()), (1, 1) if pool else (
                options.DilationHFactor(), options.DilationWFactor())
            facts |= dict(kernel=kernel, stride=stride, dilation=dilation, pads=((0, 0), (0, 0)))
            if options.Padding() == tflite.Padding.SAME:
                facts["pads"] = tuple(
                    (lambda total: (total // 2, total - total // 2))(max((after - 1) * s + (k - 1) * d + 1 - before, 0))
                    for before, after, k, s, d in zip(tensors[0].shape[1:3], output.shape[1:3], kernel, stride,
                                                      dilation, strict=True))
        return facts


@cache
def network(path):
    """The network of a file, read once."""
    return Network(path)
