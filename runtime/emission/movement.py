"""Ops that move data: strided copies."""

from __future__ import annotations

import numpy as np

from dialects.shapes import slice_range
from runtime.emission.site import CallSite, always, emits
from runtime.kernels.abi import Call, View
from runtime.kernels.copy import copy_calls, pad_calls
from runtime.kernels.gather import gather_calls
from runtime.reference.quantization import quantize


@emits("transpose", halves=always)
def emit_transpose(site: CallSite) -> list[Call]:
    return copy_calls(site.view("x").transpose(site.options["permutation"]), site.result())


@emits("expand", halves=always)
def emit_expand(site: CallSite) -> list[Call]:
    y = site.result()
    return copy_calls(site.view("x").broadcast_to(y.shape), y)


@emits("crop", halves=always)
def emit_crop(site: CallSite) -> list[Call]:
    x, y = site.view("x"), site.result()
    for axis, size in enumerate(y.shape):
        x = x.slice(axis, 0, size)
    return copy_calls(x, y)


@emits("concat", halves=always)
def emit_concat(site: CallSite) -> list[Call]:
    y = site.result()
    axis = site.options["axis"] % y.rank
    calls: list[Call] = []
    start = 0
    for x in site.views():
        size = x.shape[axis]
        calls += copy_calls(x, y.slice(axis, start, size))
        start += size
    return calls


@emits("slice", halves=always)
def emit_slice(site: CallSite) -> list[Call]:
    options = site.options
    x = site.view("x")
    bounds = zip(options["starts"], options["ends"], options["steps"], strict=True)
    for axis, (start, end, step) in enumerate(bounds):
        kept = slice_range(x.shape[axis], start, end, step)
        x = x.slice(axis, kept.start if len(kept) else 0, len(kept), step)
    return copy_calls(x, site.result())


@emits("tile", halves=always)
def emit_tile(site: CallSite) -> list[Call]:
    """One copy: each dimension of y is (repeat, x), and x repeats with stride 0."""
    x, y = site.view("x"), site.result()
    shape: list[int] = []
    x_strides: list[int] = []
    y_strides: list[int] = []
    for axis, repeat in enumerate(site.options["repeats"]):
        size = x.shape[axis]
        shape += [repeat, size]
        x_strides += [0, x.strides[axis]]
        y_strides += [size * y.strides[axis], y.strides[axis]]
    return copy_calls(
        View(x.address, tuple(shape), tuple(x_strides), x.dtype),
        View(y.address, tuple(shape), tuple(y_strides), y.dtype),
    )


@emits("pad", halves=always)
def emit_pad(site: CallSite) -> list[Call]:
    options = site.options
    value = options["value"]
    params = site.params("x")
    if params is not None:
        value = float(quantize(np.asarray(value, np.float32), params))
    return pad_calls(site.view("x"), site.result(), options["pads"], options["mode"], value)


@emits("gather", halves=always)
def emit_gather(site: CallSite) -> list[Call]:
    x, indices = site.views()
    return gather_calls(x, indices, site.result(), site.options["axis"])


@emits("depth_to_space", halves=always)
def emit_depth_to_space(site: CallSite) -> list[Call]:
    """y [N, C, H, i, W, j] from x, whose channels are (i, j, C) in mode DCR, (C, i, j) in CRD."""
    x, y, block = site.view("x"), site.result(), site.options["block"]
    n, channels, height, width = y.shape
    inner = x.strides[1]
    if site.options["mode"] == "DCR":
        i, j, c = block * channels * inner, channels * inner, inner
    else:
        i, j, c = block * inner, inner, block * block * inner
    shape = (n, channels, height // block, block, width // block, block)
    source = (x.strides[0], c, x.strides[2], i, x.strides[3], j)
    return copy_calls(View(x.address, shape, source, x.dtype), _blocked(y, shape, block))


@emits("space_to_depth", halves=always)
def emit_space_to_depth(site: CallSite) -> list[Call]:
    """y's channels are (i, j, C): x [N, C, H, i, W, j] moved back."""
    x, y, block = site.view("x"), site.result(), site.options["block"]
    n, channels, height, width = x.shape
    shape = (n, channels, height // block, block, width // block, block)
    inner = y.strides[1]
    target = (
        y.strides[0],
        inner,
        y.strides[2],
        block * channels * inner,
        y.strides[3],
        channels * inner,
    )
    return copy_calls(_blocked(x, shape, block), View(y.address, shape, target, y.dtype))


def _blocked(view: View, shape: tuple[int, ...], block: int) -> View:
    """[N, C, H * block, W * block] seen as [N, C, H, block, W, block]."""
    n, c, h, w = view.strides
    return View(view.address, shape, (n, c, h * block, h, w * block, w), view.dtype)
