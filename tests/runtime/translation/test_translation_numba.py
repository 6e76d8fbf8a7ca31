"""Translated functions compute what numba's do: operators on all pairs of types, and statements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from runtime.executor import run_calls
from runtime.kernels.abi import Call, Kernel
from runtime.kernels.compilers import VARIABLE
from runtime.kernels.intrinsics import POINTERS, argument
from runtime.kernels.strided import device

INTEGERS = ("int8", "uint8", "int32", "uint32", "int64", "uint64")
FLOATS = ("float32", "float64")
EDGES = (-(2**63), -(2**31), -129, -128, -7, -2, -1, 0, 1, 2, 5, 127, 255, 2**31, 2**63 - 1)
REALS = (-np.inf, -2.5, -1.0, -0.0, 0.0, 0.3, 1.0, 3.0, 1e30, np.inf, np.nan)


@device
def add(a: Any, b: Any) -> Any:
    return a + b


@device
def subtract(a: Any, b: Any) -> Any:
    return a - b


@device
def multiply(a: Any, b: Any) -> Any:
    return a * b


@device
def divide(a: Any, b: Any) -> Any:
    return a / b


@device
def quotient(a: Any, b: Any) -> Any:
    return a // b


@device
def remainder(a: Any, b: Any) -> Any:
    return a % b


@device
def bits(a: Any, b: Any) -> Any:
    return ((a & b) | (a ^ 3)) + ~b


@device
def shifts(a: Any, b: Any) -> Any:
    return (a << (b & 31)) ^ (a >> (b & 7))


@device
def order(a: Any, b: Any) -> Any:
    return (a < b) + 2 * (a <= b) + 4 * (a == b) + 8 * (a != b) + 16 * (a > b) + 32 * (a >= b)


@device
def extremes(a: Any, b: Any) -> Any:
    return min(a, b) - max(b, a)


@device
def signs(a: Any, b: Any) -> Any:
    return abs(a) + -b


@device
def choice(a: Any, b: Any) -> Any:
    return a if a > b or (b != b and not a == 2) else b  # noqa: SIM201


@device
def narrowed(a: Any, b: Any) -> Any:
    return np.int64(np.int8(a)) + np.int64(np.uint16(b)) + np.int64(np.int32(a) * np.int32(b))


@device
def early(a: Any, b: Any) -> Any:
    if a > 100:
        return a
    total = np.int64(b) * 0
    for i in range(5):
        if i == a:
            continue
        for j in range(i, -1, -2):
            if j == 3 and i == 4:
                return total
            total += j * i
    while total > 50:
        total -= 7
        if total == 60:
            break
    return total


@device
def pair(a: Any, b: Any) -> Any:
    if a < b:
        return b, a
    return a, b


@device
def swapped(a: Any, b: Any) -> Any:
    high, low = pair(a, b)
    high = high - low
    return high * 3 + low


ARITHMETIC = (add, subtract, multiply, extremes, signs, order, choice)
WHOLE = (quotient, remainder, bits, shifts, narrowed, early, swapped)


def results(
    function: Callable[..., Any], a: np.ndarray, b: np.ndarray, y: str
) -> tuple[np.ndarray, np.ndarray]:
    """function(a[i], b[j]) of all pairs: translated, and by numba."""
    a_pointer, b_pointer = POINTERS[a.dtype.name], POINTERS[b.dtype.name]
    y_pointer = POINTERS[y]

    def kernel(row: int, thread: int, threads: int) -> None:
        n, m = argument(row, 1), argument(row, 2)
        first, second = a_pointer(argument(row, 3)), b_pointer(argument(row, 4))
        result = y_pointer(argument(row, 5))
        for i in range(n):
            for j in range(m):
                result[i * m + j] = function(first[i], second[j])

    compiled = Kernel.of(kernel, function.__name__, a.dtype, b.dtype, y)
    words = (a.size, b.size, a.ctypes.data, b.ctypes.data)

    def computed_by(compiler: str) -> np.ndarray:
        result = np.zeros((a.size, b.size), y)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(VARIABLE, compiler)
            run_calls([Call(compiled, (*words, result.ctypes.data))])
        return result

    return computed_by("octet"), computed_by("numba")


def integers(name: str) -> np.ndarray:
    limits = np.iinfo(name)
    inside = [value for value in EDGES if limits.min <= value <= limits.max]
    return np.array([*inside, limits.max], name)


@pytest.mark.parametrize("function", [*ARITHMETIC, *WHOLE], ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    ("a", "b"),
    [("int64", "int64"), ("uint64", "uint64"), ("int32", "int32"), ("uint8", "int64")],
)
def test_integers(function: Callable[..., Any], a: str, b: str) -> None:
    if (a != b and function is swapped) or (a not in ("int64", "int32") and function is early):
        pytest.skip("its ways give different types")
    ours, theirs = results(function, integers(a), integers(b), "int64")
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("a", INTEGERS)
@pytest.mark.parametrize("b", INTEGERS)
def test_sums_of_any_integers(a: str, b: str) -> None:
    ours, theirs = results(add, integers(a), integers(b), "int64")
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("function", [*ARITHMETIC, divide], ids=lambda f: f.__name__)
@pytest.mark.parametrize(("a", "b"), [("float32", "float32"), ("float32", "float64")])
def test_floats(function: Callable[..., Any], a: str, b: str) -> None:
    ours, theirs = results(function, np.array(REALS, a), np.array(REALS, b), "float64")
    np.testing.assert_array_equal(ours, theirs)


def test_the_type_of_a_result_is_numbas() -> None:
    """A product of int32 does not wrap around, nor does one of uint8; a float32 stays one."""
    large = np.array([2**31 - 1], np.int32)
    assert results(multiply, large, large, "int64")[0][0, 0] == (2**31 - 1) ** 2
    octets = np.array([255], np.uint8)
    assert results(multiply, octets, octets, "int64")[0][0, 0] == 255**2
    third = np.array([1 / 3], np.float32)
    assert results(multiply, third, third, "float64")[0][0, 0] == float(third[0] * third[0])
