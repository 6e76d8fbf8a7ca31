"""Between floats, quantized values, stored integers and layouts."""

from __future__ import annotations

import numpy as np

from dialects.errors import OctetError
from runtime.emission.site import CallSite, always, emits
from runtime.kernels import convert
from runtime.kernels.abi import Call
from runtime.kernels.copy import copy_calls


@emits("quantize")
def emit_quantize(site: CallSite) -> list[Call]:
    x, y, params = site.view("x"), site.result(), site.result_params()
    if params is None:
        raise OctetError(f"{site.name}: the result of quantize should be quantized")
    if params.axis is not None:
        if (params.qmin, params.qmax) != (np.iinfo(y.dtype).min, np.iinfo(y.dtype).max):
            raise OctetError(f"{site.name}: per-channel quantize uses the whole storage range")
        return convert.quantize_axis_calls(
            x, y, scale=params.scale, zero_point=params.zero_point, axis=params.axis
        )
    scale, zero_point = params.scalars("quantize")
    return convert.quantize_calls(
        x, y, scale=float(scale), zero_point=zero_point, low=params.qmin, high=params.qmax
    )


@emits("dequantize")
def emit_dequantize(site: CallSite) -> list[Call]:
    x, y, params = site.view("x"), site.result(), site.required_params("x")
    if params.axis is not None:
        return convert.dequantize_axis_calls(
            x, y, scale=params.scale, zero_point=params.zero_point, axis=params.axis
        )
    scale, zero_point = params.scalars("dequantize")
    return convert.dequantize_calls(x, y, scale=float(scale), zero_point=zero_point)


@emits("storage_cast", halves=always)
def emit_storage_cast(site: CallSite) -> list[Call]:
    """Signed bytes become the unsigned ones the runtime keeps, and back."""
    x, y = site.view("x"), site.result()
    if x.dtype == y.dtype:
        return copy_calls(x, y)
    return convert.flip_sign_calls(x, y)


@emits("copy", halves=always)
def emit_copy(site: CallSite) -> list[Call]:
    return copy_calls(site.view("x"), site.result())
