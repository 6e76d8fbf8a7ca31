"""Products whose activations are quantized when they run, row by row."""

from __future__ import annotations

import numpy as np

from runtime.reference.elementwise import Activation, activate
from runtime.reference.integer.linear import matmul_accumulators
from runtime.reference.quantization import QuantParams, store

_F32 = np.float32
LEAST_SCALE = _F32(2.0**-60)
"""Of a row: products with the scale of a weight stay normal numbers."""


def quantize_rows(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x [.., K] over the range of each row: stored u8 [.., K], scale f32 [..], zero point i32 [..].

    ONNX's DynamicQuantizeLinear for every row: the range holds 0, scale = (hi - lo) / 255 (at least
    2^-60), zero point = rint(-lo / scale). A NaN makes the scale of its row NaN.
    """
    x = x.astype(_F32)
    with np.errstate(all="ignore"):
        hi = np.max(x, axis=-1, initial=0)
        lo = np.min(x, axis=-1, initial=0)
        scale = (hi - lo) / _F32(255)
        scale = np.where(scale < LEAST_SCALE, LEAST_SCALE, scale)
        zero_point = np.rint(np.fmin(np.fmax(-lo / scale, _F32(0)), _F32(255))).astype(np.int32)
        stored = store(x / scale[..., None], zero_point[..., None], 0, 255, np.dtype(np.uint8))
    return stored, scale, zero_point


def matmul_dynamic(
    a: np.ndarray,
    b: np.ndarray,
    bias: np.ndarray | None = None,
    residual: np.ndarray | None = None,
    *,
    b_params: QuantParams,
    activation: Activation | None = None,
) -> np.ndarray:
    """float32(acc) * float32(sa * sb) + bias + residual, then the activation; float32.

    acc = sum((q - za) * b) in int32, with q, sa, za of each row of a by `quantize_rows`. a: float32
    [.., K]; b: int8 [K, N] with one scale or one per column; every operation rounds once.
    """
    stored, scale, zero_point = quantize_rows(a)
    total = matmul_accumulators(stored, b, None, a_zero_point=zero_point[..., None], b_zero_point=0)
    with np.errstate(all="ignore"):
        factor = scale[..., None] * b_params.broadcast(2)[0].reshape(-1)
        result = total.astype(_F32) * factor
        if bias is not None:
            result = result + bias
        if residual is not None:
            result = result + residual
    return activate(np.asarray(result), activation)
