"""Symbolic sizes of a program's inputs and outputs.

As in the frontend, a size is represented by what it is at a few assignments of numbers to
symbols: one that follows a symbol at all of them is that symbol, one that never changes is a
number, and any other is left unknown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr
from xdsl.ir import SSAValue

from compiler.frontends.onnx.dims import assignments_of
from dialects.errors import OctetError
from dialects.nn.base import NnOp, shape_of
from dialects.nn.constant import ConstantOp
from dialects.program import (
    DIMS,
    FIXED_SHAPE,
    argument_attributes,
    body_of,
    main_function,
    return_of,
)
from dialects.shapes import Shape

Sizes = tuple[int | str | None, ...]
"""A shape with symbols; None is a size of which nothing is known."""


def symbolic_sizes(module: ModuleOp) -> tuple[list[Sizes], list[Sizes]]:
    """The shapes of all inputs and of all outputs."""
    function = main_function(module)
    arguments = list(body_of(function).args)
    outputs = list(return_of(function).operands)
    defaults = [shape_of(argument) for argument in arguments]
    inputs: list[Sizes] = [tuple(shape) for shape in defaults]
    if FIXED_SHAPE not in module.attributes:
        inputs = [
            _named(attributes.get(DIMS), shape)
            for attributes, shape in zip(argument_attributes(function), defaults, strict=True)
        ]
    numbers = {
        size: default
        for sizes, shape in zip(inputs, defaults, strict=True)
        for size, default in zip(sizes, shape, strict=True)
        if isinstance(size, str)
    }
    tried = assignments_of(numbers)
    try:
        shapes = [
            _shapes_at(module, [_resolved(sizes, values) for sizes in inputs], outputs)
            for values in tried
        ]
    except OctetError:
        # The sizes tried do not fit this program; what outputs have at others is not known.
        return inputs, [_unknown(shape_of(value), bool(numbers)) for value in outputs]
    return inputs, [
        tuple(
            _size([shape[index][axis] for shape in shapes], tried)
            for axis in range(len(shape_of(value)))
        )
        for index, value in enumerate(outputs)
    ]


def _named(dims: object, shape: Shape) -> Sizes:
    if not isinstance(dims, ArrayAttr):
        return tuple(shape)
    names = [name.data if isinstance(name, StringAttr) else "" for name in dims]
    return tuple(name or size for name, size in zip(names, shape, strict=True))


def _resolved(sizes: Sizes, values: Mapping[str, int]) -> Shape:
    return tuple(values[size] if isinstance(size, str) else size or 0 for size in sizes)


def _unknown(shape: Shape, varies: bool) -> Sizes:
    return (None,) * len(shape) if varies else tuple(shape)


def _shapes_at(
    module: ModuleOp, inputs: Sequence[Shape], outputs: Sequence[SSAValue]
) -> list[Shape]:
    """The shapes of `outputs` for inputs of these shapes."""
    block = body_of(main_function(module))
    shapes: dict[SSAValue, Shape] = dict(zip(block.args, inputs, strict=True))
    for op in block.ops:
        operands = [shapes[operand] for operand in op.operands]
        if isinstance(op, NnOp) and not isinstance(op, ConstantOp):
            results = op.infer_shapes(operands)
        elif operands and op.results:
            results = operands[:1]  # casts keep the shape
        else:
            results = [shape_of(result) for result in op.results]
        shapes.update(zip(op.results, results, strict=True))
    return [shapes[value] for value in outputs]


def _size(sizes: Sequence[int], tried: Sequence[Mapping[str, int]]) -> int | str | None:
    if all(size == sizes[0] for size in sizes):
        return sizes[0]
    for symbol in tried[0]:
        if all(values[symbol] == size for values, size in zip(tried, sizes, strict=True)):
            return symbol
    return None
