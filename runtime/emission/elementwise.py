"""Elementwise ops, casts between element types and 256-entry tables."""

from __future__ import annotations

from typing import cast

from dialects.errors import OctetError
from runtime.emission.site import CallSite, always, emits, never, per_tensor
from runtime.kernels import elementwise, lookup
from runtime.kernels.abi import Call
from runtime.kernels.convert import cast_calls
from runtime.kernels.quantized_elementwise import Operation, quantized_binary_calls

UNARY = (
    "relu", "leaky_relu", "elu", "hard_swish", "hard_sigmoid", "sigmoid", "silu", "tanh", "erf",
    "sqrt", "exp", "log", "neg", "abs", "reciprocal", "floor", "ceil", "round", "sign", "not",
)  # fmt: skip
BINARY = (
    "div", "mod", "pow", "min", "max", "prelu", "equal", "less", "less_equal", "greater",
    "greater_equal", "and", "or", "xor",
)  # fmt: skip
RESCALED = ("add", "sub", "mul")


def _keeps_halves(site: CallSite) -> bool:
    return site.op.callee.data in elementwise.HALVES_COMPUTED


def _keeps_narrow(site: CallSite) -> bool:
    """Powers are of any two types; bytes of quantized numbers are no integers."""
    return site.op.callee.data == "pow" or site.is_quantized


@emits(*UNARY, halves=_keeps_halves)
def emit_unary(site: CallSite) -> list[Call]:
    options = site.options
    return elementwise.unary_calls(
        site.op.callee.data,
        site.view("x"),
        site.result(),
        alpha=options.get("alpha", 0.0),
        beta=options.get("beta", 0.0),
    )


@emits("gelu", halves=never)
def emit_gelu(site: CallSite) -> list[Call]:
    operation = "gelu" if site.options["approximate"] == "none" else "gelu_tanh"
    return elementwise.unary_calls(operation, site.view("x"), site.result())


@emits("clip", halves=always)
def emit_clip(site: CallSite) -> list[Call]:
    options = site.options
    return elementwise.clip_calls(
        site.view("x"), site.result(), low=options["min"], high=options["max"]
    )


@emits(*BINARY, halves=_keeps_halves, narrow=_keeps_narrow)
def emit_binary(site: CallSite) -> list[Call]:
    lhs, rhs = site.views()
    return elementwise.binary_calls(site.op.callee.data, lhs, rhs, site.result())


@emits(*RESCALED, halves=_keeps_halves, narrow=_keeps_narrow)
def emit_rescaled(site: CallSite) -> list[Call]:
    if not site.is_quantized:
        return emit_binary(site)
    result = site.result_params()
    if result is None:
        raise OctetError(f"{site.name}: a quantized {site.op.callee.data} has a quantized result")
    low, high = result.qmin, result.qmax
    return quantized_binary_calls(
        cast(Operation, site.op.callee.data),
        site.view("lhs"),
        site.view("rhs"),
        site.result(),
        qa=per_tensor(site, site.required_params("lhs")),
        qb=per_tensor(site, site.required_params("rhs")),
        qy=per_tensor(site, result),
        low=low,
        high=high,
    )


@emits("where", halves=always)
def emit_where(site: CallSite) -> list[Call]:
    condition, x, y = site.views()
    return elementwise.where_calls(condition, x, y, site.result())


@emits("cast", halves=always)
def emit_cast(site: CallSite) -> list[Call]:
    return cast_calls(site.view("x"), site.result())


@emits("lookup")
def emit_lookup(site: CallSite) -> list[Call]:
    return lookup.lookup_calls(site.view("x"), site.result(), site.table())
