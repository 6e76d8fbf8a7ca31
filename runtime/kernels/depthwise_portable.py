"""Depthwise convolution as plain loops: where there are no tiles, and for weights of 16 bits."""

from __future__ import annotations

from functools import cache

from runtime.kernels.abi import Kernel
from runtime.kernels.epilogue import EpilogueCode, scalar_epilogue
from runtime.kernels.gemm import element_access
from runtime.kernels.half import HALF_WIDEN
from runtime.kernels.intrinsics import argument, i64_pointer, u16_pointer
from runtime.kernels.vector_ir import HalfKind


@cache
def portable_depthwise_kernel(code: EpilogueCode, half: HalfKind | None) -> Kernel:
    """The convolution as plain loops, one channel of one pixel at a time."""
    finish = scalar_epilogue(code)
    size = code.output_size
    activations, weights_of, number = element_access(code)
    widen = number
    itemsize = 4 if code.accumulator == "f32" else 1
    if half is not None:
        activations, widen, itemsize = u16_pointer, HALF_WIDEN[half], 2

    def depthwise(row: int, thread: int, threads: int) -> None:
        a = argument(row, 1)
        line_count = argument(row, 2)
        lines = i64_pointer(argument(row, 3))
        c = argument(row, 4)
        outputs = i64_pointer(argument(row, 5))
        r = argument(row, 6)
        residuals = i64_pointer(argument(row, 7))
        pixels = argument(row, 8)
        x_step = argument(row, 9)
        y_step = argument(row, 10)
        r_step = argument(row, 11)
        weights = weights_of(argument(row, 12))
        channels = argument(row, 13)
        taps = argument(row, 14)
        offsets = i64_pointer(argument(row, 15))
        block = argument(row, 16)
        for line in range(line_count * thread // threads, line_count * (thread + 1) // threads):
            for pixel in range(pixels):
                x = a + lines[line] + pixel * x_step
                output = c + outputs[line] + pixel * y_step
                residual = r + residuals[line] + pixel * r_step
                for channel in range(channels):
                    total = number(0)
                    for tap in range(taps):
                        value = widen(activations(x + offsets[tap] + channel * itemsize)[0])
                        weight = number(weights[channel * taps + tap])
                        total = number(total + number(value * weight))
                    skip = channel * size
                    finish(total, block, channels, channel, output + skip, residual + skip)

    return Kernel.of(depthwise, "portable", code, half)
