"""Ops that move elements without computing with them: any element type, stored integers too."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from dialects.errors import OctetError


def decode_shape(coded: Sequence[int], operand: Sequence[int]) -> tuple[int, ...]:
    """Resolve a coded shape: n >= 0 is n itself, -1 stays -1, -(2 + i) is the operand's dim i.

    Raises OctetError when an entry names a dimension the operand does not have.
    """
    dims = []
    for entry in coded:
        if entry >= -1:
            dims.append(entry)
        elif -entry - 2 < len(operand):
            dims.append(operand[-entry - 2])
        else:
            raise OctetError(
                f"shape entry {entry} copies dimension {-entry - 2}, "
                f"but the operand has shape {list(operand)}"
            )
    return tuple(dims)


def reshape(x: np.ndarray, *, shape: Sequence[int]) -> np.ndarray:
    """Reinterpret the row-major elements in a coded shape (see `decode_shape`; -1 is inferred).

    Raises OctetError when the element counts differ.
    """
    target = decode_shape(shape, x.shape)
    known = math.prod(dim for dim in target if dim != -1)
    fits = target.count(-1) <= 1 and (
        (known > 0 and x.size % known == 0) if -1 in target else known == x.size
    )
    if not fits:
        raise OctetError(f"reshape: {list(x.shape)} does not fit shape {list(target)}")
    return x.reshape(target)


def transpose(x: np.ndarray, *, permutation: Sequence[int]) -> np.ndarray:
    """Result axis i is operand axis permutation[i]."""
    return x.transpose(tuple(permutation))


def concat(*operands: np.ndarray, axis: int) -> np.ndarray:
    """Join along an existing axis."""
    return np.concatenate(operands, axis=axis)


def slice_(
    x: np.ndarray, *, starts: Sequence[int], ends: Sequence[int], steps: Sequence[int]
) -> np.ndarray:
    """Take starts[i] : ends[i] : steps[i] on every axis, with ONNX's clamping.

    Negative bounds count from the end; bounds outside the axis (INT64_MAX and INT64_MIN among
    them) mean its edge, also for a start with a negative step.
    """
    return x[
        tuple(
            _clamped_slice(start, end, step, size)
            for start, end, step, size in zip(starts, ends, steps, x.shape, strict=True)
        )
    ]


def _clamped_slice(start: int, end: int, step: int, size: int) -> slice:
    if step == 0:
        raise OctetError("slice: a step is 0; expected a positive or negative integer")
    start = start + size if start < 0 else start
    end = end + size if end < 0 else end
    if step > 0:
        return slice(min(max(start, 0), size), min(max(end, 0), size), step)
    start = min(max(start, 0), size - 1)
    end = min(max(end, -1), size - 1)
    # Python has no index for "before the first element"; None is the way to say it.
    return slice(start, None if end < 0 else end, step) if start > end else slice(0, 0)


def pad(
    x: np.ndarray,
    *,
    pads: Sequence[int],
    mode: Literal["constant", "reflect", "edge", "wrap"],
    value: float = 0.0,
) -> np.ndarray:
    """Extend (or, where negative, crop) each axis; `pads` holds all begins and then all ends.

    Cropping happens first, so that the other modes repeat what is left.
    """
    begins, ends = pads[: x.ndim], pads[x.ndim :]
    crop = tuple(
        slice(max(-begin, 0), size - max(-end, 0))
        for begin, end, size in zip(begins, ends, x.shape, strict=True)
    )
    widths = [(max(begin, 0), max(end, 0)) for begin, end in zip(begins, ends, strict=True)]
    if mode == "constant":
        return np.pad(x[crop], widths, constant_values=x.dtype.type(value))
    if mode not in ("reflect", "edge", "wrap"):
        raise OctetError(f"pad: mode '{mode}'; expected 'constant', 'reflect', 'edge' or 'wrap'")
    return np.pad(x[crop], widths, mode=mode)


def crop(x: np.ndarray, like: np.ndarray, *, shape: Sequence[int]) -> np.ndarray:
    """The first elements along each dimension; the codes count like's dimensions after x's.

    Raises OctetError when x has fewer.
    """
    target = decode_shape(shape, (*x.shape, *like.shape))
    if len(target) != x.ndim or any(
        not 0 <= wanted <= size for wanted, size in zip(target, x.shape, strict=True)
    ):
        raise OctetError(f"crop: {list(x.shape)} has no {list(target)} entries")
    return x[tuple(slice(0, size) for size in target)]


def expand(x: np.ndarray, like: np.ndarray | None = None, *, shape: Sequence[int]) -> np.ndarray:
    """Broadcast x with a coded shape (see `decode_shape`); either side may hold the 1.

    The codes count like's dimensions after x's. Raises OctetError when they do not broadcast.
    """
    target = decode_shape(shape, x.shape if like is None else (*x.shape, *like.shape))
    if -1 in target:
        raise OctetError("expand: a dimension of -1 cannot be inferred; give its size")
    try:
        return np.broadcast_to(x, np.broadcast_shapes(x.shape, target)).copy()
    except ValueError:
        raise OctetError(f"expand: {list(x.shape)} does not broadcast to {list(target)}") from None


def tile(x: np.ndarray, *, repeats: Sequence[int]) -> np.ndarray:
    """Repeat the whole tensor repeats[i] times along axis i."""
    return np.tile(x, tuple(repeats))


def gather(x: np.ndarray, indices: np.ndarray, *, axis: int) -> np.ndarray:
    """Replace `axis` by the axes of `indices`; negative indices count from the end.

    Raises OctetError for an index outside the axis.
    """
    size = x.shape[axis]
    if indices.size and (indices.min() < -size or indices.max() >= size):
        raise OctetError(
            f"gather: indices {indices.min()} to {indices.max()} on an axis of size {size}; "
            f"expected {-size} to {size - 1}"
        )
    return np.asarray(np.take(x, indices, axis=axis))


def depth_to_space(x: np.ndarray, *, block: int, mode: Literal["DCR", "CRD"]) -> np.ndarray:
    """Move channels into block x block pixels: [N, C, H, W] -> [N, C/b^2, H*b, W*b].

    The channel holds (block row, block column, depth) for "DCR" and (depth, row, column) for "CRD".
    """
    n, c, h, w = x.shape
    depth = c // (block * block)
    if mode == "DCR":
        split = x.reshape(n, block, block, depth, h, w).transpose(0, 3, 4, 1, 5, 2)
    elif mode == "CRD":
        split = x.reshape(n, depth, block, block, h, w).transpose(0, 1, 4, 2, 5, 3)
    else:
        raise OctetError(f"depth_to_space: mode '{mode}'; expected 'DCR' or 'CRD'")
    return split.reshape(n, depth, h * block, w * block)


def space_to_depth(x: np.ndarray, *, block: int) -> np.ndarray:
    """Move block x block pixels into channels: the inverse of `depth_to_space` with "DCR"."""
    n, c, h, w = x.shape
    split = x.reshape(n, c, h // block, block, w // block, block)
    return split.transpose(0, 3, 5, 1, 2, 4).reshape(n, c * block * block, h // block, w // block)


def constant(*, value: np.ndarray) -> np.ndarray:
    """The value itself."""
    return value
