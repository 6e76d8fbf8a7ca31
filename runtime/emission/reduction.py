"""Reductions, argmax and top-k."""

from __future__ import annotations

import numpy as np

from dialects.elements import dtype_of
from dialects.kernel.ops import buffer_element
from runtime.emission.site import CallSite, emits, per_tensor
from runtime.kernels.abi import Call
from runtime.kernels.copy import fill_calls
from runtime.kernels.reduction import (
    HALVES_REDUCED,
    Operation,
    quantized_mean_calls,
    reduce_calls,
)
from runtime.kernels.selection import arg_calls, topk_calls

REDUCTIONS: dict[str, Operation] = {
    "reduce_mean": "mean",
    "reduce_sum": "sum",
    "reduce_max": "max",
    "reduce_min": "min",
    "reduce_prod": "prod",
}


def _keeps_halves(site: CallSite) -> bool:
    return REDUCTIONS[site.op.callee.data] in HALVES_REDUCED


def _keeps_narrow(site: CallSite) -> bool:
    """Bytes of quantized numbers are no integers."""
    return site.is_quantized


@emits(*REDUCTIONS, halves=_keeps_halves, narrow=_keeps_narrow)
def emit_reduction(site: CallSite) -> list[Call]:
    operation = REDUCTIONS[site.op.callee.data]
    x, y, axes = site.view("x"), site.result(), site.options["axes"]
    x_params, y_params = site.params("x"), site.result_params()
    dtype = dtype_of(buffer_element(site.op.results[0]))
    if not x.size and dtype.kind in "iu" and operation in ("max", "min"):
        # Of nothing it is the far end of the stored type, which a wider one does not know.
        limits = np.iinfo(dtype)
        return fill_calls(y, int(limits.min if operation == "max" else limits.max))
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
