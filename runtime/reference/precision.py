"""How ops treat element types: half precisions compute in float32 and round once at the end."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
HALVES = (np.dtype(np.float16), BFLOAT16)


def is_float(dtype: np.dtype) -> bool:
    """True for float64, float32, float16 and bfloat16 (numpy does not count the last as float)."""
    return dtype == BFLOAT16 or np.issubdtype(dtype, np.floating)


def widen(x: np.ndarray) -> np.ndarray:
    """float16 and bfloat16 as float32 (exact); every other type unchanged."""
    return x.astype(np.float32) if x.dtype in HALVES else x


def narrow(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Round to `dtype` (half to even; a float16 that overflows becomes infinity)."""
    if x.dtype == dtype:
        return x
    with np.errstate(over="ignore"):
        return x.astype(dtype)


def in_float32(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Let a float32 function take half-precision operands.

    Every array operand is widened; the result is rounded to the first operand's type.
    """

    @functools.wraps(function)
    def on_any_float(x: np.ndarray, *operands: np.ndarray | None, **attributes: Any) -> np.ndarray:
        wide = [widen(v) if isinstance(v, np.ndarray) else v for v in operands]
        with np.errstate(all="ignore"):
            return narrow(np.asarray(function(widen(x), *wide, **attributes)), x.dtype)

    return on_any_float
