"""Pass `quantize-io`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, cast

from xdsl.dialects.builtin import FunctionType, ModuleOp, TensorType
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, BlockArgument, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from dialects.context import OctetContext
from dialects.elements import is_float
from dialects.errors import OctetError
from dialects.nn.base import element_of_value, shape_of
from dialects.nn.scheme import Storage
from dialects.program import (
    QUANTIZED,
    argument_attributes,
    body_of,
    input_names,
    main_function,
    output_names,
    range_of,
    result_attributes,
    return_of,
    scheme_of,
    set_argument_attributes,
    set_result_attributes,
)
from dialects.quant import DequantizeCastOp, QuantizeCastOp, UniformQuantizedType
from passes.base import Numerics, OctetPass
from passes.dataflow import quantized_element, stored_behind
from passes.quantize.parameters import element_by_scheme
from passes.quantize.squash_qdq import drop_unused


@dataclass(frozen=True)
class QuantizeIoPass(OctetPass):
    """Gives a program inputs and outputs of 8-bit integers, with their scales in its types.

    Before:

        func.func @main(%x : tensor<1x4xf32>) -> tensor<1x4xf32> {
          %1 = quant.qcast %x : tensor<1x4xf32> -> tensor<1x4x!quant.uniform<u8:f32, 0.1>>
          ..
          %8 = quant.dcast %7 : tensor<1x4x!quant.uniform<u8:f32, 0.2:3>> -> tensor<1x4xf32>
          func.return %8 : tensor<1x4xf32>

    After:

        func.func @main(%x : tensor<1x4x!quant.uniform<u8:f32, 0.1>> {nn.quantized = ..})
            -> (tensor<1x4x!quant.uniform<u8:f32, 0.2:3>> {nn.quantized = ..}) {
          ..
          func.return %7 : tensor<1x4x!quant.uniform<u8:f32, 0.2:3>>

    The caller gives and takes stored integers, as of int8 models of TensorFlow Lite; the attribute
    `nn.quantized` says what they stand for also when kernels only see bytes. `io=int8` asks for
    it; by default, `io=float`, nothing changes.

    - An input takes the type it is first quantized to; users that want floats, or another type,
      dequantize it. An input that nothing quantizes takes the type of its calibrated range.
    - An output that is dequantized is given as it is stored, one that is quantized elsewhere in
      that type, and any other is quantized by its calibrated range.
    - Types are per tensor, and stored as the program's first quantized activation is, u8 without
      one.

    Integers, booleans and what is quantized already stay as they are. A float input or output with
    neither a quantized type nor a range is an error: without ranges there is no scale to choose.
    """

    name = "quantize-io"
    NUMERICS: ClassVar = Numerics.QUANTIZES

    io: Literal["float", "int8"] = "float"

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        if self.io == "float":
            return
        function = main_function(module)
        storage = _storage(function)
        missing: list[str] = []
        for name, argument in zip(input_names(function), list(body_of(function).args), strict=True):
            if self._waits(argument) and argument.uses:
                element = _input_element(argument, storage)
                if element is None:
                    missing.append(f"input '{name}'")
                else:
                    _quantize_argument(argument, element)
                    self.count(ctx, "inputs")
        returned = return_of(function)
        for index, (name, value) in enumerate(
            zip(output_names(function), list(returned.operands), strict=True)
        ):
            if self._waits(value):
                stored = _stored(value, storage, returned)
                if stored is None:
                    missing.append(f"output '{name}'")
                else:
                    returned.operands[index] = stored
                    self.count(ctx, "outputs")
        if missing:
            raise OctetError(
                f"quantize-io: {', '.join(missing)}: neither quantized nor with a calibrated "
                "range, so there is no scale for int8; give calibration data, or a range in a "
                "recipe"
            )
        self.count(ctx, "unused", drop_unused(module))
        _set_types(function)

    @staticmethod
    def _waits(value: SSAValue) -> bool:
        return is_float(element_of_value(value))


def _set_types(function: FuncOp) -> None:
    """Brings the function's type and attributes in line with its body."""
    arguments, results = body_of(function).args, return_of(function).operands
    function.function_type = FunctionType.from_lists(
        [argument.type for argument in arguments], [value.type for value in results]
    )
    attributes = argument_attributes(function)
    for entry, value in zip(attributes, arguments, strict=True):
        _record(entry, value)
    set_argument_attributes(function, attributes)
    attributes = result_attributes(function)
    for entry, value in zip(attributes, results, strict=True):
        _record(entry, value)
    set_result_attributes(function, attributes)


def _record(attributes: dict[str, Attribute], value: SSAValue) -> None:
    element = quantized_element(value)
    if element is not None:
        attributes[QUANTIZED] = element


def _storage(function: FuncOp) -> Storage:
    """How activations are stored: as the first that is quantized."""
    for op in body_of(function).ops:
        if isinstance(op, QuantizeCastOp):
            element = quantized_element(op.result)
            return "s8" if element is not None and element.is_signed else "u8"
    return "u8"


def _is_int8(element: UniformQuantizedType | None) -> bool:
    return element is not None and element.channel_axis is None and element.storage.width.data == 8


def _by_range(value: SSAValue, storage: Storage) -> UniformQuantizedType | None:
    bounds = range_of(value)
    if bounds is None:
        return None
    return element_by_scheme(scheme_of(value), bounds, storage, symmetric=False)


def _input_element(argument: BlockArgument, storage: Storage) -> UniformQuantizedType | None:
    first = _first_quantization(argument)
    return _by_range(argument, storage) if first is None else quantized_element(first.result)


def _first_quantization(value: SSAValue) -> QuantizeCastOp | None:
    """The first op of the program that quantizes `value` per tensor to 8 bits."""
    owner = value.owner
    block = owner if isinstance(owner, Block) else owner.parent_block()
    assert block is not None
    for op in block.ops:
        if not isinstance(op, QuantizeCastOp) or op.input is not value:
            continue
        if _is_int8(quantized_element(op.result)):
            return op
    return None


def _quantize_argument(argument: BlockArgument, element: UniformQuantizedType) -> None:
    """Gives the argument the type, and every user what it takes."""
    real = cast(TensorType, argument.type)
    stored = Rewriter.replace_value_with_new_type(argument, TensorType(element, real.get_shape()))
    uses = list(stored.uses)
    back = DequantizeCastOp(stored, real)
    Rewriter.insert_op(back, InsertPoint.at_start(argument.block))
    for use in uses:
        user = use.operation
        if isinstance(user, QuantizeCastOp) and user.result.type == stored.type:
            Rewriter.replace_op(user, [], [stored])
        else:
            user.operands[use.index] = back.result


def _stored(value: SSAValue, storage: Storage, returned: ReturnOp) -> SSAValue | None:
    """The integers of an output; None if there is no scale for them."""
    behind = stored_behind(value)
    if behind is not None and _is_int8(quantized_element(behind)):
        return behind
    if (first := _first_quantization(value)) is not None:
        return first.result
    element = _by_range(value, storage)
    if element is None:
        return None
    quantized = QuantizeCastOp(value, TensorType(element, shape_of(value)))
    Rewriter.insert_op(quantized, InsertPoint.before(returned))
    return quantized.result
