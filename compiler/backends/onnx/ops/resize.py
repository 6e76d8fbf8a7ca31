"""Resize, on the dimensions that change."""

from __future__ import annotations

import numpy as np

from dialects.errors import OctetError
from dialects.nn.base import shape_of
from dialects.nn.movement import ResizeOp
from dialects.shapes import copied_dimension

from ..node import OpContext
from ..registry import emitter


@emitter(ResizeOp)
def emit_resize(op: ResizeOp, node: OpContext) -> str:
    if op.sizes is not None and op.scales is not None:
        raise OctetError(
            "sizes that keep an aspect ratio, with scales that they do not follow from"
        )
    x, rank = node.operand(op.x), len(shape_of(op.x))
    axes = list(range(rank))
    scales = sizes = roi = ""
    if op.sizes is not None:
        codes = op.sizes.get_values()
        axes = [axis for axis in axes if copied_dimension(codes[axis]) != axis] or axes
        chosen = [codes[axis] for axis in axes]
        literal = all(copied_dimension(code) is None for code in chosen)
        sizes = node.integers(chosen, "sizes") if literal else node.sizes(x, chosen, "sizes")
    elif op.scales is not None:
        scales = node.constant(np.array(op.scales.get_values(), np.float32), "scales")
    if op.roi is not None:
        bounds = op.roi.get_values()
        chosen_bounds = [bounds[axis] for axis in axes] + [bounds[rank + axis] for axis in axes]
        roi = node.constant(np.array(chosen_bounds, np.float32), "roi")
    return node.emit(
        "Resize",
        x,
        roi,
        scales,
        sizes,
        axes=None if len(axes) == rank else axes,
        antialias=1 if op.antialias is not None and op.antialias.value.data else None,
        mode=op.mode.data,
        coordinate_transformation_mode=op.coordinate_transformation.data,
        nearest_mode=op.nearest_mode.data,
        cubic_coeff_a=op.cubic_coeff.value.data,
        exclude_outside=int(bool(op.exclude_outside.value.data)),
        extrapolation_value=op.extrapolation_value.value.data,
    )
