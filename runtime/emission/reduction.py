"""Reductions, argmax and top-k."""

from __future__ import annotations

from runtime.emission.site import CallSite, always, emits, per_tensor
from runtime.kernels.abi import Call
from runtime.kernels.reduction import Operation, quantized_mean_calls, reduce_calls
from runtime.kernels.selection import arg_calls, topk_calls

REDUCTIONS: dict[str, Operation] = {
    "reduce_mean": "mean",
    "reduce_sum": "sum",
    "reduce_max": "max",
    "reduce_min": "min",
    "reduce_prod": "prod",
}


@emits(*REDUCTIONS, halves=always)
def emit_reduction(site: CallSite) -> list[Call]:
    operation = REDUCTIONS[site.op.callee.data]
    x, y, axes = site.view("x"), site.result(), site.options["axes"]
    x_params, y_params = site.params("x"), site.result_params()
    if operation != "mean" or x_params is None or y_params is None:
        return reduce_calls(operation, x, y, axes)
    return quantized_mean_calls(
        x,
        y,
        axes,
        qx=per_tensor(site, x_params),
        qy=per_tensor(site, y_params),
        low=y_params.qmin,
        high=y_params.qmax,
    )


@emits("argmax", "argmin")
def emit_arg_reduction(site: CallSite) -> list[Call]:
    options = site.options
    return arg_calls(
        "argmax" if site.op.callee.data == "argmax" else "argmin",
        site.view("x"),
        site.result(),
        options["axis"],
        select_last_index=options["select_last_index"],
    )


@emits("topk")
def emit_topk(site: CallSite) -> list[Call]:
    options = site.options
    return topk_calls(
        site.view("x"), site.result(0), site.result(1), options["axis"], largest=options["largest"]
    )
