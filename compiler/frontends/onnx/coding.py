"""Target shapes and slice bounds in a form that stays right for other sizes.

`dialects.shapes` codes an entry of a target shape as a literal size, "infer", or "copy of operand
dimension i". Here the codes are found from the shapes at several assignments (see `dims`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from dialects.assembly import INT64_MAX, INT64_MIN
from dialects.errors import OctetError
from dialects.shapes import INFER, Shape, copy_of, slice_range


def varies(values: Sequence[int]) -> bool:
    """Whether a size differs between assignments."""
    return any(value != values[0] for value in values)


def column(shapes: Sequence[Sequence[int]], index: int) -> tuple[int, ...]:
    """One dimension at every assignment."""
    return tuple(shape[index] for shape in shapes)


def copied(values: Sequence[int], operand: Sequence[Shape], prefer: int) -> int | None:
    """The code that copies an operand dimension equal to `values` at every assignment."""
    rank = len(operand[0])
    order = sorted(range(rank), key=lambda axis: abs(axis - prefer))
    for axis in order:
        if column(operand, axis) == tuple(values):
            return copy_of(axis)
    return None


def code_sizes(
    operand: Sequence[Shape], target: Sequence[Sequence[int]], offset: int = 0
) -> list[int | None]:
    """A code per entry of `target`; None where it is neither constant nor a copy.

    `offset` is how far target entries lie to the right of the operand dimensions they are most
    likely a copy of.
    """
    codes: list[int | None] = []
    for index in range(len(target[0])):
        sizes = column(target, index)
        codes.append(copied(sizes, operand, index - offset) if varies(sizes) else sizes[0])
    return codes


def code_reshape(operand: Sequence[Shape], target: Sequence[Sequence[int]]) -> list[int] | None:
    """Codes for a reshape to the fully known `target`, or None if there are none."""
    codes = code_sizes(operand, target)
    unknown = [index for index, code in enumerate(codes) if code is None]
    if len(unknown) > 1:
        return None
    # An inferred size needs the other sizes to be non-zero, or nothing determines it.
    if unknown and any(math.prod(shape) == 0 for shape in operand):
        return None
    return [INFER if code is None else code for code in codes]


def inferred(operand: Shape, target: Sequence[int], allow_zero: bool) -> Shape:
    """ONNX Reshape: 0 copies the operand's size (unless `allow_zero`), -1 is inferred."""
    sizes = [int(size) for size in target]
    for index, size in enumerate(sizes):
        if size == 0 and not allow_zero:
            if index >= len(operand):
                raise OctetError(
                    f"entry {index} of the target {sizes} copies a size that {list(operand)} lacks"
                )
            sizes[index] = operand[index]
        elif size < -1:
            raise OctetError(f"the target shape {sizes} has a negative size")
    if sizes.count(-1) > 1:
        raise OctetError(f"the target shape {sizes} leaves more than one size to infer")
    elements = math.prod(operand)
    if -1 in sizes:
        known = math.prod(size for size in sizes if size != -1)
        if known == 0 or elements % known:
            raise OctetError(f"cannot reshape {list(operand)} to {sizes}: sizes do not divide")
        sizes[sizes.index(-1)] = elements // known
    if math.prod(sizes) != elements:
        raise OctetError(f"cannot reshape {list(operand)} ({elements} elements) to {sizes}")
    return tuple(sizes)


def code_slice(
    sizes: Sequence[int], starts: Sequence[int], ends: Sequence[int], step: int
) -> tuple[int, int] | None:
    """One start and end that select the same elements at every assignment, or None.

    Tried in turn: the bounds themselves, bounds counted from the end, and "to the edge".
    """
    wanted = [
        slice_range(size, start, end, step)
        for size, start, end in zip(sizes, starts, ends, strict=True)
    ]
    edges = (INT64_MAX, INT64_MIN) if step < 0 else (0, INT64_MAX)
    for start in _candidates(sizes, starts, edges[0]):
        for end in _candidates(sizes, ends, edges[1]):
            if all(
                slice_range(size, start, end, step) == selected
                for size, selected in zip(sizes, wanted, strict=True)
            ):
                return start, end
    return None


def _candidates(sizes: Sequence[int], bounds: Sequence[int], edge: int) -> list[int]:
    if not varies(bounds):
        return [bounds[0]]
    candidates = [edge]
    from_end = [bound - size for size, bound in zip(sizes, bounds, strict=True)]
    if not varies(from_end) and from_end[0] < 0:
        candidates.append(from_end[0])
    return candidates
