"""Op types as other tools name them, in this IR's terms.

ONNX Runtime takes ONNX's names; NNCF takes those of the model's framework, ONNX's or OpenVINO's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from compiler.pipeline import did_you_mean
from dialects.errors import OctetError

_OTHER_NAMES: Mapping[str, str] = {
    # ONNX: https://onnx.ai/onnx/operators/
    "Gemm": "matmul",
    "AveragePool": "avg_pool",
    "GlobalAveragePool": "reduce_mean",
    "GlobalMaxPool": "reduce_max",
    "LayerNormalization": "layer_norm",
    "InstanceNormalization": "instance_norm",
    "BatchNormalization": "batch_norm",
    "Flatten": "reshape",
    "Squeeze": "reshape",
    "Unsqueeze": "reshape",
    # OpenVINO: https://docs.openvino.ai/2025/documentation/openvino-ir-format/operation-sets.html
    "Convolution": "conv",
    "GroupConvolution": "conv",
    "ConvolutionBackpropData": "conv_transpose",
    "GroupConvolutionBackpropData": "conv_transpose",
    "Multiply": "mul",
    "Subtract": "sub",
    "Divide": "div",
    "Power": "pow",
    "Interpolate": "resize",
    "AvgPool": "avg_pool",
    "MVN": "layer_norm",
    "Swish": "silu",
    "HSwish": "hard_swish",
    "HSigmoid": "hard_sigmoid",
}
"""Names that differ by more than their spelling; `HardSwish` for `hard_swish` is no such."""


def mnemonic_of(name: str) -> str:
    """The op type of that name: `conv` for `conv`, `Conv` and `Convolution`.

    Raises OctetError for a name that no op goes by.
    """
    known = mnemonics()
    if name in known:
        return name
    spelled = _OTHER_NAMES.get(name) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    for candidate in (spelled, spelled.replace("_", "")):
        if candidate in known:
            return candidate
    raise OctetError(
        f"there is no op type '{name}'{did_you_mean(name, (*sorted(known), *_OTHER_NAMES))}"
    )


def mnemonics() -> frozenset[str]:
    """Every op type of the `nn` dialect."""
    from dialects.nn import NN_OPS

    return frozenset(op.name.split(".", 1)[1] for op in NN_OPS)
