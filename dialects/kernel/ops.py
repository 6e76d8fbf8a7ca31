"""The ops of the `kernel` dialect: constants, kernel calls, and views of buffers."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, cast

from xdsl.dialects.builtin import (
    ArrayAttr,
    DictionaryAttr,
    MemRefType,
    NoneAttr,
    StringAttr,
    TensorType,
)
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_attr_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import ConstantLike, Pure
from xdsl.utils.exceptions import VerifyException

from dialects.assembly import (
    INTEGERS,
    PlainAssembly,
    from_attribute,
    parse_optional_plain_dictionary,
    print_plain_dictionary,
    to_attribute,
)
from dialects.elements import i8, ui8
from dialects.errors import OctetError
from dialects.kernel.layout import DENSE, BufferAttr
from dialects.kernel.signatures import CONVERSIONS, Signature, missing_kernel, signatures
from dialects.nn.attributes import PrecisionAttr, WeightAttr
from dialects.quant import CastOp, StorageCastOp
from dialects.shapes import Shape, resolve_reshape


def buffer_shape(value: SSAValue) -> Shape:
    """The shape of a buffer, without its halo."""
    return cast(MemRefType, value.type).get_shape()


def buffer_element(value: SSAValue) -> Attribute:
    return cast(MemRefType, value.type).element_type


def layout_of(value: SSAValue) -> BufferAttr:
    """The layout of a buffer; constants, which are not in the arena, are dense."""
    layout = cast(MemRefType, value.type).layout
    return layout if isinstance(layout, BufferAttr) else DENSE


def buffer_type(element: Attribute, shape: Shape, layout: BufferAttr | None) -> MemRefType:
    """A memref of `shape`; `layout` is None for constants."""
    return MemRefType(element, shape, NoneAttr() if layout is None else layout)


def _tensor_type(value: SSAValue) -> TensorType:
    """What a buffer holds, wherever it is."""
    return TensorType(buffer_element(value), buffer_shape(value))


def _unsigned_bytes(type: TensorType) -> TensorType:
    """Raw signed bytes as unsigned: "storage_cast" turns one into the other."""
    return TensorType(ui8, type.get_shape()) if type.element_type == i8 else type


@irdl_op_definition
class ConstantOp(PlainAssembly):
    """A constant array outside of the arena, by its handle into the weight store."""

    name = "kernel.constant"
    traits = traits_def(ConstantLike(), Pure())

    value = prop_def(WeightAttr)
    result = result_def(MemRefType)

    @classmethod
    def of(cls, digest: str, type: MemRefType) -> ConstantOp:
        return cls(result_types=[[type]], properties={"value": WeightAttr(digest)})


@irdl_op_definition
class ViewOp(PlainAssembly):
    """The same memory in another shape. Both buffers are dense, so no element moves.

    `shape` is coded as in nn.reshape. The operand may be nhwc when its spatial sizes are 1,
    where nhwc and dense are the same order.
    """

    name = "kernel.view"
    traits = traits_def(Pure())

    x = operand_def(MemRefType)
    shape = prop_def(INTEGERS)
    layer = opt_attr_def(StringAttr)
    index = opt_attr_def(INTEGERS)
    result = result_def(MemRefType)

    KEPT: ClassVar = ("layer", "index")
    """What it keeps of the reshape it was."""

    def infer_shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        return [resolve_reshape(shapes[0], self.shape.get_values())]

    def verify_(self) -> None:
        try:
            inferred = self.infer_shapes([buffer_shape(self.x)])[0]
        except OctetError as error:
            raise VerifyException(f"kernel.view: {error}") from error
        if inferred != buffer_shape(self.result):
            raise VerifyException(
                f"kernel.view: result has shape {list(buffer_shape(self.result))}, expected "
                f"{list(inferred)}"
            )
        if buffer_element(self.x) != buffer_element(self.result):
            raise VerifyException("kernel.view keeps the element type")
        for value in (self.x, self.result):
            if not is_row_major(layout_of(value), buffer_shape(value)):
                raise VerifyException(f"kernel.view needs dense buffers, got {value.type}")
        if layout_of(self.x).offset != layout_of(self.result).offset:
            raise VerifyException("kernel.view: operand and result lie at different offsets")


def is_row_major(layout: BufferAttr, shape: Shape) -> bool:
    """The elements lie in the order of the shape, with nothing between them."""
    if layout.halo_widths or layout.window is not None:
        return False
    return (
        layout.order.data == "dense" or all(size == 1 for size in shape[2:]) or shape[1:2] == (1,)
    )


@irdl_op_definition
class CallOp(IRDLOperation):
    """One kernel call: operands by name, options, and a fresh buffer per result.

        %2 = kernel.call "conv" (x = %0, weight = %1) <strides = [1, 1], ..> {layer = "stem"}
            : (memref<..>, memref<..>) -> memref<..>

    The callee's signature (dialects/kernel/signatures.py) says which operands and options it
    takes. Whoever writes a buffer that has a halo also fills the halo.
    """

    name = "kernel.call"
    traits = traits_def(Pure())

    inputs = var_operand_def(MemRefType)
    callee = prop_def(StringAttr)
    input_names = prop_def(ArrayAttr)
    options = prop_def(DictionaryAttr)
    layer = opt_attr_def(StringAttr)
    absorbed = opt_attr_def(ArrayAttr)
    precision = opt_attr_def(PrecisionAttr)
    placed_by = opt_attr_def(StringAttr)
    index = opt_attr_def(INTEGERS)
    buffers = var_result_def(MemRefType)

    @classmethod
    def of(
        cls,
        callee: str,
        operands: Sequence[tuple[str, SSAValue]],
        options: Mapping[str, Any],
        result_types: Sequence[MemRefType],
        attributes: Mapping[str, Attribute] | None = None,
    ) -> CallOp:
        return cls(
            operands=[[value for _, value in operands]],
            result_types=[list(result_types)],
            properties={
                "callee": StringAttr(callee),
                "input_names": ArrayAttr([StringAttr(name) for name, _ in operands]),
                "options": DictionaryAttr(
                    {name: to_attribute(value) for name, value in sorted(options.items())}
                ),
            },
            attributes=dict(attributes or {}),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each operand."""
        return tuple(cast(StringAttr, name).data for name in self.input_names)

    def operand(self, name: str) -> SSAValue | None:
        """The operand of that name, or None if it is absent."""
        names = self.names
        return self.inputs[names.index(name)] if name in names else None

    def values(self) -> dict[str, Any]:
        """The options as plain Python values."""
        return {name: from_attribute(value) for name, value in self.options.data.items()}

    @property
    def kernel_name(self) -> str:
        """The name of the callee."""
        return self.callee.data

    @property
    def source_name(self) -> str:
        return self.layer.data if self.layer is not None else f"kernel {self.callee.data}"

    def infer_shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        """Result shapes for operands of `shapes`, by the callee's rule."""
        return signatures()[self.callee.data].shape_rule(*shapes, **self.values())

    # --- text -------------------------------------------------------------------------------

    def print(self, printer: Printer) -> None:
        printer.print_string(f' "{self.callee.data}" (')
        for index, (name, value) in enumerate(zip(self.names, self.inputs, strict=True)):
            printer.print_string(f"{', ' if index else ''}{name} = ")
            printer.print_ssa_value(value)
        printer.print_string(")")
        if self.options.data:
            printer.print_string(" ")
            print_plain_dictionary(printer, self.options.data)
        if self.attributes:
            printer.print_string(" ")
            printer.print_attr_dict(dict(sorted(self.attributes.items())))
        printer.print_string(" : ")
        printer.print_operation_type(self)

    @classmethod
    def parse(cls, parser: Parser) -> CallOp:
        callee = parser.parse_str_literal(" for the name of the kernel")

        def named_operand():
            name = parser.parse_identifier(" for the name of an operand")
            parser.parse_punctuation("=")
            return name, parser.parse_unresolved_operand()

        named = parser.parse_comma_separated_list(parser.Delimiter.PAREN, named_operand)
        options = parse_optional_plain_dictionary(parser)
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        position = parser.pos
        types = parser.parse_function_type()
        operands = parser.resolve_operands(
            [operand for _, operand in named], types.inputs.data, position
        )
        return cls(
            operands=[operands],
            result_types=[list(types.outputs)],
            properties={
                "callee": StringAttr(callee),
                "input_names": ArrayAttr([StringAttr(name) for name, _ in named]),
                "options": DictionaryAttr(dict(sorted(options.items()))),
            },
            attributes=attributes,
        )

    # --- verification -----------------------------------------------------------------------

    def verify_(self) -> None:
        signature = signatures().get(self.callee.data)
        if signature is None:
            near = difflib.get_close_matches(self.callee.data, signatures(), n=3)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise VerifyException(f"there is no kernel named '{self.callee.data}'{hint}")
        self._verify_operands(signature)
        self._verify_options(signature)
        self._verify_elements()
        if len(self.buffers) != signature.results:
            raise VerifyException(
                f"{self.source_name}: kernel {signature.name} has {signature.results} result(s), "
                f"got {len(self.buffers)}"
            )
        for value in (*self.inputs, *self.buffers):
            layout_of(value).verify_for(buffer_shape(value))
        self._verify_as_tensor_op()

    def tensor_op(self) -> Operation | None:
        """The op that this call computes, on tensors of the same types; None for a copy."""
        signature = signatures()[self.callee.data]
        if signature.op is None:
            return None
        tensors = Block(arg_types=[_tensor_type(value) for value in self.inputs])
        results = [[_tensor_type(value)] for value in self.buffers]
        if signature.op is StorageCastOp:
            source = _unsigned_bytes(_tensor_type(self.inputs[0]))
            result = _unsigned_bytes(_tensor_type(self.buffers[0]))
            return StorageCastOp(Block(arg_types=[source]).args[0], result)
        if issubclass(signature.op, CastOp):
            return signature.op(tensors.args[0], results[0][0])
        groups = [
            [value for given, value in zip(self.names, tensors.args, strict=True) if given == name]
            for name, _ in signature.op.get_irdl_definition().operands
        ]
        return signature.op(
            operands=groups,
            result_types=results,
            properties=dict(self.options.data),
            attributes={} if self.layer is None else {"layer": self.layer},
        )

    def _verify_as_tensor_op(self) -> None:
        """A call is valid when the tensor op it computes is, on tensors of the same types."""
        op = self.tensor_op()
        if op is not None:
            op.verify()
        elif [_tensor_type(v) for v in self.inputs] != [_tensor_type(v) for v in self.buffers]:
            raise VerifyException(f"{self.source_name}: {self.callee.data} keeps the type")

    def _verify_operands(self, signature: Signature) -> None:
        names = self.names
        if len(names) != len(self.inputs):
            raise VerifyException(f"{self.source_name}: an operand without a name")
        if signature.variadic is not None:
            if set(names) != {signature.variadic}:
                raise VerifyException(
                    f"{self.source_name}: operands of kernel {signature.name} are all named "
                    f"'{signature.variadic}'"
                )
            return
        known = (*signature.operands, *signature.optional_operands)
        order = [known.index(name) if name in known else -1 for name in names]
        missing = [name for name in signature.operands if name not in names]
        if -1 in order or missing or order != sorted(set(order)):
            raise VerifyException(
                f"{self.source_name}: kernel {signature.name} takes operands "
                f"({', '.join(signature.operands)}), optionally "
                f"({', '.join(signature.optional_operands)}), in this order; got "
                f"({', '.join(names)})"
            )

    def _verify_elements(self) -> None:
        if any(self.callee.data == conversion.name for conversion in CONVERSIONS):
            return
        elements = [buffer_element(value) for value in self.inputs]
        named = zip(self.names, elements, strict=True)
        missing = missing_kernel(self.callee.data, named, self.values())
        if missing is not None:
            raise VerifyException(f"{self.source_name}: {missing}")

    def _verify_options(self, signature: Signature) -> None:
        known = {*signature.options, *signature.optional_options}
        given = set(self.options.data)
        if given - known or set(signature.options) - given:
            raise VerifyException(
                f"{self.source_name}: kernel {signature.name} takes options "
                f"{sorted(signature.options)} and optionally "
                f"{sorted(signature.optional_options)}; got {sorted(given)}"
            )
