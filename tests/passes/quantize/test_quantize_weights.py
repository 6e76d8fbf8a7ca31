"""Weights in groups of few bits: what rounding them may cost."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from passes.quantize.quantize_weights import quantize_blocks
from runtime.reference.blocks import dequantize_blocks, pack_blocks, unpack_blocks

F32 = np.float32
FIXED = settings(max_examples=100, deadline=None, derandomize=True, database=None)


def weights(seed: int, kind: str, k: int, n: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    drawn = {
        "normal": rng.standard_normal((k, n)),
        "one sign": np.abs(rng.standard_normal((k, n))) + 1,
        "outliers": rng.standard_normal((k, n)) ** 5,
        "zeros": np.zeros((k, n)),
        "tiny": rng.standard_normal((k, n)) * 1e-20,
        "huge": rng.standard_normal((k, n)) * 1e30,
    }
    return drawn[kind].astype(F32)


KINDS = st.sampled_from(["normal", "one sign", "outliers", "zeros", "tiny", "huge"])


def restored(weight: np.ndarray, bits: int, size: int, *, symmetric: bool) -> np.ndarray:
    stored, scales, zeros = quantize_blocks(weight, bits, size, symmetric=symmetric)
    return dequantize_blocks(stored, scales, zeros, bits=bits, k=len(weight))


def by_group(values: np.ndarray, size: int) -> np.ndarray:
    """[K, N] as [blocks, size, N], the last block filled with zeros."""
    rest = -len(values) % size
    return np.pad(values, ((0, rest), (0, 0))).reshape(-1, size, values.shape[1])


@FIXED
@given(k=st.integers(1, 80), n=st.integers(1, 9), kind=KINDS, seed=st.integers(0, 99))
def test_a_symmetric_byte_is_half_a_step_away_at_most(k: int, n: int, kind: str, seed: int) -> None:
    weight = weights(seed, kind, k, n)
    step = np.abs(weight).max(0) / 127
    error = np.abs(restored(weight, 8, k, symmetric=True) - weight)
    assert np.all(error <= 0.5001 * step + 1e-37)


@FIXED
@given(
    k=st.integers(1, 80),
    n=st.integers(1, 9),
    size=st.sampled_from([16, 32, 64]),
    symmetric=st.booleans(),
    kind=KINDS,
    seed=st.integers(0, 99),
)
def test_four_bits_lose_no_more_than_by_the_extremes_of_a_group(
    k: int, n: int, size: int, symmetric: bool, kind: str, seed: int
) -> None:
    """The whole range of a group is among those that are tried."""
    weight = weights(seed, kind, k, n)
    groups = by_group(weight.astype(np.float64), size)
    low, high = groups.min(1, initial=0), groups.max(1, initial=0)
    step = np.maximum(-low, high) / 7 if symmetric else (high - low) / 15
    step = np.where(step > 2.0**-100, step, 1.0)[:, None]
    zero = 8.0 if symmetric else np.clip(np.rint(-low[:, None] / step), 0, 15)
    plain = (np.clip(np.rint(groups / step) + zero, 0, 15) - zero) * step
    found = by_group(restored(weight, 4, size, symmetric=symmetric).astype(np.float64), size)
    least = np.sum((plain - groups) ** 2, axis=1)
    rounding = 1e-12 * np.sum(groups**2, axis=1)
    assert np.all(np.sum((found - groups) ** 2, axis=1) <= least * (1 + 1e-4) + rounding)


def test_the_ends_of_a_group_are_clamped_where_that_pays() -> None:
    """256 normal numbers: for 15 steps the best range is less than that of their extremes."""
    weight = np.random.default_rng(0).standard_normal((256, 200)).astype(F32)
    searched = np.square(restored(weight, 4, 256, symmetric=False) - weight).sum()
    step = (weight.max(0) - weight.min(0)) / 15
    zero = np.rint(-weight.min(0) / step)
    plain = (np.clip(np.rint(weight / step) + zero, 0, 15) - zero) * step
    assert searched < 0.95 * np.square(plain - weight).sum()


@FIXED
@given(
    n=st.integers(1, 5), blocks=st.integers(1, 5), half=st.integers(1, 9), seed=st.integers(0, 9)
)
def test_packing_loses_nothing(n: int, blocks: int, half: int, seed: int) -> None:
    stored = np.random.default_rng(seed).integers(0, 16, (n, blocks, 2 * half)).astype(np.uint8)
    packed = pack_blocks(stored, 4)
    assert packed.shape == (n, blocks, half)
    np.testing.assert_array_equal(unpack_blocks(packed, 4), stored)
