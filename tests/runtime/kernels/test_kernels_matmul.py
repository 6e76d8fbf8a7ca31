"""Matrix product kernels against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.executor import run_calls
from runtime.kernels.abi import View
from runtime.kernels.epilogue import Epilogue
from runtime.kernels.isa import Isa
from runtime.kernels.matmul import matmul_calls

F32 = np.float32
FIXED = settings(max_examples=20, deadline=None, derandomize=True, database=None)


def floats(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(F32)


def assert_product(
    y: np.ndarray, a: np.ndarray, b: np.ndarray, bias: np.ndarray | None = None
) -> None:
    """A float32 sum of K products is within K ulps of the sum of magnitudes."""
    added = 0.0 if bias is None else bias.astype(np.float64)
    exact = np.matmul(a.astype(np.float64), b.astype(np.float64)) + added
    magnitude = np.matmul(abs(a).astype(np.float64), abs(b).astype(np.float64)) + np.abs(added)
    assert y.shape == exact.shape
    assert np.all(np.abs(y - exact) <= (a.shape[-1] + 2) * 2.0**-24 * magnitude)


@FIXED
@given(
    m=st.integers(1, 30),
    k=st.integers(1, 40),
    n=st.integers(1, 100),
    lead=st.sampled_from([(), (2,), (3, 2)]),
    seed=st.integers(0, 100),
)
def test_integer(isa: Isa, m: int, k: int, n: int, lead: tuple[int, ...], seed: int) -> None:
    rng = np.random.default_rng(seed)
    za = int(rng.integers(0, 256))
    a = rng.integers(0, 256, (*lead, m, k)).astype(np.uint8)
    b = rng.integers(-128, 128, (k, n)).astype(np.int8)
    bias = rng.integers(-999, 999, n).astype(np.int32)
    acc = (a.astype(np.int64) - za) @ b.astype(np.int64) + bias
    scale = rng.uniform(0.5, 2, n).astype(F32) / F32(50 * k)
    y = np.zeros((*lead, m, n), np.uint8)
    epilogue = Epilogue("u8", scale, 9, 0, 255)
    run_calls(
        matmul_calls(View.of(a), b, bias, View.of(y), epilogue=epilogue, isa=isa, a_zero_point=za)
    )
    f = np.clip(acc.astype(F32) * scale, -9, 246)
    np.testing.assert_array_equal(y, (np.rint(f) + 9).astype(np.uint8))


def test_integer_weights_with_zero_points(isa: Isa) -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (7, 33)).astype(np.uint8)
    b = rng.integers(0, 256, (33, 9)).astype(np.uint8)
    y = np.zeros((7, 9), np.int32)
    run_calls(
        matmul_calls(
            View.of(a),
            b,
            None,
            View.of(y),
            epilogue=Epilogue("i32"),
            isa=isa,
            a_zero_point=3,
            b_zero_point=200,
        )
    )
    expected = (a.astype(np.int32) - 3) @ (b.astype(np.int32) - 200)
    np.testing.assert_array_equal(y, expected)


def test_integer_transposed_activations(isa: Isa) -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (33, 7)).astype(np.uint8)
    b = rng.integers(-128, 128, (33, 9)).astype(np.int8)
    y = np.zeros((7, 9), np.int32)
    run_calls(matmul_calls(View.of(a.T), b, None, View.of(y), epilogue=Epilogue("i32"), isa=isa))
    np.testing.assert_array_equal(y, a.T.astype(np.int32) @ b.astype(np.int32))


@FIXED
@given(
    m=st.integers(1, 30),
    k=st.integers(1, 40),
    n=st.integers(1, 100),
    dynamic=st.booleans(),
    transposed=st.booleans(),
    leads=st.sampled_from([((), ()), ((2,), (2,)), ((3, 2), ()), ((2, 1), (3,)), ((), (2,))]),
)
def test_float(
    isa: Isa,
    m: int,
    k: int,
    n: int,
    dynamic: bool,
    transposed: bool,
    leads: tuple[tuple[int, ...], tuple[int, ...]],
) -> None:
    a = floats(1, *leads[0], m, k)
    b = floats(2, *leads[1], n, k).swapaxes(-1, -2) if transposed else floats(2, *leads[1], k, n)
    bias = floats(3, n)
    y = np.full((*np.broadcast_shapes(*leads), m, n), np.nan, F32)
    second = View.of(b) if dynamic else b
    run_calls(matmul_calls(View.of(a), second, bias, View.of(y), epilogue=Epilogue("f32"), isa=isa))
    assert_product(y, a, b, bias)


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize(
    ("a_shape", "b_shape"), [((5,), (5, 3)), ((4, 5), (5,)), ((2, 4, 5), (5,)), ((5,), (5,))]
)
def test_vectors(
    isa: Isa, a_shape: tuple[int, ...], b_shape: tuple[int, ...], dynamic: bool
) -> None:
    a, b = floats(1, *a_shape), floats(2, *b_shape)
    y = np.full(np.matmul(a, b).shape, np.nan, F32)
    second = View.of(b) if dynamic else b
    run_calls(matmul_calls(View.of(a), second, None, View.of(y), epilogue=Epilogue("f32"), isa=isa))
    assert_product(y, a, b)


def test_residual_and_clamp(isa: Isa) -> None:
    a, b, r = floats(1, 2, 6, 5), floats(2, 5, 20), floats(3, 2, 6, 20)
    y = np.zeros((2, 6, 20), F32)
    epilogue = Epilogue("f32", lo=-0.5, hi=0.75)
    calls = matmul_calls(
        View.of(a), b, None, View.of(y), epilogue=epilogue, isa=isa, residual=View.of(r)
    )
    run_calls(calls)
    np.testing.assert_allclose(y, np.clip(a @ b + r, -0.5, 0.75), atol=1e-5)


def test_integer_matrix_must_be_constant(isa: Isa) -> None:
    a, b, y = np.zeros((2, 2), np.uint8), np.zeros((2, 2), np.int8), np.zeros((2, 2), np.int32)
    with pytest.raises(ValueError, match="int8 must be a constant"):
        matmul_calls(View.of(a), View.of(b), None, View.of(y), epilogue=Epilogue("i32"), isa=isa)
