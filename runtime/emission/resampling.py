"""Resize: the sampling of each axis is the reference's, applied by kernels."""

from __future__ import annotations

import numpy as np

from runtime.emission.site import CallSite, emits
from runtime.kernels.abi import Call, View
from runtime.kernels.copy import fill_calls
from runtime.kernels.resize import Sampling, resize_calls
from runtime.reference.quantization import quantize
from runtime.reference.resize import plan_sampling


def _is_nearest(site: CallSite) -> bool:
    return site.options["mode"] == "nearest"


@emits("resize", halves=_is_nearest)
def emit_resize(site: CallSite) -> list[Call]:
    options = dict(site.options)
    value = options.pop("extrapolation_value")
    x, y = site.view("x"), site.result()
    samplings = plan_sampling(x.shape, **options)
    calls = resize_calls(
        x, y, [Sampling(sampling.axis, sampling.taps, sampling.weights) for sampling in samplings]
    )
    params = site.params("x")
    if params is not None:
        value = float(quantize(np.asarray(value, np.float32), params))
    for sampling in samplings:
        if sampling.outside is not None:
            calls += _fill_where(sampling.outside, y, sampling.axis, value)
    return calls


def _fill_where(outside: np.ndarray, y: View, axis: int, value: float) -> list[Call]:
    """Fills the slices of `y` along `axis` that `outside` marks, a call per run of them."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], outside, [False]]).astype(np.int8)))
    runs = edges.reshape(-1, 2).tolist()
    return [
        call for start, end in runs for call in fill_calls(y.slice(axis, start, end - start), value)
    ]
