"""Attention."""

from __future__ import annotations

from xdsl.dialects.builtin import bf16, f32

from dialects.kernel.ops import buffer_element
from runtime.emission.site import CallSite, emits
from runtime.kernels.abi import Call
from runtime.kernels.attention import Scaling, attention_calls, takes_bf16
from runtime.reference.integer.attention import score_multiplier, value_multiplier


def _has_bf16_kernel(site: CallSite) -> bool:
    """All are bfloat16 but the mask, and heads have a size that `takes_bf16`."""
    elements = [*map(site.element, ("q", "k", "v")), buffer_element(site.op.results[0])]
    if any(element != bf16 for element in elements):
        return False
    masked = site.op.operand("mask") is not None
    depth = site.view("q").shape[2] // site.options["heads"]
    return not (masked and site.element("mask") != f32) and takes_bf16(site.isa, depth)


@emits("attention", halves=_has_bf16_kernel)
def emit_attention(site: CallSite) -> list[Call]:
    options = site.options
    return attention_calls(
        site.view("q"),
        site.view("k"),
        site.view("v"),
        site.optional_view("mask"),
        site.result(),
        heads=options["heads"],
        scale=options["scale"],
        isa=site.isa,
        scaling=_scaling(site, options["scale"]),
    )


def _scaling(site: CallSite, scale: float) -> Scaling | None:
    """The numbers of an attention on bytes; None in float."""
    q_params, v_params, result_params = site.params("q"), site.params("v"), site.result_params()
    if q_params is None or v_params is None or result_params is None:
        return None
    k_params = site.required_params("k")
    low, high = site.stored_bounds(result_params)
    return Scaling(
        q_zero_point=q_params.scalars(f"{site.name}: q")[1],
        v_zero_point=v_params.scalars(f"{site.name}: v")[1],
        score_multiplier=float(score_multiplier(q_params, k_params, scale)),
        value_multiplier=float(value_multiplier(v_params, result_params)),
        zero_point=result_params.scalars(f"{site.name}: the result")[1],
        low=low,
        high=high,
    )
