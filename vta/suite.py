"""The benchmark's layers, as data: shapes of real networks, each an operator that schedules itself."""

import importlib.util
from pathlib import Path

import numpy as np

EXAMPLES = Path(__file__).parents[1] / "examples"
QUANT = dict(bias=True, shift=8, clip=(0, 127))

# name -> (operator, positional arguments, keyword arguments); convolutions are (N, C, H, W), outputs, kernel
RESNET18_CONVOLUTIONS = {
    "resnet18_C2": ("conv2d", ((1, 64, 56, 56), 64, 3), dict(pad=1, **QUANT)),
    "resnet18_C3": ("conv2d", ((1, 64, 56, 56), 128, 3), dict(pad=1, stride=2, **QUANT)),
    "resnet18_C4": ("conv2d", ((1, 64, 56, 56), 128, 1), dict(stride=2, **QUANT)),
    "resnet18_C5": ("conv2d", ((1, 128, 28, 28), 128, 3), dict(pad=1, **QUANT)),
    "resnet18_C6": ("conv2d", ((1, 128, 28, 28), 256, 3), dict(pad=1, stride=2, **QUANT)),
    "resnet18_C7": ("conv2d", ((1, 128, 28, 28), 256, 1), dict(stride=2, **QUANT)),
    "resnet18_C8": ("conv2d", ((1, 256, 14, 14), 256, 3), dict(pad=1, **QUANT)),
    "resnet18_C9": ("conv2d", ((1, 256, 14, 14), 512, 3), dict(pad=1, stride=2, **QUANT)),
    "resnet18_C10": ("conv2d", ((1, 256, 14, 14), 512, 1), dict(stride=2, **QUANT)),
    "resnet18_C11": ("conv2d", ((1, 512, 7, 7), 512, 3), dict(pad=1, **QUANT)),
}
OTHER_LAYERS = {
    "resnet18_C1": ("conv2d", ((1, 3, 224, 224), 64, 7), dict(stride=2, pad=3, **QUANT)),
    "resnet18_max_pool": ("max_pool2d", ((1, 64, 112, 112), 3), dict(stride=2, pad=1)),
    "resnet18_residual": ("add", ((1, 64, 56, 56),), {}),
    "resnet18_average": ("global_avg_pool", ((1, 512, 7, 7),), {}),
    "resnet18_dense": ("dense", ((1, 512), 1000), dict(bias=True, shift=8)),
    "mobilenet_depthwise_112": ("depthwise_conv2d", ((1, 32, 112, 112), 3), dict(pad=1, **QUANT)),
    "mobilenet_depthwise_56_s2": ("depthwise_conv2d", ((1, 128, 56, 56), 3), dict(pad=1, stride=2, **QUANT)),
    "mobilenet_depthwise_14": ("depthwise_conv2d", ((1, 512, 14, 14), 3), dict(pad=1, **QUANT)),
    "mobilenet_pointwise_14": ("conv2d", ((1, 512, 14, 14), 512, 1), QUANT),
    "mobilenet_average": ("global_avg_pool", ((1, 1024, 7, 7),), {}),
}
# the same and others with a multiplier and a shift for each channel, on machines that requantise; the second of each
# two convolutions of ResNet-18 adds the block's input
_CHANNELS = dict(bias=True, requantise="each channel")
REQUANTISED_RESNET18 = {
    f"{name.replace('resnet18', 'requantised')}{'_residual' * residual}":
        (operator, args, {key: value for key, value in keywords.items() if key not in QUANT}
         | _CHANNELS | (dict(residual=3) if residual else {}))
    for name, (operator, args, keywords) in RESNET18_CONVOLUTIONS.items()
    for residual in ((False, True) if args[0][1] == args[1] else (False,))}
REQUANTISED_LAYERS = REQUANTISED_RESNET18 | {
    "requantised_pointwise_56": ("conv2d", ((1, 64, 56, 56), 64, 1), _CHANNELS),
    "requantised_depthwise_112": ("depthwise_conv2d", ((1, 32, 112, 112), 3), dict(pad=1, **_CHANNELS)),
    "requantised_depthwise_56_s2": ("depthwise_conv2d", ((1, 128, 56, 56), 3), dict(pad=1, stride=2, **_CHANNELS)),
    "requantised_depthwise_14": ("depthwise_conv2d", ((1, 512, 14, 14), 3), dict(pad=1, **_CHANNELS)),
}
# how often each occurs in ResNet-18's conv2_x to conv5_x
REQUANTISED_RESNET18_COUNTS = {
    name: 2 if "residual" in name or name.endswith("_C2") else 1 for name in REQUANTISED_RESNET18}
LAYERS = RESNET18_CONVOLUTIONS | OTHER_LAYERS


def layer(name, config="default"):
    """The operator of layer `name`, compiled for `config`."""
    from vta.compiler.ops import OPERATORS
    function, args, keywords = (LAYERS | REQUANTISED_LAYERS)[name]
    if "requantise" in keywords:
        outputs = args[0][1] if function == "depthwise_conv2d" else args[1]
        keywords = keywords | {"requantise": channel_scales(outputs)}
    return OPERATORS[function](*args, **keywords, config=config)


def channel_scales(channels, seed=0):
    """A Requantise with random factors of about 2^-9, one for each channel."""
    from vta.compiler.ops.requantisation import Requantise
    rng = np.random.default_rng(seed)
    return Requantise(rng.integers(1 << 30, 1 << 31, channels), rng.integers(-9, -6, channels), zero_point=-4)


def random_arguments(operator, seed=0):
    """Random arrays for an operator: int8 over the full range, int32 (bias) within 16 bits; weights as networks have
    them, a bell of a deviation of 20."""
    rng = np.random.default_rng(seed)
    draw = {"bias": lambda shape: rng.integers(-(1 << 15), 1 << 15, shape).astype(np.int32),
            "weight": lambda shape: np.clip(np.rint(rng.normal(0, 20, shape)), -128, 127).astype(np.int8)}
    return [draw.get(name, lambda shape: rng.integers(-128, 128, shape).astype(np.int8))(shape)
            for name, shape in operator.shapes.items()]


def example(name):
    """The module examples/NAME.py of the checkout; ValueError if there is none."""
    path = EXAMPLES / f"{name}.py"
    if not path.exists():
        raise ValueError(f"{path} is not there: this command runs from a checkout of the repository")
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
