"""Whether a batch of calibration data fits the program."""

from __future__ import annotations

from typing import cast

import numpy as np
from xdsl.dialects.builtin import ArrayAttr, StringAttr, TensorType
from xdsl.dialects.func import FuncOp

from dialects.context import Feed
from dialects.elements import dtype_of
from dialects.errors import OctetError
from dialects.nn.base import element_of_value, shape_of
from dialects.program import DIMS, argument_attributes, body_of, input_names


def check_feed(function: FuncOp, feed: Feed, batch: int, fixed: bool) -> None:
    """Raises OctetError, naming input and batch, for data that does not fit the program."""
    names = input_names(function)
    where = f"calibrate: batch {batch}"
    unknown, missing = sorted(set(feed) - set(names)), [name for name in names if name not in feed]
    if unknown or missing:
        wrong = f"lacks input '{missing[0]}'" if missing else f"has unknown input '{unknown[0]}'"
        raise OctetError(f"{where} {wrong}; the program's inputs are {', '.join(names)}")
    for name, argument, attributes in zip(
        names, body_of(function).args, argument_attributes(function), strict=True
    ):
        array = np.asarray(feed[name])
        dtype = dtype_of(element_of_value(argument))
        if array.dtype != dtype:
            raise OctetError(f"{where}: input '{name}' should be {dtype}, got {array.dtype}")
        free = _free_dimensions(cast(TensorType, argument.type), attributes.get(DIMS), fixed)
        expected = shape_of(argument)
        fits = array.ndim == len(expected) and all(
            may_vary or size == wanted
            for may_vary, size, wanted in zip(free, array.shape, expected, strict=True)
        )
        if not fits:
            wanted = [
                "any" if may_vary else size for may_vary, size in zip(free, expected, strict=True)
            ]
            raise OctetError(
                f"{where}: input '{name}' should have shape {wanted}, got {list(array.shape)}"
            )
        if not array.size:
            raise OctetError(f"{where}: input '{name}' is empty, shape {list(array.shape)}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise OctetError(f"{where}: input '{name}' holds NaN or Inf")


def _free_dimensions(type: TensorType, dims: object, fixed: bool) -> list[bool]:
    """Which dimensions of an input may differ from its type: the symbolic ones.

    Hand-written programs without `nn.dims` may vary in the first dimension, the batch.
    """
    rank = len(type.get_shape())
    if fixed:
        return [False] * rank
    if isinstance(dims, ArrayAttr):
        return [isinstance(name, StringAttr) and bool(name.data) for name in dims]
    return [index == 0 for index in range(rank)]
