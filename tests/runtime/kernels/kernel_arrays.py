"""Arrays as kernels get them: channels last, with a border to read and guards that nobody may
write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runtime.kernels.abi import View, aligned

GUARD = 64
"""Elements before and after a buffer; kernels may read so many bytes past the end, and write
none."""


@dataclass
class Guarded:
    """A buffer between guards; `view` is the window a kernel gets, `array` the same as numpy sees
    it."""

    memory: np.ndarray
    array: np.ndarray
    untouched: np.ndarray

    @property
    def view(self) -> View:
        return View.of(self.array)

    def assert_guards(self) -> None:
        """Nothing but `array` has been written."""
        saved = self.array.copy()
        self.array[...] = 0
        np.testing.assert_array_equal(self.memory, self.untouched)
        self.array[...] = saved


def _noise(count: int, dtype: np.dtype) -> np.ndarray:
    """What a kernel must ignore: any bytes, and NaNs as floats."""
    if dtype == np.float32:
        return np.full(count, np.nan, np.float32)
    return np.random.default_rng(7).integers(0, 100, count).astype(dtype)


def channels_last(
    shape: Sequence[int], dtype: Any, pads: Sequence[int] = (), fill: float = 0, extra: int = 0
) -> Guarded:
    """A window [N, C, spatial...] onto memory [N, spatial..., C].

    It lies in a buffer with a border of `pads` (beginnings, ends), filled with `fill`, and of
    `extra` more channels; all else is noise.
    """
    dtype = np.dtype(dtype)
    rank = len(shape) - 2
    pads = tuple(pads) or (0,) * (2 * rank)
    padded = [size + pads[i] + pads[rank + i] for i, size in enumerate(shape[2:])]
    outer = (shape[0], *padded, shape[1] + extra)
    count = int(np.prod(outer))
    memory = aligned(_noise(count + 2 * GUARD, dtype))  # as a plan aligns its buffers
    buffer = memory[GUARD : GUARD + count].reshape(outer)
    first = extra // 2
    buffer = buffer[..., first : first + shape[1]]
    buffer[...] = fill
    inner = tuple(slice(pads[i], pads[i] + size) for i, size in enumerate(shape[2:]))
    window = buffer[(slice(None), *inner)]
    window[...] = 0
    array = np.moveaxis(window, -1, 1)
    return Guarded(memory, array, memory.copy())


def filled(values: np.ndarray, **options: Any) -> Guarded:
    """`channels_last` holding `values`."""
    guarded = channels_last(values.shape, values.dtype, **options)
    guarded.array[...] = values
    return guarded


def dense(values: np.ndarray) -> Guarded:
    """`values` in the order of their shape."""
    memory = _noise(values.size + 2 * GUARD, values.dtype)
    array = memory[GUARD : GUARD + values.size].reshape(values.shape)
    array[...] = values
    return Guarded(memory, array, _blank(memory, values.size))


def _blank(memory: np.ndarray, size: int) -> np.ndarray:
    """A copy of `memory` whose inside is zero, as `Guarded.assert_guards` compares it."""
    copy = memory.copy()
    copy[GUARD : GUARD + size] = 0
    return copy
