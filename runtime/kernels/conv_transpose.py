"""Transposed convolution in float32, gathered: every output pixel sums the inputs that reach it.

    y[n, o, p] = clamp(b[o] + sum over c, t of  x[n, c, i] * w[c, o, t])
    i = (p + pad - t * dilation) / stride

over the taps t for which i is an integer inside the input.  No border is needed.  The sum is kept
in the output itself; the innermost loop runs over output channels, which are adjacent in y and in
the weights:

    weights [group][KH][KW][C / groups][O / groups]
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from runtime.kernels.abi import Call, Kernel, View, aligned, f32_bits, kernel
from runtime.kernels.epilogue import Epilogue
from runtime.kernels.intrinsics import argument, f32_argument, f32_pointer
from runtime.kernels.isa import Isa
from runtime.kernels.layout import require_channels_last


def conv_transpose_calls(
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
) -> list[Call]:
    """Plans a transposed convolution over one or two spatial axes.

    x: [N, C, spatial] float32 of any strides.  weight: [C, O / groups, kernel] float32.  bias: [O].
    y: [N, O, spatial] float32, channel stride 1; its shape says what output padding there is.
    pads: beginnings, then ends (only the beginnings matter here).
    Raises `ValueError` for a layout the kernel does not take.
    """
    if x.rank == 3:
        x, y, weight = x.expand_dims(2), y.expand_dims(2), weight[:, :, None]
        strides, dilations, pads = (1, *strides), (1, *dilations), (0, pads[0], 0, pads[1])
    require_channels_last("conv_transpose", y=y)
    channels, group_out, height, width = weight.shape
    out = group_out * groups
    grouped = weight.reshape(groups, channels // groups, group_out, height, width)
    packed = aligned(np.ascontiguousarray(grouped.transpose(0, 3, 4, 1, 2), np.float32))
    start = aligned(np.zeros(out, np.float32) if bias is None else bias.astype(np.float32))
    arguments = (
        x.address,
        *x.shape,
        *x.strides,
        y.address,
        y.shape[2],
        y.shape[3],
        y.strides[0],
        y.strides[2],
        y.strides[3],
        packed.ctypes.data,
        start.ctypes.data,
        groups,
        group_out,
        height,
        width,
        *strides,
        pads[0],
        pads[1],
        *dilations,
        f32_bits(epilogue.lo),
        f32_bits(epilogue.hi),
    )
    return [Call(conv_transpose_f32, arguments, (packed, start))]


@kernel
def conv_transpose_f32(row: int, thread: int, threads: int) -> None:
    x = f32_pointer(argument(row, 1))
    batch, channels, x_height, x_width = (
        argument(row, 2),
        argument(row, 3),
        argument(row, 4),
        argument(row, 5),
    )
    x_n, x_c, x_h, x_w = argument(row, 6), argument(row, 7), argument(row, 8), argument(row, 9)
    y = f32_pointer(argument(row, 10))
    y_height, y_width = argument(row, 11), argument(row, 12)
    y_n, y_h, y_w = argument(row, 13), argument(row, 14), argument(row, 15)
    weights = f32_pointer(argument(row, 16))
    bias = f32_pointer(argument(row, 17))
    groups, out = argument(row, 18), argument(row, 19)
    height, width = argument(row, 20), argument(row, 21)
    stride_h, stride_w = argument(row, 22), argument(row, 23)
    pad_h, pad_w = argument(row, 24), argument(row, 25)
    dilation_h, dilation_w = argument(row, 26), argument(row, 27)
    lo, hi = f32_argument(row, 28), f32_argument(row, 29)

    depth = channels // groups
    lines = batch * y_height
    for line in range(lines * thread // threads, lines * (thread + 1) // threads):
        n = line // y_height
        v = line - n * y_height
        for u in range(y_width):
            for group in range(groups):
                pixel = n * y_n + v * y_h + u * y_w + group * out
                for o in range(out):
                    y[pixel + o] = bias[group * out + o]
                for kh in range(height):
                    i = v + pad_h - kh * dilation_h
                    if i < 0 or i % stride_h != 0 or i // stride_h >= x_height:
                        continue
                    for kw in range(width):
                        j = u + pad_w - kw * dilation_w
                        if j < 0 or j % stride_w != 0 or j // stride_w >= x_width:
                            continue
                        source = n * x_n + i // stride_h * x_h + j // stride_w * x_w
                        source += group * depth * x_c
                        tap = ((group * height + kh) * width + kw) * depth * out
                        for c in range(depth):
                            value = x[source + c * x_c]
                            w = tap + c * out
                            for o in range(out):
                                y[pixel + o] += value * weights[w + o]
                for o in range(out):
                    f = y[pixel + o]
                    f = f if f > lo else lo
                    y[pixel + o] = f if f < hi else hi


def every_kernel(isa: Isa) -> list[Kernel]:
    """The one kernel, the same for all instruction sets."""
    return [conv_transpose_f32]
