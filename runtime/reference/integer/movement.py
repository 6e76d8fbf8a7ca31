"""Ops that move or compare stored integers: exact, because quantization is monotone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dialects.errors import OctetError

from .. import elementwise, movement, pooling, reduction
from .. import resize as resizing
from ..quantization import QuantParams, quantize
from .table import by_table

_F32 = np.float32


def max_pool(
    x: np.ndarray, *, x_params: QuantParams, result_params: QuantParams, **window: Any
) -> np.ndarray:
    """Compare stored integers: quantization is monotone, so the order is the same."""
    _require_same("max_pool", x_params, result_params)
    return pooling.max_pool(x, **window)


def relu(x: np.ndarray, *, x_params: QuantParams, result_params: QuantParams) -> np.ndarray:
    """`clip` with bounds 0 and infinity."""
    return clip(x, x_params=x_params, result_params=result_params, min=0.0, max=None)


def clip(
    x: np.ndarray,
    *,
    x_params: QuantParams,
    result_params: QuantParams,
    min: float | None = None,
    max: float | None = None,
) -> np.ndarray:
    """Clip stored integers at the quantized bounds; where scales differ, by table."""
    if not x_params.same_as(result_params):
        return by_table(
            elementwise.clip, x, x_params=x_params, result_params=result_params, min=min, max=max
        )
    lo = -np.inf if min is None else min
    hi = np.inf if max is None else max
    x_params.scalars("clip: the input")
    lower, upper = quantize(np.array([lo, hi], dtype=_F32), x_params)
    return np.asarray(np.minimum(np.maximum(x, lower), upper))


def concat(
    *operands: np.ndarray,
    operand_params: Sequence[QuantParams],
    result_params: QuantParams,
    axis: int,
) -> np.ndarray:
    """Join stored integers; every operand has the result's quantization."""
    for params in operand_params:
        _require_same("concat", params, result_params)
    return movement.concat(*operands, axis=axis)


def pad(
    x: np.ndarray,
    *,
    x_params: QuantParams,
    result_params: QuantParams,
    pads: Sequence[int],
    mode: str,
    value: float = 0.0,
) -> np.ndarray:
    """Pad stored integers, with the quantized `value` (the zero point for 0)."""
    _require_same("pad", x_params, result_params)
    x_params.scalars("pad: the input")
    stored = quantize(np.asarray(value, dtype=_F32), x_params)
    return movement.pad(x, pads=pads, mode=mode, value=int(stored))  # type: ignore[arg-type]


def resize(
    x: np.ndarray,
    *,
    x_params: QuantParams,
    result_params: QuantParams,
    mode: str,
    extrapolation_value: float = 0.0,
    **attributes: Any,
) -> np.ndarray:
    """Nearest-neighbour resize of stored integers. Raises OctetError for the other modes."""
    _require_same("resize", x_params, result_params)
    x_params.scalars("resize: the input")
    if mode != "nearest":
        raise OctetError(f"resize: mode '{mode}' computes in float; only 'nearest' moves integers")
    stored = quantize(np.asarray(extrapolation_value, dtype=_F32), x_params)
    return resizing.resize(x, mode=mode, extrapolation_value=int(stored), **attributes)


def where(
    condition: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    *,
    x_params: QuantParams,
    y_params: QuantParams,
    result_params: QuantParams,
) -> np.ndarray:
    """Choose between stored integers of one quantization."""
    _require_same("where", x_params, result_params)
    _require_same("where", y_params, result_params)
    return elementwise.where(condition, x, y)


def min_(
    a: np.ndarray,
    b: np.ndarray,
    *,
    a_params: QuantParams,
    b_params: QuantParams,
    result_params: QuantParams,
) -> np.ndarray:
    """The smaller stored integer; one quantization for all."""
    _require_same("min", a_params, result_params)
    _require_same("min", b_params, result_params)
    return elementwise.min_(a, b)


def max_(
    a: np.ndarray,
    b: np.ndarray,
    *,
    a_params: QuantParams,
    b_params: QuantParams,
    result_params: QuantParams,
) -> np.ndarray:
    """The larger stored integer; one quantization for all."""
    _require_same("max", a_params, result_params)
    _require_same("max", b_params, result_params)
    return elementwise.max_(a, b)


def topk(
    x: np.ndarray, *, x_params: QuantParams, result_params: QuantParams, **attributes: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Stored integers in order, and their indices."""
    _require_same("topk", x_params, result_params)
    x_params.scalars("topk: the input")
    return reduction.topk(x, **attributes)


def ordered_index(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """argmax or argmin on stored integers: (x, *, x_params, axis, ...) -> int64 indices."""

    def on_stored(x: np.ndarray, *, x_params: QuantParams, **attributes: Any) -> np.ndarray:
        x_params.scalars(f"{function.__name__}: the input")
        return function(x, **attributes)

    return on_stored


def moved(name: str, function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """A data-moving op on stored integers: (x, *others, x_params, result_params, **attributes)."""

    def on_stored(
        x: np.ndarray,
        *others: np.ndarray,
        x_params: QuantParams,
        result_params: QuantParams,
        **attributes: Any,
    ) -> np.ndarray:
        _require_same(name, x_params, result_params)
        return function(x, *others, **attributes)

    return on_stored


def _require_same(op: str, operand: QuantParams, result: QuantParams) -> None:
    if not operand.same_as(result):
        raise OctetError(
            f"{op} moves stored integers, so operand and result need one scale, zero point and "
            f"storage; found {operand} and {result}"
        )
