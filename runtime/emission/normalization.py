"""Normalizations and softmax."""

from __future__ import annotations

from xdsl.dialects.builtin import f32

from runtime.emission.site import CallSite, emits
from runtime.kernels import normalization
from runtime.kernels.abi import Call
from runtime.kernels.softmax import log_softmax_calls, softmax_calls


@emits("softmax")
def emit_softmax(site: CallSite) -> list[Call]:
    return softmax_calls(site.view("x"), site.result(), site.options["axis"])


@emits("log_softmax")
def emit_log_softmax(site: CallSite) -> list[Call]:
    return log_softmax_calls(site.view("x"), site.result(), site.options["axis"])


def _has_float32_parameters(site: CallSite) -> bool:
    """Scale and bias are float32; 16-bit ones reach the kernels widened, with all the rest."""
    given = [name for name in ("scale", "bias") if site.op.operand(name) is not None]
    return all(site.element(name) == f32 for name in given)


@emits("layer_norm", halves=_has_float32_parameters)
def emit_layer_norm(site: CallSite) -> list[Call]:
    options = site.options
    return normalization.layer_norm_calls(
        site.view("x"),
        site.result(),
        axis=options["axis"],
        epsilon=options["epsilon"],
        scale=site.optional_view("scale"),
        bias=site.optional_view("bias"),
    )


@emits("instance_norm", halves=_has_float32_parameters)
def emit_instance_norm(site: CallSite) -> list[Call]:
    return normalization.instance_norm_calls(
        site.view("x"),
        site.result(),
        scale=site.view("scale"),
        bias=site.view("bias"),
        epsilon=site.options["epsilon"],
    )


@emits("batch_norm")
def emit_batch_norm(site: CallSite) -> list[Call]:
    return normalization.batch_norm_calls(
        site.view("x"),
        site.result(),
        scale=site.array("scale"),
        bias=site.array("bias"),
        mean=site.array("mean"),
        variance=site.array("variance"),
        epsilon=site.options["epsilon"],
    )


@emits("lrn")
def emit_lrn(site: CallSite) -> list[Call]:
    options = site.options
    return normalization.lrn_calls(
        site.view("x"),
        site.result(),
        size=options["size"],
        alpha=options["alpha"],
        beta=options["beta"],
        bias=options["bias"],
    )
