"""Convolutions and matrix products."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dialects.elements import bfloat16
from dialects.errors import OctetError
from dialects.kernel.ops import layout_of
from runtime.emission.site import CallSite, always, emits
from runtime.emission.widening import WideSite, is_half
from runtime.kernels.abi import Call, View
from runtime.kernels.conv import conv_calls
from runtime.kernels.conv_transpose import conv_transpose_calls
from runtime.kernels.epilogue import Epilogue, OutputKind
from runtime.kernels.matmul import matmul_calls
from runtime.reference.integer.linear import multiplier
from runtime.reference.precision import HALVES
from runtime.reference.quantization import QuantParams

_FLOAT_KINDS: dict[np.dtype, OutputKind] = {
    np.dtype(np.float32): "f32",
    np.dtype(np.float16): "f16",
    bfloat16: "bf16",
}


def epilogue_of(site: CallSite, x: str, weight: str) -> Epilogue:
    """What happens to the accumulators: a clamp in float, then rounding to the result's type; a
    rescale in integers."""
    low, high = site.activation
    x_params = site.params(x)
    kind = _FLOAT_KINDS.get(site.result().dtype, "f32")
    if x_params is None:
        return Epilogue(kind, lo=low, hi=high)
    result_params = site.result_params()
    factor = np.asarray(multiplier(x_params, site.required_params(weight), result_params))
    if result_params is None:
        return Epilogue(kind, multiplier=factor, lo=low, hi=high)
    lo, hi = site.stored_bounds(result_params)
    scale, zero_point = result_params.scalars(f"{site.name}: the result")
    epilogue = Epilogue("u8", multiplier=factor, zero_point=zero_point, lo=lo, hi=hi)
    residual = site.params("residual")
    if residual is None:
        return epilogue
    residual_scale, residual_zero = residual.scalars(f"{site.name}: the residual")
    return replace(
        epilogue,
        residual_multiplier=float(residual_scale / scale),
        residual_zero_point=residual_zero,
    )


def zero_points(params: QuantParams | None) -> int | np.ndarray:
    """The zero point of a weight, one or per channel; 0 for floats."""
    if params is None:
        return 0
    return int(params.zero_point) if params.axis is None else params.zero_point


def _bias(site: CallSite, x_params: QuantParams | None) -> np.ndarray | None:
    bias = site.optional_array("bias")
    expected = np.dtype(np.float32 if x_params is None else np.int32)
    if bias is not None and bias.dtype in HALVES:
        bias = bias.astype(np.float32)
    if bias is not None and bias.dtype != expected:
        raise OctetError(f"{site.name}: the bias should be {expected}, got {bias.dtype}")
    return bias


def _require_halo(site: CallSite, pads: tuple[int, ...]) -> None:
    """The border a convolution reads must be there: part of the proof of memory accesses."""
    halo = layout_of(site.value("x")).halo_widths or (0,) * len(pads)
    if len(halo) != len(pads) or any(width < pad for width, pad in zip(halo, pads, strict=True)):
        raise OctetError(
            f"{site.name}: pads {list(pads)} reach beyond the halo {list(halo)} of the input"
        )


def _factors(site: CallSite, x: str, weight: str) -> tuple[list[Call], View, np.ndarray]:
    """The activations and the constant weights of a product, and the calls that come before it.

    No instruction multiplies float16 numbers into float32 sums: it is cheaper to widen activations
    once, and weights here, than in every register of a product.
    """
    weights = site.array(weight)
    if site.view(x).dtype != np.float16:
        return [], site.view(x), weights
    wide = WideSite(site.op, site.memory, site.isa, is_half)
    site.memory.scratch.reuse()
    return wide.before, wide.view(x), weights.astype(np.float32)


@emits("conv", halves=always)
def emit_conv(site: CallSite) -> list[Call]:
    options = site.options
    x_params = site.params("x")
    _require_halo(site, options["pads"])
    before, x, weight = _factors(site, "x", "weight")
    calls = conv_calls(
        x,
        weight,
        _bias(site, x_params),
        site.result(),
        strides=options["strides"],
        pads=options["pads"],
        dilations=options["dilations"],
        groups=options["groups"],
        epilogue=epilogue_of(site, "x", "weight"),
        isa=site.isa,
        x_zero_point=0 if x_params is None else x_params.scalars("x")[1],
        weight_zero_point=zero_points(site.params("weight")),
        residual=site.optional_view("residual"),
    )
    return [*before, *calls]


@emits("conv_transpose")
def emit_conv_transpose(site: CallSite) -> list[Call]:
    options = site.options
    return conv_transpose_calls(
        site.view("x"),
        site.array("weight"),
        site.optional_array("bias"),
        site.result(),
        strides=options["strides"],
        pads=options["pads"],
        dilations=options["dilations"],
        groups=options["groups"],
        epilogue=Epilogue("f32"),
    )


def _has_constant_matrix(site: CallSite) -> bool:
    """Constant matrices are packed for tiles of every type; others as float32."""
    return site.constant("b") is not None


@emits("matmul", halves=_has_constant_matrix)
def emit_matmul(site: CallSite) -> list[Call]:
    a_params = site.params("a")
    before: list[Call] = []
    a, b = site.view("a"), site.view("b")
    if site.constant("b") is not None:
        before, a, b = _factors(site, "a", "b")
    calls = matmul_calls(
        a,
        b,
        _bias(site, a_params),
        site.result(),
        epilogue=epilogue_of(site, "a", "b"),
        isa=site.isa,
        a_zero_point=0 if a_params is None else a_params.scalars("a")[1],
        b_zero_point=zero_points(site.params("b")),
        residual=site.optional_view("residual"),
    )
    return [*before, *calls]
