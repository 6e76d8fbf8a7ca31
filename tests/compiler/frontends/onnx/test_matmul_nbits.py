"""ONNX Runtime's MatMulNBits: results equal its own; what is not supported is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from compiler.frontends.onnx import import_onnx
from dialects.errors import OctetError
from dialects.nn.quantized_linear import MatmulNBitsOp
from dialects.program import main_function
from passes.quantize.quantize_weights import quantize_blocks

FLOAT = np.float32


def packed_zeros(zeros: np.ndarray, bits: int) -> np.ndarray:
    """As ONNX Runtime has them: a row in whole bytes, the earlier nibble in the lower bits."""
    if bits == 8:
        return zeros
    even = np.pad(zeros, ((0, 0), (0, zeros.shape[1] % 2)))
    return even[:, 0::2] | (even[:, 1::2] << np.uint8(4))


def constants(k: int, n: int, bits: int, size: int, *, symmetric: bool) -> dict[str, np.ndarray]:
    weight = np.random.default_rng(k).standard_normal((k, n)).astype(FLOAT)
    stored, scales, zeros = quantize_blocks(weight, bits, size, symmetric=symmetric)
    arrays = {"b": stored, "s": scales.reshape(-1)}
    if zeros is not None:
        arrays["z"] = packed_zeros(zeros, bits).reshape(-1)
    return arrays


@pytest.fixture
def nbits(node: Any, build: Any) -> Any:
    """nbits(arrays, K, N, ..): a model of one MatMulNBits."""

    def make(
        arrays: dict[str, np.ndarray], k: int, n: int, x_type: Any = FLOAT, **attributes: Any
    ) -> onnx.ModelProto:
        names = ["x", "b", "s", "z" if "z" in arrays else ""]
        names += [name if name in arrays else "" for name in ("g", "bias")]
        made = node("MatMulNBits", names, ["y"], domain="com.microsoft", K=k, N=n, **attributes)
        model = build([made], {"x": (x_type, ["N", k])}, ["y"], arrays)
        if not any(opset.domain == "com.microsoft" for opset in model.opset_import):
            model.opset_import.append(onnx.helper.make_opsetid("com.microsoft", 1))
        return model

    return make


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize(
    ("k", "n", "bits", "size"), [(64, 24, 4, 32), (100, 7, 4, 16), (96, 5, 4, 32), (64, 8, 8, 32)]
)
def test_results_equal_onnxruntime(
    k: int, n: int, bits: int, size: int, symmetric: bool, nbits: Any, compare: Any
) -> None:
    arrays = constants(k, n, bits, size, symmetric=symmetric)
    model = nbits(arrays, k, n, bits=bits, block_size=size)
    x = np.random.default_rng(1).standard_normal((3, k)).astype(FLOAT)
    module = compare(model, {"x": x}, others=[{"x": x[:1]}], atol=1e-4)
    (op,) = (op for op in main_function(module).body.block.ops if isinstance(op, MatmulNBitsOp))
    assert (op.zero_points is None) is symmetric


def test_a_bias(nbits: Any, compare: Any) -> None:
    bias = np.linspace(-3, 3, 6, dtype=FLOAT)
    arrays = constants(32, 6, 4, 16, symmetric=True) | {"bias": bias}
    x = np.random.default_rng(1).standard_normal((3, 32)).astype(FLOAT)
    compare(nbits(arrays, 32, 6, bits=4, block_size=16), {"x": x}, atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bits": 2}, "attribute bits = 2 is not supported; expected 4 or 8"),
        ({"block_size": 3}, "a block of 4-bit weights to be whole bytes"),
        ({"N": 7}, r"its weight B is uint8 \[6, 2, 8\], expected uint8 \[7, 2, 8\]"),
        ({"K": 31}, r"operand A has shape \[.*32\], but attribute K is 31"),
        ({"weight_prepacked": 1}, "attribute weight_prepacked = 1 is not supported"),
        ({"x_type": np.float16}, "operand A is f16; only float32 activations are supported"),
        ({"s": np.ones(5, FLOAT)}, r"its scales is float32 \[5\], expected float32 \[6, 2\]"),
        ({"s": np.full(12, np.inf, FLOAT)}, "its scales contains infinite values"),
        ({"z": np.ones(12, FLOAT)}, "zero points .* is float32"),
        ({"g": np.zeros(32, np.int32)}, "operand g_idx"),
    ],
)
def test_what_is_refused(change: dict[str, Any], message: str, nbits: Any, context: Any) -> None:
    arrays = constants(32, 6, 4, 16, symmetric=True)
    arrays |= {name: value for name, value in change.items() if isinstance(value, np.ndarray)}
    others = {name: value for name, value in change.items() if not isinstance(value, np.ndarray)}
    attributes = {"bits": 4, "block_size": 16, **others}
    model = nbits(arrays, 32, 6, attributes.pop("x_type", FLOAT), **{
        name: value for name, value in attributes.items() if name not in ("K", "N")
    })  # fmt: skip
    for attribute in model.graph.node[0].attribute:
        if attribute.name in attributes:
            attribute.i = attributes[attribute.name]
    with pytest.raises(OctetError, match=message):
        import_onnx(model, context)
