"""Op types as selectors name them: the dialect's own names, and other well-known spellings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    # linear
    "conv": ("Conv", "conv1d", "conv2d", "conv3d", "Conv1d", "Conv2d", "Conv3d", "QLinearConv"),
    "conv_transpose": ("ConvTranspose", "conv_transpose1d", "conv_transpose2d", "ConvTranspose2d"),
    "matmul": (
        *("MatMul", "Gemm", "linear", "Linear", "dense", "Dense", "fully_connected"),
        *("QLinearMatMul", "QGemm"),
    ),
    "conv_integer": ("ConvInteger",),
    "matmul_integer": ("MatMulInteger",),
    "matmul_nbits": ("MatMulNBits",),
    "attention": ("Attention", "MultiHeadAttention", "scaled_dot_product_attention"),
    # elementwise, of one operand
    "relu": ("Relu", "ReLU"),
    "clip": ("Clip", "relu6", "ReLU6", "clamp"),
    "leaky_relu": ("LeakyRelu", "LeakyReLU", "QLinearLeakyRelu"),
    "elu": ("Elu", "ELU"),
    "prelu": ("PRelu", "PReLU"),
    "hard_swish": ("HardSwish", "Hardswish", "hardswish"),
    "hard_sigmoid": ("HardSigmoid", "Hardsigmoid", "hardsigmoid"),
    "gelu": ("Gelu", "GELU"),
    "sigmoid": ("Sigmoid", "QLinearSigmoid"),
    "silu": ("Swish", "swish", "SiLU"),
    "tanh": ("Tanh",),
    "erf": ("Erf",),
    "sqrt": ("Sqrt",),
    "exp": ("Exp",),
    "log": ("Log",),
    "neg": ("Neg",),
    "abs": ("Abs",),
    "reciprocal": ("Reciprocal",),
    "floor": ("Floor",),
    "ceil": ("Ceil",),
    "round": ("Round",),
    "sign": ("Sign",),
    "not": ("Not",),
    "cast": ("Cast",),
    # elementwise, of several
    "add": ("Add", "Sum", "QLinearAdd"),
    "sub": ("Sub",),
    "mul": ("Mul", "QLinearMul"),
    "div": ("Div",),
    "mod": ("Mod",),
    "pow": ("Pow",),
    "min": ("Min",),
    "max": ("Max",),
    "equal": ("Equal",),
    "less": ("Less",),
    "less_equal": ("LessOrEqual",),
    "greater": ("Greater",),
    "greater_equal": ("GreaterOrEqual",),
    "and": ("And",),
    "or": ("Or",),
    "xor": ("Xor",),
    "where": ("Where", "Trilu"),
    # pooling and reduction
    "max_pool": ("MaxPool", "max_pool2d", "MaxPool2d"),
    "avg_pool": ("AveragePool", "avg_pool2d", "AvgPool2d", "QLinearAveragePool"),
    "reduce_mean": (
        *("ReduceMean", "GlobalAveragePool", "QLinearGlobalAveragePool"),
        *("global_avg_pool", "mean"),
    ),
    "reduce_max": ("ReduceMax", "GlobalMaxPool", "global_max_pool"),
    "reduce_min": ("ReduceMin",),
    "reduce_sum": ("ReduceSum",),
    "reduce_prod": ("ReduceProd",),
    "argmax": ("ArgMax",),
    "argmin": ("ArgMin",),
    "topk": ("TopK",),
    # normalization
    "batch_norm": ("BatchNormalization", "BatchNorm", "BatchNorm2d"),
    "layer_norm": ("LayerNormalization", "LayerNorm"),
    "instance_norm": ("InstanceNormalization", "InstanceNorm", "InstanceNorm2d"),
    "lrn": ("LRN",),
    "softmax": ("Softmax", "QLinearSoftmax"),
    "log_softmax": ("LogSoftmax",),
    # movement
    "reshape": ("Reshape", "Flatten", "flatten", "Squeeze", "squeeze", "Unsqueeze", "unsqueeze"),
    "transpose": ("Transpose", "permute"),
    "concat": ("Concat", "cat", "QLinearConcat"),
    "slice": ("Slice", "Split", "split"),
    "pad": ("Pad",),
    "expand": ("Expand",),
    "crop": (),
    "tile": ("Tile",),
    "gather": ("Gather", "Embedding", "embedding"),
    "resize": ("Resize", "Upsample", "upsample", "interpolate"),
    "depth_to_space": ("DepthToSpace", "PixelShuffle"),
    "space_to_depth": ("SpaceToDepth",),
}
"""Types of the `nn` dialect, and what ONNX, PyTorch and others call them. A spelling names the type
that an op has here: `Gemm` and `MatMul` are both `matmul`, so either selects both."""


@cache
def spellings() -> Mapping[str, str]:
    """Every spelling of `SPELLINGS`, the dialect's own included, with the type it names."""
    return {spelling: name for name, others in SPELLINGS.items() for spelling in (name, *others)}


def canonical_type(name: str) -> str:
    """The dialect's name of an op type; a name that is not known comes back as it is."""
    return spellings().get(name, name)
