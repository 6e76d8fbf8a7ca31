"""Pools."""

from __future__ import annotations

from runtime.emission.site import CallSite, always, emits, per_tensor
from runtime.kernels.abi import Call
from runtime.kernels.pooling import Window, average_pool_calls, max_pool_calls


def _window(site: CallSite) -> Window:
    options = site.options
    return Window(options["kernel"], options["strides"], options["pads"], options["dilations"])


@emits("max_pool", halves=always)
def emit_max_pool(site: CallSite) -> list[Call]:
    return max_pool_calls(site.view("x"), site.result(), _window(site))


@emits("avg_pool", halves=always)
def emit_avg_pool(site: CallSite) -> list[Call]:
    x, y, window = site.view("x"), site.result(), _window(site)
    include = site.options["count_include_pad"]
    x_params, y_params = site.params("x"), site.result_params()
    if x_params is None or y_params is None:
        return average_pool_calls(x, y, window, count_include_pad=include)
    return average_pool_calls(
        x,
        y,
        window,
        count_include_pad=include,
        qx=per_tensor(site, x_params),
        qy=per_tensor(site, y_params),
        low=y_params.qmin,
        high=y_params.qmax,
    )
