"""What 8 bits do to the result of one linear op, on a sample of its input."""

from __future__ import annotations

import numpy as np

from dialects.nn.attributes import ActivationAttr
from passes.calibrate.rescaling.channel_statistics import ChannelStatistics
from passes.calibrate.rescaling.channels import Linear
from passes.calibrate.rescaling.rescale import inputs_scaled
from passes.quantize.parameters import activation_element, weight_element
from runtime.reference import REFERENCE
from runtime.reference.evaluate import params_of
from runtime.reference.quantization import dequantize, quantize


def output_error(
    op: Linear,
    seen: ChannelStatistics,
    weight: np.ndarray,
    factors: np.ndarray,
    exact: np.ndarray,
) -> float:
    """The squared error of `op`'s products, relative to the squares of the `exact` ones, when its
    input is divided and its `weight` multiplied by `factors` and both are rounded to 8 bits: the
    input with one scale, the weight with one for each output channel."""
    x = seen.sample
    by_channel = factors if seen.axis == -1 else factors.reshape(-1, *(1,) * (x.ndim - 2))
    low, high = float((seen.low / factors).min()), float((seen.high / factors).max())
    rounded_x = rounded_activation((x / by_channel).astype(np.float32), low, high)
    rounded_w = rounded_weight(op, inputs_scaled(op, weight, factors).astype(np.float32))
    error = product(op, rounded_x, rounded_w) - exact
    return float(np.vdot(error, error) / max(float(np.vdot(exact, exact)), 1e-30))


def rounded_activation(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """`x` through an 8-bit type for [low, high]."""
    params = params_of(activation_element(low, high, "u8"))
    return dequantize(quantize(x, params), params)


def rounded_weight(op: Linear, weight: np.ndarray) -> np.ndarray:
    """`weight` through a symmetric 8-bit type with one scale for each output channel."""
    axis = op.WEIGHT_AXES[op.operand_names()[1]] % weight.ndim
    params = params_of(weight_element(weight, axis, "s8"))
    return dequantize(quantize(weight, params), params)


def product(op: Linear, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """What `op` computes before its bias."""
    options = {
        name: value for name, value in op.values().items() if not isinstance(value, ActivationAttr)
    }
    return REFERENCE[op.mnemonic](x, weight, **options)
