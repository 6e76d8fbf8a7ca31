"""Resize and its predecessor Upsample."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from dialects.errors import OctetError
from dialects.nn.movement import ResizeOp
from dialects.shapes import Shape, normalize_axis

from ..coding import code_sizes, varies
from ..node import NodeContext
from ..registry import importer
from ..values import Tensor


def _emit(
    node: NodeContext,
    x: Tensor,
    mode: str,
    *,
    coordinates: str,
    nearest: str,
    cubic_coeff: float = -0.75,
    exclude_outside: bool = False,
    extrapolation_value: float = 0.0,
    antialias: bool = False,
    scales: Sequence[float] | None = None,
    sizes: Sequence[int] | None = None,
    roi: Sequence[float] | None = None,
) -> Tensor:
    if mode != "nearest":
        x = node.raw(x)
    return node.emit(
        ResizeOp,
        x,
        mode=mode,
        coordinate_transformation=coordinates,
        nearest_mode=nearest,
        cubic_coeff=cubic_coeff,
        exclude_outside=exclude_outside,
        extrapolation_value=extrapolation_value,
        antialias=antialias or None,
        scales=None if scales is None else [float(scale) for scale in scales],
        sizes=None if sizes is None else list(sizes),
        roi=None if roi is None else [float(bound) for bound in roi],
    )


def _mode(node: NodeContext) -> str:
    mode = node.text("mode", "nearest")
    # Opset 9 spells it "linear" or "bilinear".
    mode = "linear" if mode == "bilinear" else mode
    if mode not in ("nearest", "linear", "cubic"):
        raise OctetError(f"attribute mode = {mode} is not known; expected nearest, linear or cubic")
    return mode


@importer("Upsample")
def import_upsample_by_attribute(node: NodeContext) -> Tensor:
    return _emit(
        node,
        node.movable(0),
        _mode(node),
        coordinates="asymmetric",
        nearest="floor",
        scales=node.numbers("scales"),
    )


def _upsample(node: NodeContext) -> Tensor:
    scales = node.constant(1, "scales")
    return _emit(
        node,
        node.movable(0),
        _mode(node),
        coordinates="asymmetric",
        nearest="floor",
        scales=scales.astype(np.float32).tolist(),
    )


@importer("Upsample", since=9)
def import_upsample(node: NodeContext) -> Tensor:
    return _upsample(node)


@importer("Resize", since=10)
def import_resize_of_opset_10(node: NodeContext) -> Tensor:
    """The first Resize is Upsample under a new name."""
    return _upsample(node)


@importer("Resize", since=11)
def import_resize(node: NodeContext) -> Tensor:
    x = node.movable(0)
    axes = [normalize_axis(axis, x.rank) for axis in node.integers("axes") or range(x.rank)]
    coordinates = node.text("coordinate_transformation_mode", "half_pixel")
    mode = _mode(node)
    if coordinates == "tf_half_pixel_for_nn":
        raise OctetError(
            "attribute coordinate_transformation_mode = tf_half_pixel_for_nn is not supported"
        )
    antialias = bool(node.integer("antialias", 0))
    if antialias and mode == "nearest":
        raise OctetError("attribute antialias = 1 needs mode linear or cubic, got nearest")
    scales, sizes = _scales_and_sizes(node, x, axes)
    return _emit(
        node,
        x,
        mode,
        coordinates=coordinates,
        nearest=node.text("nearest_mode", "round_prefer_floor"),
        cubic_coeff=node.number("cubic_coeff_a", -0.75),
        exclude_outside=bool(node.integer("exclude_outside", 0)),
        extrapolation_value=node.number("extrapolation_value", 0.0),
        antialias=antialias,
        scales=scales,
        sizes=sizes,
        roi=_roi(node, x.rank, axes) if coordinates == "tf_crop_and_resize" else None,
    )


def _roi(node: NodeContext, rank: int, axes: list[int]) -> list[float]:
    roi = node.constant(1, "roi").astype(np.float64).reshape(-1)
    if len(roi) != 2 * len(axes):
        raise OctetError(f"roi should have {2 * len(axes)} entries, got {len(roi)}")
    full = [0.0] * rank + [1.0] * rank
    for index, axis in enumerate(axes):
        full[axis], full[rank + axis] = float(roi[index]), float(roi[len(axes) + index])
    return full


def _scales_and_sizes(
    node: NodeContext, x: Tensor, axes: list[int]
) -> tuple[list[float] | None, list[int] | None]:
    """The scales, the coded sizes, or both where rounding makes neither follow from the other."""
    policy = node.text("keep_aspect_ratio_policy", "stretch")
    scales = node.optional_constant(2, "scales")
    if scales is not None and scales.size:
        if scales.size != len(axes):
            raise OctetError(f"scales should have {len(axes)} entries, got {scales.size}")
        full_scales = [1.0] * x.rank
        for axis, scale in zip(axes, scales.reshape(-1), strict=True):
            full_scales[axis] = float(np.float32(scale))
        return full_scales, None
    if not node.has(3):
        raise OctetError("neither scales nor sizes are given")
    given = node.integers_at(3, "sizes")
    if len(given[0]) != len(axes):
        raise OctetError(f"sizes should have {len(axes)} entries, got {len(given[0])}")
    if policy != "stretch":
        return _keeping_aspect(node, x, axes, given[0], policy)
    shapes = node.shapes(x)
    targets: list[Shape] = []
    for shape, sizes in zip(shapes, given, strict=True):
        target = list(shape)
        for axis, size in zip(axes, sizes, strict=True):
            target[axis] = size
        targets.append(tuple(target))
    codes = code_sizes(shapes, targets)
    if None not in codes:
        return None, [code for code in codes if code is not None]
    # Sizes that are multiples of the operand's own sizes are a scale.
    ratios = [
        [target[axis] / shape[axis] for shape, target in zip(shapes, targets, strict=True)]
        for axis in range(x.rank)
    ]
    if not any(varies(ratio) for ratio in ratios):  # type: ignore[arg-type]
        return [ratio[0] for ratio in ratios], None
    node.builder.fix(node.layer, "its sizes vary in a way that cannot be expressed")
    return None, list(targets[0])


def _keeping_aspect(
    node: NodeContext, x: Tensor, axes: list[int], sizes: list[int], policy: str
) -> tuple[list[float], list[int]]:
    """One scale for all `axes`: the least ("not_larger") or greatest ("not_smaller") that fits."""
    choose = {"not_larger": min, "not_smaller": max}.get(policy)
    if choose is None:
        raise OctetError(
            f"attribute keep_aspect_ratio_policy = {policy} is not known; expected stretch, "
            "not_larger or not_smaller"
        )
    if any(varies([shape[axis] for shape in node.shapes(x)]) for axis in range(x.rank)):
        node.builder.fix(node.layer, f"{policy} depends on the size of its operand")
    scale = choose(size / x.shape[axis] for axis, size in zip(axes, sizes, strict=True))
    full_scales, full_sizes = [1.0] * x.rank, list(x.shape)
    for axis in axes:
        full_scales[axis] = scale
        full_sizes[axis] = math.floor(scale * x.shape[axis] + 0.5)
    return full_scales, full_sizes
