"""Convolution, as a matrix product without a copy of the input.

    y[n, o, p] = epilogue(sum over c, t of  x[n, c, p * stride + t * dilation - pad] * w[o, c, t])

Activations lie channels-last.  Output pixels are the rows of the product; its segments are the runs
of the window that are contiguous in memory: kernel rows of KW * C elements, or single taps of C
elements where the taps are dilated or the channels are a slice of a wider buffer.  Each group is a
product with the same rows, and all are one call; a group per channel is `depthwise`.

The input buffer has a border at least as wide as the padding, filled with the zero point (or 0.0):
the window simply reads it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runtime.kernels.abi import Call, View
from runtime.kernels.depthwise import depthwise_calls
from runtime.kernels.epilogue import Epilogue
from runtime.kernels.gemm import Product, grouped_calls
from runtime.kernels.isa import Isa
from runtime.kernels.layout import (
    channels_of,
    fold_zero_points,
    pixel_offsets,
    require_channels_last,
)


def conv_calls(
    x: View,
    weight: np.ndarray,
    bias: np.ndarray | None,
    y: View,
    *,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    groups: int,
    epilogue: Epilogue,
    isa: Isa,
    x_zero_point: int = 0,
    weight_zero_point: int | np.ndarray = 0,
    residual: View | None = None,
) -> list[Call]:
    """Plans a convolution over one or two spatial axes.

    x: [N, C, spatial], u8 or float32, channel stride 1, with a border as wide as `pads`.
    weight: [O, C / groups, kernel], int8, uint8 or float32.  bias: [O] int32 or float32.
    y, residual: [N, O, spatial], channel stride 1.  pads: beginnings, then ends.
    x_zero_point, weight_zero_point (one or per output channel): as stored; 0 for float32.
    Raises `ValueError` for a layout the kernels do not take.
    """
    rank = x.rank - 2
    if rank == 1:
        x, y = x.expand_dims(2), y.expand_dims(2)
        residual = None if residual is None else residual.expand_dims(2)
        weight = weight[:, :, None, :]
        strides, dilations = (1, *strides), (1, *dilations)
        pads = (0, pads[0], 0, pads[1])
    require_channels_last("conv", x=x, y=y, residual=residual)
    if groups == x.shape[1] == weight.shape[0]:
        return depthwise_calls(
            x,
            weight,
            bias,
            y,
            strides=strides,
            pads=pads,
            dilations=dilations,
            epilogue=epilogue,
            isa=isa,
            x_zero_point=x_zero_point,
            weight_zero_point=weight_zero_point,
            residual=residual,
        )

    weight, bias = fold_zero_points(weight, bias, x_zero_point, weight_zero_point)
    rows = pixel_offsets(x, y.shape, strides)
    outputs = pixel_offsets(y, y.shape, (1, 1))
    residuals = None if residual is None else pixel_offsets(residual, y.shape, (1, 1))
    _, _, x_row, x_column = x.byte_strides
    origin = x.address - pads[0] * x_row - pads[1] * x_column

    products = []
    out_group = weight.shape[0] // groups
    in_group = weight.shape[1]
    for group in range(groups):
        channels = slice(group * out_group, (group + 1) * out_group)
        taps, segments = segment_taps(weight[channels], x, dilations)
        shift = channels.start
        product = Product(
            a=origin + group * in_group * x.dtype.itemsize,
            rows=rows,
            segments=segments,
            weights=taps,
            bias=bias[channels],
            c=y.address + shift * y.dtype.itemsize,
            outputs=outputs,
            epilogue=channels_of(epilogue, channels),
            residual=0 if residual is None else residual.address + shift * residual.dtype.itemsize,
            residuals=residuals,
        )
        products.append(product)
    return grouped_calls(products, isa)


def segment_taps(
    weight: np.ndarray, x: View, dilations: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Weights [O, C, KH, KW] as [segment, K, O], and each segment's byte offset in the window."""
    out, channels, height, width = weight.shape
    _, _, x_row, x_column = x.byte_strides
    row, column = x_row * dilations[0], x_column * dilations[1]
    taps = weight.transpose(2, 3, 1, 0)
    starts = np.arange(height)[:, None] * row + np.arange(width) * column
    if column == channels * x.dtype.itemsize or width == 1:
        return taps.reshape(height, width * channels, out), starts[:, 0].astype(np.int64)
    return taps.reshape(height * width, channels, out), starts.reshape(-1).astype(np.int64)
