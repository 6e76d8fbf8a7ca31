"""Op types as other tools name them, in this IR's terms.

ONNX Runtime takes ONNX's names, which selectors know. NNCF takes those of the model's framework,
ONNX's or OpenVINO's.
"""

from __future__ import annotations

from collections.abc import Mapping

from compiler.pipeline import did_you_mean
from dialects.errors import OctetError

OPENVINO: Mapping[str, str] = {
    "Convolution": "conv",
    "GroupConvolution": "conv",
    "ConvolutionBackpropData": "conv_transpose",
    "GroupConvolutionBackpropData": "conv_transpose",
    "Multiply": "mul",
    "Subtract": "sub",
    "Divide": "div",
    "Power": "pow",
    "Minimum": "min",
    "Maximum": "max",
    "Interpolate": "resize",
    "AvgPool": "avg_pool",
    "MVN": "layer_norm",
    "HSwish": "hard_swish",
    "HSigmoid": "hard_sigmoid",
    "StridedSlice": "slice",
}
"""OpenVINO's names that are not ONNX's as well.
https://docs.openvino.ai/2025/documentation/openvino-ir-format/operation-sets.html"""


def mnemonic_of(name: str) -> str:
    """The op type of that name: `conv` for `conv`, `Conv` and `Convolution`.

    Raises OctetError for a name that no op goes by.
    """
    from dialects.nn import NN_OPS
    from passes.placement.selectors import canonical_type
    from passes.placement.selectors.types import spellings

    known = {op.name.split(".", 1)[1] for op in NN_OPS}
    found = canonical_type(OPENVINO.get(name, name))
    if found not in known:
        names = (*sorted(known), *spellings(), *OPENVINO)
        raise OctetError(f"there is no op type '{name}'{did_you_mean(name, names)}")
    return found
