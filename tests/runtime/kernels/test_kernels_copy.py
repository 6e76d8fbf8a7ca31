"""Copies, constants, borders and padding against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.kernels.abi import View
from runtime.kernels.copy import copy_calls, fill_calls, halo_calls, pad_calls
from runtime.reference import movement
from tests.runtime.kernels.strided_arrays import assert_computes, shapes, strided, values

TYPES = ["uint8", "int16", "float32", "int64"]


@settings(max_examples=80, deadline=None)
@given(shapes, st.sampled_from(TYPES), st.data())
def test_any_strides(shape: tuple[int, ...], dtype: str, data: st.DataObject) -> None:
    x = data.draw(strided(shape))(values(np.random.default_rng(0), shape, dtype))
    y = data.draw(strided(shape))(np.zeros(shape, dtype))
    assert_computes(copy_calls(View.of(x), View.of(y)), y, x)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("permutation", [(0, 2, 3, 1), (0, 3, 1, 2), (3, 2, 1, 0), (1, 0, 2, 3)])
def test_transpose(dtype: str, permutation: tuple[int, ...]) -> None:
    x = values(np.random.default_rng(1), (2, 65, 7, 40), dtype).transpose(permutation)
    y = np.zeros(x.shape, dtype)
    assert_computes(copy_calls(View.of(x), View.of(y)), y, x)


def test_broadcast() -> None:
    x = values(np.random.default_rng(2), (5, 1, 33), "float32")
    y = np.zeros((4, 5, 6, 33), np.float32)
    assert_computes(copy_calls(View.of(x), View.of(y)), y, np.broadcast_to(x, y.shape))


def test_rank_eight() -> None:
    x = values(np.random.default_rng(3), (2, 3, 2, 2, 3, 2, 2, 3), "uint8")
    x = x.transpose(7, 0, 5, 2, 3, 6, 1, 4)
    y = np.zeros(x.shape, np.uint8)
    assert_computes(copy_calls(View.of(x), View.of(y)), y, x)


def test_another_element_size_is_refused() -> None:
    with pytest.raises(ValueError, match="sizes differ"):
        copy_calls(View.of(np.zeros(3, np.float32)), View.of(np.zeros(3, np.uint8)))


@pytest.mark.parametrize(
    ("dtype", "value"), [("uint8", 200), ("int8", -3), ("float32", -0.5), ("int64", -9)]
)
def test_fill(dtype: str, value: float) -> None:
    y = np.zeros((5, 40, 6), dtype)[:, ::2, 1:]
    assert_computes(fill_calls(View.of(y), value), y, np.full(y.shape, value, dtype))


@pytest.mark.parametrize("halo", [(1, 1, 1, 1), (1, 2, 0, 3), (2, 0, 2, 0), (0, 1, 1, 0)])
def test_halo(halo: tuple[int, int, int, int]) -> None:
    top, left, bottom, right = halo
    memory = np.zeros((2, 20, 21, 17), np.uint8)
    y = memory[:, 2 - top : 17 + bottom, 3 - left : 17 + right].transpose(0, 3, 1, 2)
    interior = memory[:, 2:17, 3:17].transpose(0, 3, 1, 2)
    expected = np.full(y.shape, 7, np.uint8)
    expected[:, :, top : top + 15, left : left + 14] = 0xFF  # what assert_computes writes before
    assert_computes(halo_calls(View.of(interior), halo, 7), y, expected)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize(
    "pads",
    [(0, 2, 3, 6, 1, 1, 9, 2), (0, 0, 1, 2, 0, 0, 1, 2), (-1, 1, -1, 4, 0, -2, 3, -1), (0,) * 8],
)
def test_pad(mode: str, dtype: str, pads: tuple[int, ...]) -> None:
    x = values(np.random.default_rng(4), (2, 3, 4, 5), dtype).transpose(0, 1, 3, 2)
    expected = movement.pad(x, pads=pads, mode=mode, value=9)
    y = np.zeros(expected.shape, dtype)
    assert_computes(pad_calls(View.of(x), View.of(y), pads, mode, 9), y, expected)
