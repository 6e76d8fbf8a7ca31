"""Attention."""

from __future__ import annotations

from runtime.emission.site import CallSite, emits
from runtime.kernels.abi import Call
from runtime.kernels.attention import Scaling, attention_calls
from runtime.reference.integer.attention import score_multiplier, value_multiplier


@emits("attention")
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
    q_scale, q_zero_point = q_params.scalars(f"{site.name}: q")
    k_scale, _ = site.required_params("k").scalars(f"{site.name}: k")
    low, high = site.stored_bounds(result_params)
    return Scaling(
        q_zero_point=q_zero_point,
        v_zero_point=v_params.scalars(f"{site.name}: v")[1],
        score_multiplier=float(score_multiplier(q_scale, k_scale, scale)),
        value_multiplier=float(value_multiplier(v_params, result_params)),
        zero_point=result_params.scalars(f"{site.name}: the result")[1],
        low=low,
        high=high,
    )
