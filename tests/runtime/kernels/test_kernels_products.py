"""Products of 16-bit floats, and the ways to clamp bytes, on every instruction set."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.executor import run_calls
from runtime.kernels.abi import View
from runtime.kernels.epilogue import CLAMPS, Clamp, Epilogue, OutputKind, u8_clamp
from runtime.kernels.isa import Isa
from runtime.kernels.matmul import matmul_calls

F32 = np.float32
FIXED = settings(max_examples=15, deadline=None, derandomize=True, database=None)
HALVES: dict[OutputKind, Any] = {"bf16": ml_dtypes.bfloat16, "f16": np.float16}
ROUNDING = {"bf16": 2.0**-8, "f16": 2.0**-11, "f32": 2.0**-23}


@pytest.mark.parametrize("kind", list(HALVES))
@FIXED
@given(
    m=st.integers(1, 26),
    k=st.integers(1, 40),
    n=st.integers(1, 140),
    result=st.sampled_from(["half", "f32"]),
    residual=st.booleans(),
    seed=st.integers(0, 100),
)
def test_halves(
    isa: Isa, kind: OutputKind, m: int, k: int, n: int, result: str, residual: bool, seed: int
) -> None:
    """Sums in float32, rounded once; NaNs past the activations are not read into them."""
    rng = np.random.default_rng(seed)
    half = HALVES[kind]
    memory = np.full(m * k + 32, np.nan, half)
    a = memory[: m * k].reshape(m, k)
    a[...] = rng.standard_normal((m, k))
    b = rng.standard_normal((k, n)).astype(half)
    bias = rng.standard_normal(n).astype(F32)
    output: OutputKind = kind if result == "half" else "f32"
    epilogue = Epilogue(output, lo=-1.5, hi=4.0)
    r = rng.standard_normal((m, n)).astype(epilogue.dtype)
    y = np.full((m + 2, n), 7, epilogue.dtype)
    added = View.of(r) if residual else None
    run_calls(
        matmul_calls(
            View.of(a), b, bias, View.of(y[1:-1]), epilogue=epilogue, isa=isa, residual=added
        )
    )
    a64, b64 = a.astype(np.float64), b.astype(np.float64)
    exact = a64 @ b64 + bias + (r.astype(np.float64) if residual else 0)
    magnitude = abs(a64) @ abs(b64) + abs(bias) + 3
    tolerance = (k + 3) * 2.0**-23 * magnitude + ROUNDING[output] * 4
    assert np.all(np.abs(y[1:-1].astype(np.float64) - np.clip(exact, -1.5, 4)) <= tolerance)
    assert np.all(y[[0, -1]] == 7)


def bytes_expected(acc: np.ndarray, epilogue: Epilogue) -> np.ndarray:
    """The definition: clamp, round half to even, add the zero point."""
    f = acc.astype(F32) * epilogue.multiplier
    z = epilogue.zero_point
    q = (np.rint(np.clip(f, epilogue.lo - z, epilogue.hi - z)) + z).astype(np.uint8)
    return q if epilogue.table is None else epilogue.table[q]


@pytest.mark.parametrize("clamp", CLAMPS)
@pytest.mark.parametrize("lookup", [False, True])
@pytest.mark.parametrize("n", [5, 24, 33, 64, 70, 150])
def test_clamps_give_the_same_bits(isa: Isa, clamp: Clamp, lookup: bool, n: int) -> None:
    rng = np.random.default_rng(n)
    a = rng.integers(0, 256, (17, 39)).astype(np.uint8)
    b = rng.integers(-128, 128, (39, n)).astype(np.int8)
    scale = rng.uniform(1e-4, 2e-2, n).astype(F32)
    if clamp == "real":
        scale[0] = 1e7  # times a sum it is beyond int32
    lo, hi = (0, 255) if clamp == "none" else (31, 201)
    table = rng.permutation(256).astype(np.uint8) if lookup else None
    epilogue = Epilogue("u8", scale, 77, lo, hi, table=table)
    acc = a.astype(np.int64) @ b.astype(np.int64)
    assert u8_clamp(epilogue, (acc.min(0), acc.max(0))) == clamp
    y = np.zeros((17, n), np.uint8)
    run_calls(matmul_calls(View.of(a), b, None, View.of(y), epilogue=epilogue, isa=isa))
    np.testing.assert_array_equal(y, bytes_expected(acc, epilogue))


def test_a_clamp_is_saturated_only_if_no_conversion_overflows() -> None:
    small, large = np.array([1e-9], F32), np.array([1.0], F32)
    sums = np.array([-(2**30)]), np.array([2**30])
    assert u8_clamp(Epilogue("u8", small, 0, 0, 255), None) == "none"
    assert u8_clamp(Epilogue("u8", small, 0, 3, 255), None) == "bytes"
    assert u8_clamp(Epilogue("u8", large, 0, 0, 255), None) == "real"
    assert u8_clamp(Epilogue("u8", large, 0, 0, 255), sums) == "none"
    assert u8_clamp(Epilogue("u8", large * 2, 0, 0, 255), sums) == "real"
    assert u8_clamp(Epilogue("u8", np.array([np.nan], F32), 0, 0, 255), sums) == "real"
    assert u8_clamp(Epilogue("u8", small, 0, 0, 255, 1e9, 9), None) == "real"


PROGRAM = """
import numpy as np
from runtime.executor import run_calls
from runtime.kernels.abi import View
from runtime.kernels.epilogue import Epilogue
from runtime.kernels.isa import best_isa
from runtime.kernels.matmul import matmul_calls
rng = np.random.default_rng(0)
a = rng.integers(0, 256, (9, 21)).astype(np.uint8)
b = rng.integers(-128, 128, (21, 45)).astype(np.int8)
y, f = np.zeros((9, 45), np.uint8), np.zeros((9, 45), np.float32)
epilogue = Epilogue("u8", np.full(45, 0.01, np.float32), 9, 0, 255)
run_calls(matmul_calls(View.of(a), b, None, View.of(y), epilogue=epilogue, isa=best_isa()))
real = (a.astype(np.int32) @ b.astype(np.int32)).astype(np.float32) * np.float32(0.01)
assert (y == np.rint(np.clip(real, -9, 246)) + 9).all()
x, w = a.astype(np.float16), b.astype(np.float16)
run_calls(matmul_calls(View.of(x), w, None, View.of(f), epilogue=Epilogue("f32"), isa=best_isa()))
assert (f == a.astype(np.float32) @ b.astype(np.float32)).all()
print(best_isa())
"""


@pytest.mark.parametrize(
    ("cpu", "features", "expected"),
    [("haswell", "+avx2,+fma,+f16c", "avx2"), ("x86-64", "+sse2", "portable")],
)
def test_older_cpus(cpu: str, features: str, expected: str) -> None:
    """Code for another CPU, as far as this one can run it."""
    environment = {**os.environ, "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=170,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == expected
