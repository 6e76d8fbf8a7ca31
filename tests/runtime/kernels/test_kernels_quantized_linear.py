"""Matrix products with weights of few bits, and with dynamic activations, against the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from passes.quantize.quantize_weights import quantize_blocks
from runtime.emission.site import Scratch
from runtime.executor import run_calls
from runtime.kernels.abi import View
from runtime.kernels.isa import Isa
from runtime.kernels.matmul_dynamic import matmul_dynamic_calls
from runtime.kernels.matmul_nbits import matmul_nbits_calls
from runtime.kernels.nbits_format import BlockFormat
from runtime.kernels.nbits_packing import Blocks
from runtime.reference.blocks import dequantize_blocks, matmul_nbits
from runtime.reference.integer.dynamic import matmul_dynamic, quantize_rows
from runtime.reference.quantization import QuantParams
from tests.runtime.kernels.kernel_arrays import dense

F32 = np.float32
UNBOUNDED = (-np.inf, np.inf)
FIXED = settings(max_examples=40, deadline=None, derandomize=True, database=None)


def floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(F32)


@FIXED
@given(
    m=st.integers(1, 20),
    k=st.integers(1, 150),
    n=st.integers(1, 150),
    bits=st.sampled_from([4, 8]),
    size=st.sampled_from([2, 6, 16, 32, 128]),
    symmetric=st.booleans(),
    extras=st.booleans(),
    seed=st.integers(0, 100),
)
def test_weight_only(
    isa: Isa,
    m: int,
    k: int,
    n: int,
    bits: int,
    size: int,
    symmetric: bool,
    extras: bool,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    a, weight = floats(rng, m, k), floats(rng, k, n)
    stored, scales, zeros = quantize_blocks(weight, bits, size, symmetric=symmetric)
    bias, residual = (floats(rng, n), floats(rng, m, n)) if extras else (None, None)
    bounds = (-1.0, 2.0) if extras else UNBOUNDED
    # NaN behind the last row: weights beyond K have no meaning, nor has what they would meet.
    x, y = dense(a), dense(np.zeros((m, n), F32))
    scratch = Scratch()
    calls = matmul_nbits_calls(
        x.view,
        Blocks(stored, scales, zeros, bits, size),
        bias,
        y.view,
        bounds=bounds,
        isa=isa,
        memory=scratch.take,
        residual=None if residual is None else View.of(residual),
    )
    run_calls(calls)
    y.assert_guards()
    expected = matmul_nbits(
        a, stored, scales, zeros, bias, residual, bits=bits, block_size=size,
        activation=("clip", *bounds) if extras else None,
    )  # fmt: skip
    real = dequantize_blocks(stored, scales, zeros, bits=bits, k=k)
    # Parts of a block are summed before they are scaled, and zero points taken off their sum.
    reach = np.abs(a) @ (np.abs(real) + 16 * np.repeat(scales, size, 1)[:, :k].T) + 4
    assert np.all(np.abs(y.array - expected) <= (k + 8) * 2.0**-24 * reach)


@FIXED
@given(
    lead=st.sampled_from([(), (1,), (7,), (2, 3)]),
    k=st.integers(1, 150),
    n=st.integers(1, 150),
    per_column=st.booleans(),
    extras=st.booleans(),
    scale=st.sampled_from([1e-30, 1.0, 1e6]),
    seed=st.integers(0, 100),
)
def test_dynamic_has_the_bits_of_the_reference(
    isa: Isa,
    lead: tuple[int, ...],
    k: int,
    n: int,
    per_column: bool,
    extras: bool,
    scale: float,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    a = (floats(rng, *lead, k) + F32(rng.integers(-3, 4))) * F32(scale)
    b = rng.integers(-127, 128, (k, n)).astype(np.int8)
    steps = rng.uniform(1e-3, 1e-2, n if per_column else ()).astype(F32)
    bias, residual = (floats(rng, n), floats(rng, *lead, n)) if extras else (None, None)
    bounds = (0.0, np.inf) if extras else UNBOUNDED
    y = dense(np.zeros((*lead, n), F32))
    scratch = Scratch()
    calls = matmul_dynamic_calls(
        View.of(a),
        b,
        steps,
        bias,
        y.view,
        bounds=bounds,
        isa=isa,
        memory=scratch.take,
        residual=None if residual is None else View.of(residual),
    )
    run_calls(calls)
    y.assert_guards()
    expected = matmul_dynamic(
        a,
        b,
        bias,
        residual,
        b_params=QuantParams.of(np.int8, steps, axis=1 if per_column else None),
        activation=("clip", *bounds) if extras else None,
    )
    np.testing.assert_array_equal(y.array, expected)


def test_rows_of_zeros_and_of_one_sign(isa: Isa) -> None:
    a = np.array([[0, 0, 0], [1, 2, 3], [-1, -2, -3], [0, 0, 1e-38]], F32)
    b = np.array([[1, -2], [3, 4], [-5, 6]], np.int8)
    y, scratch = np.zeros((4, 2), F32), Scratch()
    params = QuantParams.of(np.int8, F32(0.5))
    run_calls(
        matmul_dynamic_calls(
            View.of(a), b, np.asarray(F32(0.5)), None, View.of(y),
            bounds=UNBOUNDED, isa=isa, memory=scratch.take,
        )
    )  # fmt: skip
    np.testing.assert_array_equal(y, matmul_dynamic(a, b, b_params=params))
    np.testing.assert_allclose(y, a @ b * F32(0.5), atol=0.1)
    assert not y[0].any()


@pytest.mark.parametrize("bits", [4, 8])
def test_packed_weights_take_the_bytes_they_need(bits: int) -> None:
    """As many bits as they have, and 5 bytes for each group: its scale and zero point."""
    from runtime.kernels.isa import AVX512BW

    weight = np.random.default_rng(0).standard_normal((256, 128)).astype(F32)
    stored, scales, zeros = quantize_blocks(weight, bits, 128, symmetric=False)
    form = BlockFormat(AVX512BW, bits, True, 4)
    packed = Blocks(stored, scales, zeros, bits, 128).packed(form)
    assert packed.nbytes == weight.size * bits // 8 + 5 * scales.size


def test_a_row_is_quantized_as_onnx_says() -> None:
    """DynamicQuantizeLinear of onnxruntime, one row at a time."""
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    names = ["q", "scale", "zero"]
    types = [onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("DynamicQuantizeLinear", ["x"], names)],
        "row",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [33])],
        [
            onnx.helper.make_tensor_value_info(name, type, [33] if name == "q" else [])
            for name, type in zip(names, types, strict=True)
        ],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = floats(np.random.default_rng(0), 20, 33) + np.arange(-10, 10, dtype=F32)[:, None] / 4
    stored, scales, zeros = quantize_rows(x)
    for row in range(len(x)):
        q, scale, zero = session.run(None, {"x": x[row]})
        np.testing.assert_array_equal(stored[row], q)
        assert (scales[row], zeros[row]) == (scale, zero)


def test_a_row_times_a_matrix_is_what_onnxruntime_makes_of_it(isa: Isa) -> None:
    """DynamicQuantizeLinear, MatMulInteger, and the scales: one row is one tensor."""
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(3)
    b = rng.integers(-127, 128, (40, 24)).astype(np.int8)
    steps = rng.uniform(1e-3, 1e-2, 24).astype(F32)
    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [
            node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
            node("MatMulInteger", ["q", "b", "zero"], ["acc"]),
            node("Cast", ["acc"], ["real"], to=onnx.TensorProto.FLOAT),
            node("Mul", ["scale", "steps"], ["factor"]),
            node("Mul", ["real", "factor"], ["y"]),
        ],
        "row",
        [value("x", onnx.TensorProto.FLOAT, [1, 40])],
        [value("y", onnx.TensorProto.FLOAT, [1, 24])],
        [onnx.numpy_helper.from_array(b, "b"), onnx.numpy_helper.from_array(steps, "steps")],
    )
    opset = [onnx.helper.make_opsetid("", 17)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    options = onnxruntime.SessionOptions()
    # Fused, it may multiply in another order.
    level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.graph_optimization_level = level
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    a = floats(rng, 1, 40)
    y, scratch = np.zeros((1, 24), F32), Scratch()
    run_calls(
        matmul_dynamic_calls(
            View.of(a), b, steps, None, View.of(y),
            bounds=UNBOUNDED, isa=isa, memory=scratch.take,
        )
    )  # fmt: skip
    np.testing.assert_array_equal(y, session.run(None, {"x": a})[0])
