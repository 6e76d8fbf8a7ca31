"""Conventions of a program: one module holding one function, whose inputs and outputs have names.

    func.func @main(%0 : tensor<1x3x8x8xf32> {nn.name = "image", nn.dims = ["batch", "", "", ""]})
        -> (tensor<1x10xf32> {nn.name = "logits"})

`nn.dims` names the symbolic dimensions of an input; the type holds their default sizes.
Calibrated ranges stand in `range` on ops and in `nn.range` on function arguments, schemes in
`scheme` and `nn.scheme`. An input or output of stored integers has their quantized type in
`nn.quantized`, so that a program says its scales when only storage is left of its types.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    DictionaryAttr,
    ModuleOp,
    ShapedType,
    StringAttr,
    f64,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, BlockArgument, Operation, OpResult, SSAValue

from dialects.assembly import from_attribute
from dialects.errors import OctetError
from dialects.nn.base import NnOp
from dialects.nn.constant import ConstantOp
from dialects.nn.scheme import Scheme, SchemeAttr
from dialects.quant import UniformQuantizedType

NAME = "nn.name"
DIMS = "nn.dims"
RANGE = "nn.range"
SCHEME = "nn.scheme"
QUANTIZED = "nn.quantized"
STAGE = "octet.stage"
"""Module attribute: the last stage that was completed."""
HISTORY = "octet.pipeline"
"""Module attribute: the passes that have run, as a canonical pipeline string."""
RECIPE = "octet.recipe"
"""Module attribute: what was asked for, as a recipe file's text."""
FIXED_SHAPE = "octet.fixed_shape"
"""Module attribute: why this program only runs at the sizes it was compiled for."""


def main_function(module: ModuleOp) -> FuncOp:
    """The one function of a program. Raises OctetError if there is not exactly one."""
    functions = [op for op in module.body.ops if isinstance(op, FuncOp)]
    if len(functions) != 1:
        raise OctetError(f"a program is a module with one function, got {len(functions)}")
    return functions[0]


def body_of(function: FuncOp) -> Block:
    """The single block of a program's function."""
    return function.body.block


def return_of(function: FuncOp) -> ReturnOp:
    operation = body_of(function).last_op
    if not isinstance(operation, ReturnOp):
        raise OctetError("the program's function does not end in func.return")
    return operation


def nn_ops(module: ModuleOp) -> Iterator[NnOp]:
    """The `nn` ops of a program in order (constants included)."""
    for op in body_of(main_function(module)).ops:
        if isinstance(op, NnOp):
            yield op


def placeable_ops(module: ModuleOp) -> Iterator[NnOp]:
    """The ops that placement and selectors count, in their order: all but constants."""
    return (op for op in nn_ops(module) if not isinstance(op, ConstantOp))


def _dictionaries(attribute: ArrayAttr | None, count: int) -> list[dict[str, Attribute]]:
    if attribute is None:
        return [{} for _ in range(count)]
    return [dict(cast(DictionaryAttr, entry).data) for entry in attribute]


def argument_attributes(function: FuncOp) -> list[dict[str, Attribute]]:
    """A copy of the attributes of each argument; write back with `set_argument_attributes`."""
    return _dictionaries(function.arg_attrs, len(function.function_type.inputs))


def result_attributes(function: FuncOp) -> list[dict[str, Attribute]]:
    return _dictionaries(function.res_attrs, len(function.function_type.outputs))


def set_argument_attributes(function: FuncOp, values: Sequence[dict[str, Attribute]]) -> None:
    function.arg_attrs = ArrayAttr([DictionaryAttr(value) for value in values])


def set_result_attributes(function: FuncOp, values: Sequence[dict[str, Attribute]]) -> None:
    function.res_attrs = ArrayAttr([DictionaryAttr(value) for value in values])


def quantized_as(attributes: Mapping[str, Attribute]) -> UniformQuantizedType | None:
    """What the stored integers of an input or output with these attributes stand for."""
    element = attributes.get(QUANTIZED)
    return element if isinstance(element, UniformQuantizedType) else None


def _names(dictionaries: list[dict[str, Attribute]], fallback: str) -> list[str]:
    return [
        name.data if isinstance(name := entry.get(NAME), StringAttr) else f"{fallback}{index}"
        for index, entry in enumerate(dictionaries)
    ]


def input_names(function: FuncOp) -> list[str]:
    """The names of the inputs; `arg0`, `arg1`, ... where hand-written IR gives none."""
    return _names(argument_attributes(function), "arg")


def symbols_of(function: FuncOp) -> list[tuple[str, ...]]:
    """For each input the names of its dimensions, "" for those without one."""
    symbols: list[tuple[str, ...]] = []
    for attributes, type in zip(
        argument_attributes(function), function.function_type.inputs, strict=True
    ):
        dims = attributes.get(DIMS)
        rank = len(cast(ShapedType, type).get_shape())
        names = dims.data if isinstance(dims, ArrayAttr) and len(dims) == rank else ()
        named = [name.data if isinstance(name, StringAttr) else "" for name in names]
        symbols.append(tuple(named) or ("",) * rank)
    return symbols


def output_names(function: FuncOp) -> list[str]:
    return _names(result_attributes(function), "result")


def range_of(value: SSAValue) -> tuple[float, float] | None:
    """The calibrated [low, high] of a value, or None."""
    if isinstance(value, OpResult):
        if not isinstance(value.op, NnOp) or value.op.range is None:
            return None
        bounds = value.op.range.get_values()
        return bounds[2 * value.index], bounds[2 * value.index + 1]
    function = cast(BlockArgument, value).block.parent_op()
    if not isinstance(function, FuncOp):
        return None
    attribute = argument_attributes(function)[cast(BlockArgument, value).index].get(RANGE)
    if not isinstance(attribute, DenseArrayBase):
        return None
    low, high = from_attribute(attribute)
    return low, high


def set_argument_range(argument: BlockArgument, low: float, high: float) -> None:
    function = cast(FuncOp, argument.block.parent_op())
    attributes = argument_attributes(function)
    attributes[argument.index][RANGE] = DenseArrayBase.from_list(f64, [low, high])
    set_argument_attributes(function, attributes)


def scheme_of(value: SSAValue) -> Scheme:
    """How a value is to be quantized; empty where nothing was said."""
    if isinstance(value, OpResult):
        attribute = value.op.scheme if isinstance(value.op, NnOp) and value.index == 0 else None
    else:
        function = cast(BlockArgument, value).block.parent_op()
        entries = argument_attributes(function) if isinstance(function, FuncOp) else []
        attribute = entries[cast(BlockArgument, value).index].get(SCHEME) if entries else None
    return attribute.scheme if isinstance(attribute, SchemeAttr) else Scheme()


def set_scheme(value: SSAValue, scheme: Scheme) -> None:
    """Writes how an argument, or the first result of an op, is to be quantized."""
    if isinstance(value, BlockArgument):
        function = cast(FuncOp, value.block.parent_op())
        attributes = argument_attributes(function)
        attributes[value.index][SCHEME] = SchemeAttr(scheme)
        set_argument_attributes(function, attributes)
    elif isinstance(value, OpResult) and isinstance(value.op, NnOp):
        value.op.scheme = SchemeAttr(scheme)


def is_program_output(value: SSAValue) -> bool:
    """The value is returned from the function."""
    return any(isinstance(use.operation, ReturnOp) for use in value.uses)


def sole_user(value: SSAValue) -> Operation | None:
    """The one op that uses `value`, once; None with several uses or none."""
    uses = list(value.uses)
    return uses[0].operation if len(uses) == 1 else None
