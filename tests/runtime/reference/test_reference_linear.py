"""Float convolution and matrix product against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialects.errors import OctetError
from runtime.reference import REFERENCE

RNG = np.random.default_rng(11)
conv = REFERENCE["conv"]
conv_transpose = REFERENCE["conv_transpose"]
matmul = REFERENCE["matmul"]
CLOSE: Any = {"rtol": 1e-4, "atol": 1e-4}


def normal(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape, dtype=np.float32)


@st.composite
def convolutions(draw) -> dict:
    """Operand shapes and attributes of a valid convolution over one or two axes."""
    rank = draw(st.sampled_from([1, 2]))
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    per_group = draw(st.sampled_from([1, 2, 3]))

    def axes(low: int, high: int) -> list[int]:
        return draw(st.lists(st.integers(low, high), min_size=rank, max_size=rank))

    kernel, dilations = axes(1, 4), axes(1, 2)
    pads = [*axes(0, 3), *axes(0, 3)]
    spans = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    size = [span + extra for span, extra in zip(spans, axes(0, 6), strict=True)]
    return {
        "x": [draw(st.integers(1, 2)), groups * per_group, *size],
        "out_channels": groups * draw(st.integers(1, 3)),
        "kernel": kernel,
        "attributes": {
            "strides": axes(1, 3),
            "pads": pads,
            "dilations": dilations,
            "groups": groups,
        },
    }


def onnx_names(attributes: dict) -> dict:
    """The same attributes under ONNX's names."""
    renamed = {"groups": "group", "kernel": "kernel_shape"}
    return {renamed.get(name, name): value for name, value in attributes.items()}


@settings(deadline=None, max_examples=80)
@given(case=convolutions())
def test_conv(run_onnx, case):
    attributes = case["attributes"]
    x = normal(*case["x"])
    out = case["out_channels"]
    weight = normal(out, x.shape[1] // attributes["groups"], *case["kernel"])
    bias = normal(out)
    expected = run_onnx("Conv", [x, weight, bias], **onnx_names(attributes))
    np.testing.assert_allclose(conv(x, weight, bias, **attributes), expected, **CLOSE)


@settings(deadline=None, max_examples=80)
@given(case=convolutions(), extra=st.booleans())
def test_conv_transpose(run_onnx, case, extra):
    attributes = dict(case["attributes"])
    # The padding of a transposed convolution crops its result: leave at least one element.
    attributes["pads"] = [
        min(pad, (k - 1) // 2)
        for pad, k in zip(attributes["pads"], case["kernel"] * 2, strict=True)
    ]
    attributes["output_padding"] = [int(extra and s > 1) for s in attributes["strides"]]
    x = normal(*case["x"])
    weight = normal(x.shape[1], case["out_channels"] // attributes["groups"], *case["kernel"])
    bias = normal(case["out_channels"])
    expected = run_onnx("ConvTranspose", [x, weight, bias], **onnx_names(attributes))
    np.testing.assert_allclose(conv_transpose(x, weight, bias, **attributes), expected, **CLOSE)


def test_conv_fuses_bias_residual_and_activation():
    x, weight, bias, residual = (
        normal(2, 4, 6, 6),
        normal(5, 4, 3, 3),
        normal(5),
        normal(2, 5, 6, 6),
    )
    attributes = {"strides": [1, 1], "pads": [1, 1, 1, 1], "dilations": [1, 1], "groups": 1}
    plain = conv(x, weight, **attributes)
    fused = conv(x, weight, bias, residual, activation=("clip", 0.0, 6.0), **attributes)
    expected = np.clip(plain + bias.reshape(1, 5, 1, 1) + residual, 0, 6)
    np.testing.assert_array_equal(fused, expected)
    relu = conv(x, weight, activation=("clip", 0.0, float("inf")), **attributes)
    np.testing.assert_array_equal(relu, np.maximum(plain, 0))


def test_conv_in_bfloat16_accumulates_in_float32():
    x, weight = (v.astype(ml_dtypes.bfloat16) for v in (normal(1, 8, 5, 5), normal(3, 8, 3, 3)))
    attributes = {"strides": [1, 1], "pads": [0] * 4, "dilations": [1, 1], "groups": 1}
    result = conv(x, weight, **attributes)
    expected = conv(x.astype(np.float32), weight.astype(np.float32), **attributes)
    assert result.dtype == ml_dtypes.bfloat16
    assert np.array_equal(result, expected.astype(ml_dtypes.bfloat16))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((5, 7), (7, 3)),
        ((2, 3, 5, 7), (7, 3)),
        ((2, 1, 5, 7), (3, 7, 4)),
        ((7,), (7, 3)),
        ((5, 7), (7,)),
    ],
)
def test_matmul(run_onnx, a, b):
    x, y = normal(*a), normal(*b)
    expected = run_onnx("MatMul", [x, y])
    result = matmul(x, y)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, **CLOSE)


def test_matmul_fuses_bias_residual_and_activation():
    a, b, bias, residual = normal(2, 5, 7), normal(7, 3), normal(3), normal(2, 5, 3)
    fused = matmul(a, b, bias, residual, activation=("clip", -1.0, 1.0))
    np.testing.assert_array_equal(fused, np.clip(matmul(a, b) + bias + residual, -1, 1))


def test_unknown_activation_is_an_error():
    with pytest.raises(OctetError, match="'swish' is not known"):
        matmul(normal(2, 2), normal(2, 2), activation=("swish", 0.0, 1.0))
