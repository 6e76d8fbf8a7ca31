"""Loops over buffers whose body is written out: `kernel.map` and `kernel.reduce`.

A `kernel.call` names a kernel that somebody wrote. A loop op holds what it computes: a region of
scalar `arith` and `math` ops for one element, from which `runtime.kernels.loops` generates one
vectorized loop nest.

    %2 = kernel.map (%0, %1) <scalars = [0.5]> {layer = "scale"}
        : (memref<4x8xf32, ..>, memref<8x!quant.uniform<u8:f32, 0.1>, ..>) -> memref<4x8xf32, ..> {
    ^bb0(%3 : f32, %4 : f32, %5 : f32):
      %6 = arith.mulf %3, %5 : f32
      %7 = arith.addf %6, %4 : f32
      kernel.yield %7 : f32
    }

The region has an argument per operand, then one per scalar. Operands broadcast as in numpy. The
body computes in float32 (conditions in i1): a quantized operand is dequantized where it is loaded,
a quantized result quantized where it is stored, both as `quant.dcast` and `quant.qcast` say; a
16-bit float is widened where it is loaded and rounded where it is stored. `arith.truncf` followed
by `arith.extf` rounds in between, as storing and loading again would. The
numbers of one model (scales, bounds, epsilons) are scalars or stand in types, so that the region
alone is the *structure*, which models and layers share.

`kernel.reduce` also walks rows: dimensions `axis` and after. `kernel.fold` combines a value over
the row, in the 16 lanes of `runtime.reference.elementary.lane_sum`, and gives one value per row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from xdsl.dialects import arith, math
from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    FloatAttr,
    IntegerAttr,
    MemRefType,
    StringAttr,
    f32,
    f64,
    i1,
)
from xdsl.ir import Attribute, Block, BlockArgument, Operation, Region, SSAValue
from xdsl.irdl import (
    IRDLOperation,
    irdl_op_definition,
    operand_def,
    opt_attr_def,
    prop_def,
    region_def,
    result_def,
    traits_def,
    var_operand_def,
    var_result_def,
)
from xdsl.parser import Parser
from xdsl.printer import Printer
from xdsl.traits import IsolatedFromAbove, IsTerminator, Pure
from xdsl.utils.exceptions import VerifyException

from dialects.assembly import (
    FLOATS,
    INTEGERS,
    from_attribute,
    parse_optional_plain_dictionary,
    print_plain_dictionary,
    to_attribute,
)
from dialects.elements import HALVES, boolean
from dialects.errors import OctetError
from dialects.kernel.ops import CallOp, buffer_element, buffer_shape, is_row_major, layout_of
from dialects.nn.attributes import PrecisionAttr
from dialects.quant import UniformQuantizedType
from dialects.shapes import Shape, broadcast

FOLDS = ("add", "max", "min")
"""How values of a row are combined: their sum, the largest, the smallest (NaN wins)."""


@irdl_op_definition
class FoldOp(IRDLOperation):
    """A value of every element of the row combined into one: `kernel.fold "add" %v : f32`."""

    name = "kernel.fold"
    traits = traits_def(Pure())

    value = operand_def(f32)
    kind = prop_def(StringAttr)
    result = result_def(f32)

    assembly_format = "$kind $value attr-dict `:` type($value)"

    @classmethod
    def of(cls, kind: str, value: SSAValue) -> FoldOp:
        return cls(operands=[value], result_types=[f32], properties={"kind": StringAttr(kind)})

    def verify_(self) -> None:
        if self.kind.data not in FOLDS:
            raise VerifyException(
                f"kernel.fold combines by {', '.join(FOLDS)}, got '{self.kind.data}'"
            )


@irdl_op_definition
class LengthOp(IRDLOperation):
    """The number of elements of a row: `kernel.length : f32`."""

    name = "kernel.length"
    traits = traits_def(Pure())

    result = result_def(f32)

    assembly_format = "attr-dict `:` type($result)"

    @classmethod
    def of(cls) -> LengthOp:
        return cls(result_types=[f32])


@irdl_op_definition
class YieldOp(IRDLOperation):
    """The value of each result at one element, or of one row."""

    name = "kernel.yield"
    traits = traits_def(IsTerminator())

    values = var_operand_def()

    assembly_format = "$values attr-dict `:` type($values)"

    @classmethod
    def of(cls, *values: SSAValue) -> YieldOp:
        return cls(operands=[list(values)])


MAX_RESULTS = 4
"""Results of one loop."""

SCALAR_OPS: tuple[type[Operation], ...] = (
    arith.ConstantOp, arith.AddfOp, arith.SubfOp, arith.MulfOp, arith.DivfOp, arith.NegfOp,
    arith.MaximumfOp, arith.MinimumfOp, arith.CmpfOp, arith.SelectOp, arith.TruncFOp, arith.ExtFOp,
    math.AbsFOp, math.CeilOp, math.ErfOp, math.ExpOp, math.ExpM1Op, math.FloorOp, math.LogOp,
    math.RoundEvenOp, math.SqrtOp, math.TanhOp,
)  # fmt: skip
"""What a body is made of, besides folds. `math` ops mean the functions of
`runtime.reference.elementwise`; the maximum and minimum of two zeros is either of them."""

COMPARISONS = {1: "oeq", 2: "ogt", 3: "oge", 4: "olt", 5: "ole"}
"""Predicates of `arith.cmpf` that a body may use, by number."""


class LoopOp(IRDLOperation):
    """Base of the loop ops: fresh buffers, computed element by element by the body."""

    traits = traits_def(Pure(), IsolatedFromAbove())

    inputs = var_operand_def(MemRefType)
    scalars = prop_def(FLOATS)
    layer = opt_attr_def(StringAttr)
    absorbed = opt_attr_def(ArrayAttr)
    precision = opt_attr_def(PrecisionAttr)
    placed_by = opt_attr_def(StringAttr)
    index = opt_attr_def(INTEGERS)
    buffers = var_result_def(MemRefType)
    body = region_def("single_block")

    @property
    def block(self) -> Block:
        return self.body.block

    @property
    def yielded(self) -> Sequence[SSAValue]:
        """The value of each result."""
        return cast(YieldOp, self.block.last_op).operands

    def ops(self) -> Iterator[Operation]:
        """The ops of the body, without the yield."""
        return (op for op in self.block.ops if not isinstance(op, YieldOp))

    @property
    def scalar_values(self) -> tuple[float, ...]:
        return tuple(from_attribute(self.scalars))

    @property
    def kernel_name(self) -> str:
        """`map` or `reduce`."""
        return self.name.split(".", 1)[1]

    @property
    def source_name(self) -> str:
        return self.layer.data if self.layer is not None else self.name

    @property
    def row_axis(self) -> int | None:
        """The first dimension of a row; None without rows."""
        return None

    # --- shapes -----------------------------------------------------------------------------

    def iteration_shape(self, shapes: Sequence[Shape]) -> Shape:
        """The shape the loop walks for operands of `shapes`: what they broadcast to."""
        return broadcast(*shapes)

    def infer_shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        """Result shapes for operands of `shapes`.

        Raises OctetError if a result does not depend on operands of the whole shape: its own op,
        before it was fused, would then have given a smaller one.
        """
        whole = self.iteration_shape(shapes)
        for index, value in enumerate(self.yielded):
            used = [shapes[i] for i in sorted(self.operands_of(value))]
            if not used or broadcast(*used) != whole:
                raise OctetError(f"result {index} does not have the loop's shape {list(whole)}")
        return [whole] * len(self.buffers)

    def operands_of(self, value: SSAValue) -> set[int]:
        """The numbers of the operands that a value of the body depends on."""
        found: set[int] = set()
        pending, seen = [value], {value}
        while pending:
            current = pending.pop()
            if isinstance(current, BlockArgument):
                found.add(current.index)
                continue
            for operand in cast(Operation, current.owner).operands:
                if operand not in seen:
                    seen.add(operand)
                    pending.append(operand)
        return {number for number in found if number < len(self.inputs)}

    # --- text -------------------------------------------------------------------------------

    def print(self, printer: Printer) -> None:
        printer.print_string(" (")
        printer.print_list(self.inputs, printer.print_ssa_value)
        printer.print_string(")")
        properties = {name: value for name, value in self.properties.items() if not _empty(value)}
        if properties:
            printer.print_string(" ")
            print_plain_dictionary(printer, properties)
        if self.attributes:
            printer.print_string(" ")
            printer.print_attr_dict(dict(sorted(self.attributes.items())))
        printer.print_string(" : ")
        printer.print_operation_type(self)
        printer.print_string(" ")
        printer.print_region(self.body)

    @classmethod
    def parse(cls, parser: Parser) -> LoopOp:
        unresolved = parser.parse_comma_separated_list(
            parser.Delimiter.PAREN, parser.parse_unresolved_operand
        )
        properties = parse_optional_plain_dictionary(parser)
        properties.setdefault("scalars", NO_SCALARS)
        attributes = parser.parse_optional_attr_dict()
        parser.parse_punctuation(":")
        position = parser.pos
        types = parser.parse_function_type()
        operands = parser.resolve_operands(unresolved, types.inputs.data, position)
        body = parser.parse_region()
        return cls(
            operands=[operands],
            result_types=[list(types.outputs)],
            properties=properties,
            attributes=attributes,
            regions=[body],
        )

    # --- verification -----------------------------------------------------------------------

    def verify_(self) -> None:
        if not self.inputs or not self.buffers:
            raise VerifyException(f"{self.source_name}: {self.name} needs operands and results")
        if len(self.buffers) > MAX_RESULTS:
            raise VerifyException(f"{self.source_name}: {self.name} has over {MAX_RESULTS} results")
        for value in (*self.inputs, *self.buffers):
            layout_of(value).verify_for(buffer_shape(value))
        self._verify_arguments()
        for op in self.ops():
            self._verify_scalar_op(op)
        self._verify_results()
        self._verify_shapes()

    def _verify_arguments(self) -> None:
        expected = [self._scalar_type(value) for value in self.inputs]
        expected += [f32] * len(self.scalar_values)
        found = [argument.type for argument in self.block.args]
        if found != expected:
            raise VerifyException(
                f"{self.source_name}: the body of {self.name} takes "
                f"({', '.join(map(str, expected))}), an argument per operand and per scalar; got "
                f"({', '.join(map(str, found))})"
            )

    def _scalar_type(self, value: SSAValue) -> Attribute:
        """What the body sees of an element of a buffer."""
        element = buffer_element(value)
        if element == f32 or element in HALVES:
            return f32
        if element == boolean:
            return i1
        if (
            isinstance(element, UniformQuantizedType)
            and element.storage.width.data == 8
            and element.channel_axis is None
        ):
            return f32
        raise VerifyException(
            f"{self.source_name}: {self.name} works on float32, bfloat16, float16, booleans and "
            f"8-bit tensors of one scale, not on {element}"
        )

    def _verify_scalar_op(self, op: Operation) -> None:
        if not isinstance(op, SCALAR_OPS):
            raise VerifyException(f"{self.source_name}: {op.name} cannot stand in {self.name}")
        halves = {arith.TruncFOp: op.results, arith.ExtFOp: op.operands}.get(type(op), ())
        if any(value.type not in HALVES for value in halves):
            raise VerifyException(f"{self.source_name}: {op.name} is to or from a 16-bit float")
        others = (value for value in (*op.operands, *op.results) if value not in halves)
        if any(value.type not in (f32, i1) for value in others):
            raise VerifyException(f"{self.source_name}: {op.name} should be of f32 or i1")
        if isinstance(op, arith.ConstantOp) and not isinstance(op.value, FloatAttr):
            raise VerifyException(f"{self.source_name}: a constant in {self.name} is a float")
        if isinstance(op, arith.CmpfOp) and op.predicate.value.data not in COMPARISONS:
            raise VerifyException(
                f"{self.source_name}: arith.cmpf in {self.name} is one of "
                f"{', '.join(COMPARISONS.values())}"
            )

    def _verify_results(self) -> None:
        if not isinstance(self.block.last_op, YieldOp):
            raise VerifyException(f"{self.source_name}: {self.name} ends in kernel.yield")
        expected = [self._scalar_type(value) for value in self.buffers]
        found = [value.type for value in self.yielded]
        if found != expected:
            raise VerifyException(
                f"{self.source_name}: {self.name} yields ({', '.join(map(str, expected))}), a "
                f"value per result; got ({', '.join(map(str, found))})"
            )

    def _verify_shapes(self) -> None:
        try:
            inferred = self.infer_shapes([buffer_shape(value) for value in self.inputs])
        except OctetError as error:
            raise VerifyException(f"{self.source_name}: {error}") from error
        for index, (value, shape) in enumerate(zip(self.buffers, inferred, strict=True)):
            if buffer_shape(value) != shape:
                raise VerifyException(
                    f"{self.source_name}: result {index} of {self.name} has shape "
                    f"{list(buffer_shape(value))}, but its operands give {list(shape)}"
                )


NO_SCALARS = DenseArrayBase.from_list(f64, [])


def _empty(value: Attribute) -> bool:
    return isinstance(value, DenseArrayBase) and len(value) == 0


@irdl_op_definition
class MapOp(LoopOp):
    """One result element from one element of each operand; see the module's docstring."""

    name = "kernel.map"

    @classmethod
    def of(
        cls,
        inputs: Sequence[SSAValue],
        scalars: Sequence[float],
        results: Sequence[MemRefType],
        body: Region,
    ) -> MapOp:
        return cls(
            operands=[list(inputs)],
            result_types=[list(results)],
            properties={"scalars": scalar_attribute(scalars)},
            regions=[body],
        )


@irdl_op_definition
class ReduceOp(LoopOp):
    """Like `kernel.map`, with values combined over rows; see the module's docstring.

    A *row value* is made of folds, scalars and constants alone. A result that yields one has one
    element per row: its shape ends at `axis`, or goes on with ones.

        %1 = kernel.reduce (%0) <axis = 1> : (memref<4x8xf32, ..>) -> memref<4x8xf32, ..> {
        ^bb0(%2 : f32):
          %3 = kernel.fold "max" %2 : f32
          %4 = arith.subf %2, %3 : f32
          kernel.yield %4 : f32
        }
    """

    name = "kernel.reduce"

    axis = prop_def(IntegerAttr)

    @classmethod
    def of(
        cls,
        inputs: Sequence[SSAValue],
        scalars: Sequence[float],
        axis: int,
        results: Sequence[MemRefType],
        body: Region,
    ) -> ReduceOp:
        return cls(
            operands=[list(inputs)],
            result_types=[list(results)],
            properties={"scalars": scalar_attribute(scalars), "axis": to_attribute(axis)},
            regions=[body],
        )

    @property
    def row_axis(self) -> int:
        return self.axis.value.data

    def infer_shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        whole = super().infer_shapes(shapes)[0]
        axis = self.row_axis
        if not 0 <= axis < len(whole):
            raise OctetError(f"rows begin at dimension {axis} of {list(whole)}")
        for shape in shapes:
            tail = (1,) * (len(whole) - len(shape)) + tuple(shape)
            if tail[axis:] != whole[axis:] and any(size != 1 for size in tail[axis:]):
                raise OctetError(
                    f"an operand of {list(shape)} repeats within rows of {list(whole[axis:])}"
                )
        rows = row_values(self)
        inferred: list[Shape] = []
        for value, buffer in zip(self.yielded, self.buffers, strict=True):
            if value not in rows:
                inferred.append(whole)
            elif len(buffer_shape(buffer)) == axis:
                inferred.append(whole[:axis])
            else:
                inferred.append((*whole[:axis], *(1 for _ in whole[axis:])))
        return inferred

    def _verify_scalar_op(self, op: Operation) -> None:
        if not isinstance(op, FoldOp | LengthOp):
            super()._verify_scalar_op(op)

    def verify_(self) -> None:
        super().verify_()
        if not any(isinstance(op, FoldOp) for op in self.ops()):
            raise VerifyException(
                f"{self.source_name}: kernel.reduce without kernel.fold; use kernel.map"
            )
        for value in (*self.inputs, *self.buffers):
            if not is_row_major(layout_of(value), buffer_shape(value)):
                raise VerifyException(
                    f"{self.source_name}: kernel.reduce needs dense buffers, got {value.type}"
                )


def row_values(op: LoopOp) -> set[SSAValue]:
    """The values of a body that are the same for every element of a row."""
    rows: set[SSAValue] = set(op.block.args[len(op.inputs) :])
    for inner in op.ops():
        if isinstance(inner, FoldOp) or all(value in rows for value in inner.operands):
            rows.update(inner.results)
    return rows


def scalar_attribute(scalars: Sequence[float]) -> DenseArrayBase:
    """The `scalars` of a loop."""
    return cast(DenseArrayBase, to_attribute(list(map(float, scalars)))) if scalars else NO_SCALARS


Launch = CallOp | LoopOp
"""An op that runs kernels and writes buffers of its own."""

LOOP_OPS = (MapOp, ReduceOp, FoldOp, LengthOp, YieldOp)
