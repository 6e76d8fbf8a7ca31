"""Ranges of values that a flat function reads: what it cannot tell apart needs no integers."""

from __future__ import annotations

import numpy as np
from xdsl.dialects.builtin import Float32Type
from xdsl.ir import SSAValue

from dialects.context import OctetContext
from dialects.nn.base import NnOp, Quantization, element_of_value
from dialects.program import sole_user
from dialects.quant import UniformQuantizedType
from runtime.reference.evaluate import evaluate_op, params_of
from runtime.reference.quantization import quantize

SAMPLES = 4096
"""Points of a range at which the function is looked at: sixteen for each integer."""

Bounds = tuple[float, float]


def function_of(value: SSAValue) -> NnOp | None:
    """The unary function that alone reads `value`, as a table of 256 entries."""
    user = sole_user(value)
    if not isinstance(user, NnOp) or user.QUANTIZATION is not Quantization.TABLE:
        return None
    floats = (element_of_value(each) for each in (value, user.results[0]))
    return user if all(isinstance(element, Float32Type) for element in floats) else None


def distinguished(
    bounds: Bounds, function: NnOp, result: UniformQuantizedType, ctx: OctetContext
) -> Bounds:
    """The part of `bounds` outside which `function`, quantized to `result`, no longer changes.

    A GELU gives nearly 0 for everything below -3: those values may as well saturate there, and the
    others get finer steps. `bounds` itself where the function does not change at all.
    """
    low, high = bounds
    points = np.linspace(low, high, SAMPLES, dtype=np.float32)
    (y,) = evaluate_op(function, [points], ctx.weights)
    stored = quantize(y, params_of(result))
    changes = np.flatnonzero(stored[1:] != stored[:-1])
    if not changes.size:
        return bounds
    return float(points[changes[0]]), float(points[changes[-1] + 1])
