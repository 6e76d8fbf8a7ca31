"""Turns tensor ops into kernel calls on buffers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import numpy as np
from xdsl.dialects.builtin import FunctionType, IntegerType, MemRefType, ModuleOp, Signedness
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Operation, Region, SSAValue
from xdsl.irdl import AttrSizedOperandSegments

from dialects.context import OctetContext
from dialects.elements import is_quantized
from dialects.errors import OctetError
from dialects.kernel.layout import BufferAttr
from dialects.kernel.ops import (
    CallOp,
    ConstantOp,
    ViewOp,
    buffer_element,
    buffer_shape,
    buffer_type,
    is_row_major,
    layout_of,
)
from dialects.kernel.signatures import missing_kernel
from dialects.nn import constant as nn_constant
from dialects.nn.attributes import WeightAttr
from dialects.nn.base import NnOp, element_of_value, shape_of
from dialects.nn.elementwise import LookupOp
from dialects.nn.linear import ConvOp
from dialects.nn.movement import ReshapeOp
from dialects.program import body_of, main_function
from dialects.quant import (
    CastOp,
    DequantizeCastOp,
    QuantizeCastOp,
    StorageCastOp,
    UniformQuantizedType,
)
from passes.base import Numerics, OctetPass
from passes.facts import LAYOUTS_ASSIGNED, MEMORY_PLANNED, ON_BUFFERS, ON_TENSORS
from passes.kernel.assign_layout import layout_name, required_layout
from runtime.reference.evaluate import evaluate_op

KEPT_ATTRIBUTES = ("layer", "absorbed", "precision", "placed_by", "index")
CASTS = {
    QuantizeCastOp: "quantize",
    DequantizeCastOp: "dequantize",
    StorageCastOp: "storage_cast",
}
SIGN_SHIFT = 128
"""Signed bytes are kept as unsigned ones, 128 greater: the dot-product instructions of x86 take
unsigned activations, and one signedness halves the kernels."""


@dataclass(frozen=True)
class LowerToKernelPass(OctetPass):
    """Turns every tensor op into one kernel call on buffers, and tensors into buffers.

    - Layouts follow `assign-layout`; a "copy" is inserted where a kernel needs another one.
    - Buffers that convolutions read get a halo as wide as the widest padding among them.
    - Signed 8-bit activations become unsigned, scale kept and zero point 128 greater.
    - A reshape of a dense buffer is a view: no bytes move.
    - Casts of constants are done here, once.

        %1 = nn.conv %0, %w <..> {layouts = ["nhwc"]} : (tensor<1x8x6x6x!q>, ..) -> ..
    becomes
        %1 = kernel.call "conv" (x = %0, weight = %w) <..>
            : (memref<1x8x6x6x!q, #kernel.buffer<nhwc, halo = [1, 1, 1, 1]>>, ..) -> ..

    Does nothing to a program that is lowered already.
    """

    name = "lower-to-kernel"
    # Integer kernels are bit-equal to the reference; float ones sum in another order.
    NUMERICS: ClassVar[Numerics] = Numerics.ROUNDING
    ESTABLISHES: ClassVar = frozenset({ON_BUFFERS})
    REQUIRES: ClassVar = frozenset({ON_TENSORS, LAYOUTS_ASSIGNED})
    INVALIDATES: ClassVar = frozenset({ON_TENSORS, MEMORY_PLANNED})

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        function = main_function(module)
        if any(isinstance(type, MemRefType) for type in function.function_type.inputs) or any(
            isinstance(op, CallOp) for op in body_of(function).ops
        ):
            return
        lowered = _Lowering(ctx).lower(function)
        self.count(ctx, "kernel calls", sum(isinstance(o, CallOp) for o in body_of(lowered).ops))
        function.detach()
        function.erase()
        module.body.block.add_op(lowered)


def unsigned_storage(element: Attribute) -> Attribute:
    """The element type an activation has in memory: signed bytes become unsigned."""
    if not isinstance(element, UniformQuantizedType) or not element.is_signed:
        return element
    if element.storage.width.data != 8:
        return element
    low, high = element.limits
    return UniformQuantizedType(
        IntegerType(8, Signedness.UNSIGNED),
        element.expressed,
        element.scales.get_values(),
        [zero_point + SIGN_SHIFT for zero_point in element.zero_points.iter_values()],
        axis=element.channel_axis,
        storage_range=(low + SIGN_SHIFT, high + SIGN_SHIFT),
    )


@dataclass
class _Lowering:
    ctx: OctetContext
    values: dict[SSAValue, SSAValue] = field(default_factory=dict)
    copies: dict[tuple[SSAValue, Attribute], SSAValue] = field(default_factory=dict)
    halos: dict[SSAValue, tuple[int, ...]] = field(default_factory=dict)
    block: Block = field(default_factory=Block)

    def lower(self, function: FuncOp) -> FuncOp:
        body = body_of(function)
        self.halos = _needed_halos(body.ops)
        self.block = Block(
            arg_types=[
                buffer_type(_raw_storage(element_of_value(arg)), shape_of(arg), BufferAttr("dense"))
                for arg in body.args
            ]
        )
        for old, new in zip(body.args, self.block.args, strict=True):
            self.values[old] = self._from_storage(old, new)
        for op in body.ops:
            self._lower_op(op)
        terminator = cast(ReturnOp, self.block.last_op)
        return FuncOp(
            function.sym_name.data,
            FunctionType.from_lists(
                [arg.type for arg in self.block.args],
                [value.type for value in terminator.operands],
            ),
            Region(self.block),
            visibility=function.sym_visibility,
            arg_attrs=function.arg_attrs,
            res_attrs=function.res_attrs,
        )

    def _add(self, op: Operation) -> Sequence[SSAValue]:
        self.block.add_op(op)
        return op.results

    def _from_storage(self, old: SSAValue, new: SSAValue) -> SSAValue:
        """An argument of quantized type arrives as raw integers, signed ones too."""
        if not is_quantized(element_of_value(old)):
            return new
        type = buffer_type(
            unsigned_storage(element_of_value(old)), shape_of(old), BufferAttr("dense")
        )
        return self._add(CallOp.of("storage_cast", [("x", new)], {}, [type]))[0]

    def _lower_op(self, op: Operation) -> None:
        match op:
            case nn_constant.ConstantOp():
                return  # materialized by its users: as a weight, or as an activation
            case ReturnOp():
                outputs = [self._output(value) for value in op.operands]
                self.block.add_op(ReturnOp(*outputs))
            case ReshapeOp():
                self._lower_reshape(op)
            case CastOp():
                self._lower_cast(op)
            case NnOp():
                self._lower_call(op)
            case _:
                raise OctetError(f"lower-to-kernel: {op.name} has no kernel")

    def _lower_call(self, op: NnOp) -> None:
        layout = required_layout(op)
        operands = [
            (
                name,
                self._weight(value)
                if name in op.WEIGHT_AXES and _is_constant(value)
                else self._operand(value, layout),
            )
            for name, value in zip(op.operand_names(), op.operands, strict=True)
        ]
        options: dict[str, Any] = dict(op.properties)
        options.pop(AttrSizedOperandSegments.attribute_name, None)
        if isinstance(op, LookupOp):
            options["table"] = self._unsigned_table(op)
        _require_kernel(op)
        call = CallOp.of(
            op.mnemonic,
            operands,
            options,
            [self._result_type(result) for result in op.results],
            _kept(op),
        )
        self.values |= dict(zip(op.results, self._add(call), strict=True))

    def _lower_cast(self, op: CastOp) -> None:
        if _is_constant(op.input):
            constant = cast(nn_constant.ConstantOp, op.input.owner)
            folded = evaluate_op(op, [constant.array(self.ctx.weights)], self.ctx.weights)[0]
            replacement = nn_constant.ConstantOp.of(
                folded, self.ctx.weights, element_of_value(op.result)
            )
            self.values[op.result] = self._activation_constant(replacement)
            return
        source = self._operand(op.input, "any")
        element = element_of_value(op.result)
        stored = (
            element
            if isinstance(op, StorageCastOp) and not is_quantized(element)
            else unsigned_storage(element)
        )
        type = self._result_type(op.result, stored)
        call = CallOp.of(CASTS[_type_of_cast(op)], [("x", source)], {}, [type], _kept(op))
        self.values[op.result] = self._add(call)[0]

    def _lower_reshape(self, op: ReshapeOp) -> None:
        source = self._operand(op.x, "any")
        if isinstance(source.owner, ConstantOp) or not is_row_major(
            layout_of(source), buffer_shape(source)
        ):
            source = self._copy(source, BufferAttr("dense"))
        shape = shape_of(op.result)
        type = buffer_type(buffer_element(source), shape, BufferAttr("dense"))
        view = ViewOp(
            operands=[[source]],
            result_types=[[type]],
            properties={"shape": op.shape},
            attributes={name: value for name, value in _kept(op).items() if name in ViewOp.KEPT},
        )
        self.values[op.result] = self._with_halo(op.result, self._add(view)[0])

    def _with_halo(self, old: SSAValue, new: SSAValue) -> SSAValue:
        """A buffer that a convolution pads must be one of its own, written with its halo."""
        if old not in self.halos:
            return new
        return self._copy(new, BufferAttr("nhwc", self.halos[old]))

    def _result_type(self, result: SSAValue, element: Attribute | None = None) -> MemRefType:
        element = unsigned_storage(element_of_value(result)) if element is None else element
        order = layout_name(result)
        halo = self.halos.get(result, ()) if order == "nhwc" else ()
        return buffer_type(element, shape_of(result), BufferAttr(order, halo))

    def _operand(self, value: SSAValue, order: str) -> SSAValue:
        """The buffer of an operand, in the order its user needs."""
        if _is_constant(value) and value not in self.values:
            self.values[value] = self._activation_constant(
                cast(nn_constant.ConstantOp, value.owner)
            )
        buffer = self.values[value]
        rank = len(buffer_shape(buffer))
        if order == "any" or rank not in (3, 4):
            return buffer
        if order == "dense":
            if layout_of(buffer).order.data == "dense":
                return buffer
            return self._copy(buffer, BufferAttr("dense"))
        halo = self.halos.get(value, ())
        if layout_of(buffer).order.data == "nhwc" and (
            not halo or layout_of(buffer).halo_widths == halo
        ):
            return buffer
        return self._copy(buffer, BufferAttr("nhwc", halo))

    def _copy(self, buffer: SSAValue, layout: BufferAttr) -> SSAValue:
        key = (buffer, layout)
        if key not in self.copies:
            type = buffer_type(buffer_element(buffer), buffer_shape(buffer), layout)
            self.copies[key] = self._add(CallOp.of("copy", [("x", buffer)], {}, [type]))[0]
        return self.copies[key]

    def _output(self, value: SSAValue) -> SSAValue:
        """A program's outputs are dense buffers of their own, holding raw integers or floats."""
        buffer = self._operand(value, "any")
        if is_quantized(element_of_value(value)):
            type = buffer_type(
                _raw_storage(element_of_value(value)), shape_of(value), BufferAttr("dense")
            )
            return self._add(CallOp.of("storage_cast", [("x", buffer)], {}, [type]))[0]
        owned = isinstance(buffer.owner, CallOp)
        if owned and is_row_major(layout_of(buffer), buffer_shape(buffer)):
            return buffer
        if isinstance(buffer.owner, ViewOp):
            return buffer
        return self._copy(buffer, BufferAttr("dense"))

    # --- constants --------------------------------------------------------------------------

    def _weight(self, value: SSAValue) -> SSAValue:
        """A constant weight or bias, stored as it is."""
        constant = cast(nn_constant.ConstantOp, value.owner)
        array = constant.array(self.ctx.weights)
        return self._constant(array, element_of_value(value))

    def _activation_constant(self, constant: nn_constant.ConstantOp) -> SSAValue:
        """A constant that is used like an activation: signed bytes become unsigned."""
        array = constant.array(self.ctx.weights)
        element = element_of_value(constant.result)
        stored = unsigned_storage(element)
        if stored != element:
            array = (array.astype(np.int16) + SIGN_SHIFT).astype(np.uint8)
        return self._constant(array, stored)

    def _constant(self, array: np.ndarray, element: Attribute) -> SSAValue:
        type = buffer_type(element, array.shape, None)
        return self._add(ConstantOp.of(self.ctx.weights.add(array), type))[0]

    def _unsigned_table(self, op: LookupOp) -> WeightAttr:
        """The index of a table is the unsigned byte already; its entries may be signed."""
        element = element_of_value(op.result)
        if unsigned_storage(element) == element:
            return op.table
        table = self.ctx.weights[op.table.digest.data]
        return WeightAttr(
            self.ctx.weights.add((table.astype(np.int16) + SIGN_SHIFT).astype(np.uint8))
        )


def _type_of_cast(op: CastOp) -> type[QuantizeCastOp | DequantizeCastOp | StorageCastOp]:
    return next(kind for kind in CASTS if isinstance(op, kind))


def _is_constant(value: SSAValue) -> bool:
    return isinstance(value.owner, nn_constant.ConstantOp)


def _require_kernel(op: NnOp) -> None:
    """Raises OctetError if no kernel takes the element types of the operands."""
    elements = [element_of_value(value) for value in op.operands]
    named = zip(op.operand_names(), elements, strict=True)
    missing = missing_kernel(op.mnemonic, named, op.values())
    if missing is not None:
        raise OctetError(f"{op.source_name}: {missing}")


def _kept(op: Operation) -> dict[str, Attribute]:
    return {name: op.attributes[name] for name in KEPT_ATTRIBUTES if name in op.attributes}


def _raw_storage(element: Attribute) -> Attribute:
    return element.storage if isinstance(element, UniformQuantizedType) else element


def _needed_halos(ops: Any) -> dict[SSAValue, tuple[int, ...]]:
    """For every value that convolutions read: the widest padding on each side."""
    halos: dict[SSAValue, tuple[int, ...]] = {}
    for op in ops:
        if isinstance(op, ConvOp):
            pads = op.pads.get_values()
            wide = halos.get(op.x, (0,) * len(pads))
            halos[op.x] = tuple(map(max, wide, pads))
    return {value: halo for value, halo in halos.items() if any(halo)}
