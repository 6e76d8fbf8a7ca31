"""Sum, difference and product of two tensors of stored integers."""

from __future__ import annotations

import numpy as np

from ..quantization import QuantParams, store

_F32 = np.float32


def add(
    a: np.ndarray,
    b: np.ndarray,
    *,
    a_params: QuantParams,
    b_params: QuantParams,
    result_params: QuantParams,
) -> np.ndarray:
    """f = float32(a - za) * (sa / sy) + float32(b - zb) * (sb / sy), then `store`."""
    left, right = (
        _in_result_scale(a, a_params, result_params),
        _in_result_scale(b, b_params, result_params),
    )
    return store_per_tensor(left + right, result_params)


def sub(
    a: np.ndarray,
    b: np.ndarray,
    *,
    a_params: QuantParams,
    b_params: QuantParams,
    result_params: QuantParams,
) -> np.ndarray:
    """f = float32(a - za) * (sa / sy) - float32(b - zb) * (sb / sy), then `store`."""
    left, right = (
        _in_result_scale(a, a_params, result_params),
        _in_result_scale(b, b_params, result_params),
    )
    return store_per_tensor(left - right, result_params)


def mul(
    a: np.ndarray,
    b: np.ndarray,
    *,
    a_params: QuantParams,
    b_params: QuantParams,
    result_params: QuantParams,
) -> np.ndarray:
    """f = float32((a - za) * (b - zb)) * ((sa * sb) / sy), then `store`."""
    sa, za = a_params.scalars("mul: the first operand")
    sb, zb = b_params.scalars("mul: the second operand")
    sy, _ = result_params.scalars("mul: the result")
    product = (a.astype(np.int32) - za) * (b.astype(np.int32) - zb)
    return store_per_tensor(product.astype(_F32) * ((sa * sb) / sy), result_params)


def _in_result_scale(q: np.ndarray, params: QuantParams, result: QuantParams) -> np.ndarray:
    scale, zero_point = params.scalars("an operand")
    factor = scale / result.scalars("the result")[0]
    return (q.astype(np.int32) - zero_point).astype(_F32) * factor


def store_per_tensor(real: np.ndarray, params: QuantParams) -> np.ndarray:
    """`quantization.store` for a result with one scale and no activation."""
    _, zero_point = params.scalars("the result")
    return store(np.asarray(real), zero_point, params.qmin, params.qmax, params.dtype)
