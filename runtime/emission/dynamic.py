"""Ops whose quantization parameters are run-time values."""

from __future__ import annotations

from runtime.emission.site import CallSite, emits
from runtime.kernels import dynamic
from runtime.kernels.abi import Call


@emits("dynamic_quantize")
def emit_dynamic_quantize(site: CallSite) -> list[Call]:
    return dynamic.dynamic_quantize_calls(
        site.view("x"), site.result(0), site.result(1), site.result(2)
    )


@emits("conv_integer")
def emit_conv_integer(site: CallSite) -> list[Call]:
    options = site.options
    return dynamic.conv_integer_calls(
        site.view("x"),
        site.view("weight"),
        site.result(),
        x_zero_point=site.optional_view("x_zero_point"),
        weight_zero_point=site.optional_view("weight_zero_point"),
        strides=options["strides"],
        pads=options["pads"],
        dilations=options["dilations"],
        groups=options["groups"],
    )


@emits("matmul_integer")
def emit_matmul_integer(site: CallSite) -> list[Call]:
    return dynamic.matmul_integer_calls(
        site.view("a"),
        site.view("b"),
        site.result(),
        a_zero_point=site.optional_view("a_zero_point"),
        b_zero_point=site.optional_view("b_zero_point"),
    )
