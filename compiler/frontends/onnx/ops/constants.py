"""Constants, and ops whose results are known from shapes alone."""

from __future__ import annotations

import numpy as np

from dialects.errors import OctetError

from ..coding import varies
from ..following import expanded
from ..node import NodeContext
from ..registry import importer
from ..tensors import checked_size
from ..values import Tensor


@importer("Constant")
def import_constant(node: NodeContext) -> Tensor:
    array = node.tensor("value")
    if node.has_attribute("value_float"):
        array = np.asarray(node.number("value_float"), np.float32)
    elif node.has_attribute("value_floats"):
        array = np.asarray(node.numbers("value_floats"), np.float32)
    elif node.has_attribute("value_int"):
        array = np.asarray(node.integer("value_int"), np.int64)
    elif node.has_attribute("value_ints"):
        array = np.asarray(node.integers("value_ints"), np.int64)
    if array is None:
        raise OctetError(
            "no supported value: expected value, value_float(s) or value_int(s); strings and "
            "sparse tensors are not supported"
        )
    return node.known(array)


@importer("ConstantOfShape")
def import_constant_of_shape(node: NodeContext) -> Tensor:
    fill = node.tensor("value")
    fill = np.zeros(1, np.float32) if fill is None else fill
    if fill.size != 1:
        raise OctetError(f"attribute value should have one element, got {fill.size}")
    shapes = node.integers_at(0, "shape")
    node.builder.claim(checked_size(shapes[0], "its result"))
    if any(varies([shape[axis] for shape in shapes]) for axis in range(len(shapes[0]))):
        one = node.known(np.full([1] * len(shapes[0]), fill.item(), fill.dtype))
        follows = expanded(node.builder, one, shapes, node.layer)
        if follows is not None:
            return follows
        node.builder.fix(node.layer, "its result has a size that no input has")
    return node.known(np.full(shapes[0], fill.item(), fill.dtype))


@importer("Shape")
def import_shape(node: NodeContext) -> Tensor:
    x = node.maybe_quantized(0)
    start, end = node.integer("start", 0), node.integer("end", 2**31)
    return node.known(
        *(np.asarray(shape[start:end], np.int64) for shape in node.shapes(x)), from_shape=True
    )


@importer("Size")
def import_size(node: NodeContext) -> Tensor:
    x = node.maybe_quantized(0)
    return node.known(
        *(np.asarray(np.prod(shape, dtype=np.int64)) for shape in node.shapes(x)),
        from_shape=True,
    )


@importer("Range")
def import_range(node: NodeContext) -> Tensor:
    start, limit, delta = (
        node.constant(index, what) for index, what in enumerate(("start", "limit", "delta"))
    )
    if start.size != 1 or limit.size != 1 or delta.size != 1 or delta.item() == 0:
        raise OctetError("start, limit and delta should be single numbers, delta not 0")
    count = max(int(np.ceil((limit.item() - start.item()) / delta.item())), 0)
    node.builder.claim(checked_size([count], "its result"))
    return node.known((start.item() + np.arange(count) * delta.item()).astype(start.dtype))
