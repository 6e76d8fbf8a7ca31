"""Convolution and matrix product on stored integers: int32 sums, one float32 rescale."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dialects.errors import OctetError

from .. import linear
from ..elementary import fma_f32
from ..elementwise import Activation, activate
from ..linear import along_axis
from ..quantization import QuantParams, activation_bounds, store

_F32 = np.float32
_I32 = np.iinfo(np.int32)


def conv(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    residual: np.ndarray | None = None,
    *,
    x_params: QuantParams,
    weight_params: QuantParams,
    residual_params: QuantParams | None = None,
    result_params: QuantParams | None = None,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    activation: Activation | None = None,
) -> np.ndarray:
    """acc = sum((x - zx) * (w - zw)) + bias in int32, then `rescale`; padding is real zero.

    weight [O, C/groups, kernel...] with one scale or one per output channel (axis 0); bias int32.
    """
    _require_axis("conv", weight_params, 0, weight.ndim)
    accumulators = conv_accumulators(
        x,
        weight,
        bias,
        x_zero_point=x_params.scalars("conv: the input")[1],
        weight_zero_point=weight_params.broadcast(weight.ndim)[1],
        strides=strides,
        pads=pads,
        dilations=dilations,
        groups=groups,
    )
    return rescale(
        accumulators,
        residual,
        x_params=x_params,
        weight_params=weight_params,
        residual_params=residual_params,
        result_params=result_params,
        activation=activation,
        channel_axis=1,
    )


def conv_accumulators(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    *,
    x_zero_point: int,
    weight_zero_point: np.ndarray | int,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    groups: int,
) -> np.ndarray:
    """The int32 sums of a convolution. Raises OctetError if one does not fit int32."""
    total = linear.convolve(
        centered(x, x_zero_point),
        centered(weight, weight_zero_point),
        strides=strides,
        pads=pads,
        dilations=dilations,
        groups=groups,
    )
    if bias is not None:
        total += along_axis(bias.astype(np.float64), 1, total.ndim)
    return as_int32(total, "conv")


def conv_transpose(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    x_params: QuantParams,
    weight_params: QuantParams,
    result_params: QuantParams | None = None,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    output_padding: Sequence[int],
) -> np.ndarray:
    """`conv`'s arithmetic on a transposed convolution; weight [C, O/groups, kernel...].

    One weight scale, or (without groups) one per output channel: axis 1.
    """
    if groups != 1:
        weight_params.scalars("conv_transpose: a grouped weight")
    _require_axis("conv_transpose", weight_params, 1, weight.ndim)
    total = linear.convolve_transposed(
        centered(x, x_params.scalars("conv_transpose: the input")[1]),
        centered(weight, weight_params.broadcast(weight.ndim)[1]),
        strides=strides,
        pads=pads,
        dilations=dilations,
        groups=groups,
        output_padding=output_padding,
    )
    if bias is not None:
        total = total + along_axis(bias.astype(np.float64), 1, total.ndim)
    return rescale(
        as_int32(total, "conv_transpose"),
        None,
        x_params=x_params,
        weight_params=weight_params,
        residual_params=None,
        result_params=result_params,
        activation=None,
        channel_axis=1,
    )


def matmul(
    a: np.ndarray,
    b: np.ndarray,
    bias: np.ndarray | None = None,
    residual: np.ndarray | None = None,
    *,
    a_params: QuantParams,
    b_params: QuantParams,
    residual_params: QuantParams | None = None,
    result_params: QuantParams | None = None,
    activation: Activation | None = None,
) -> np.ndarray:
    """acc = sum((a - za) * (b - zb)) + bias in int32, then `rescale`.

    numpy's matmul shapes; b with one scale or one per column (last axis); bias int32, last axis.
    """
    _require_axis("matmul", b_params, b.ndim - 1, b.ndim)
    accumulators = matmul_accumulators(
        a,
        b,
        bias,
        a_zero_point=a_params.scalars("matmul: the first operand")[1],
        b_zero_point=b_params.broadcast(b.ndim)[1],
    )
    return rescale(
        accumulators,
        residual,
        x_params=a_params,
        weight_params=b_params,
        residual_params=residual_params,
        result_params=result_params,
        activation=activation,
        channel_axis=-1,
    )


def matmul_accumulators(
    a: np.ndarray,
    b: np.ndarray,
    bias: np.ndarray | None,
    *,
    a_zero_point: np.ndarray | int,
    b_zero_point: np.ndarray | int,
) -> np.ndarray:
    """The int32 sums of a matrix product. Raises OctetError if one does not fit int32."""
    total = np.asarray(np.matmul(centered(a, a_zero_point), centered(b, b_zero_point)))
    if bias is not None:
        total = total + bias.astype(np.float64)
    return as_int32(total, "matmul")


def centered(stored: np.ndarray, zero_point: np.ndarray | int) -> np.ndarray:
    """stored - zero_point as float64, in which sums of such products stay exact (below 2^53)."""
    real = stored.astype(np.float64)
    real -= zero_point
    return real


def as_int32(total: np.ndarray, op: str) -> np.ndarray:
    """Exact sums as int32. Raises OctetError when one does not fit, rather than wrap around."""
    if total.size and (total.min() < _I32.min or total.max() > _I32.max):
        raise OctetError(
            f"{op}: an accumulator reaches {total.min():.0f} to {total.max():.0f}, outside int32; "
            "use a float precision for this op or smaller weights"
        )
    return total.astype(np.int32)


def multiplier(
    x_params: QuantParams, weight_params: QuantParams, result_params: QuantParams | None
) -> np.ndarray:
    """m = (sx * sw) / sy, each operation rounded to float32 (sx * sw for a float result)."""
    product = x_params.scalars("the input")[0] * weight_params.scale
    if result_params is None:
        return product
    return product / result_params.scalars("the result")[0]


def rescale(
    accumulators: np.ndarray,
    residual: np.ndarray | None,
    *,
    x_params: QuantParams,
    weight_params: QuantParams,
    residual_params: QuantParams | None,
    result_params: QuantParams | None,
    activation: Activation | None,
    channel_axis: int,
) -> np.ndarray:
    """int32 sums to the result.

    - quantized: f = float32(acc) * m; clamp, round half to even, + zy (`quantization.store`).
    - with a residual r: f = fma(float32(r), rs, fma(float32(acc), m, rz)), rs = sr / sy,
      rz = -zr * rs. The sum is rounded once, so this is not the same as adding afterwards.
    - float (no `result_params`): float32(acc) * (sx * sw), then the activation.
    """
    factor = multiplier(x_params, weight_params, result_params)
    if weight_params.axis is not None:
        factor = along_axis(factor, channel_axis, accumulators.ndim)
    if result_params is None:
        if residual is not None:
            raise OctetError("a fused residual needs a quantized result; found a float result")
        return activate(np.asarray(accumulators.astype(_F32) * factor), activation)
    scale, zero_point = result_params.scalars("the result")
    if residual is None:
        real = accumulators.astype(_F32) * factor
    elif residual_params is None:
        raise OctetError("a fused residual of a quantized result must be quantized; found a float")
    else:
        residual_scale, residual_zero = residual_params.scalars("the residual")
        rs = residual_scale / scale
        rz = _F32(-residual_zero) * rs
        real = fma_f32(residual.astype(_F32), rs, fma_f32(accumulators.astype(_F32), factor, rz))
    lo, hi = activation_bounds(result_params, activation)
    return store(np.asarray(real), zero_point, lo, hi, result_params.dtype)


def _require_axis(op: str, params: QuantParams, axis: int, rank: int) -> None:
    if params.axis is not None and params.axis % rank != axis:
        raise OctetError(
            f"{op}: the weight is quantized along axis {params.axis}; expected axis {axis}, "
            "its output channels"
        )
