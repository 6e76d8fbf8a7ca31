"""`kernel.join`: the buffer whose windows its operands are. A concatenation that moves no bytes."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import IntegerAttr, MemRefType, StringAttr
from xdsl.ir import SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    opt_attr_def,
    prop_def,
    result_def,
    traits_def,
    var_operand_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dialects import shapes as shape_rules
from dialects.assembly import INTEGERS, PlainAssembly, to_attribute
from dialects.errors import OctetError
from dialects.kernel.layout import BufferAttr, Window
from dialects.kernel.ops import CallOp, buffer_element, buffer_shape, layout_of
from dialects.shapes import Shape


@irdl_op_definition
class JoinOp(PlainAssembly):
    """The buffer that its operands, each written into its own window of it, make up.

        %3 = kernel.join %1, %2 <axis = 1>
            : (memref<1x64x8x8xf32, #kernel.buffer<nhwc, window = [1, 0, 96]>>,
               memref<1x32x8x8xf32, #kernel.buffer<nhwc, window = [1, 64, 96]>>)
            -> memref<1x96x8x8xf32, #kernel.buffer<nhwc>>

    Nothing happens when the program runs. The operands follow one another along `axis`, without
    gaps; a join whose result is a window itself passes its place on to them. Every operand is the
    result of a kernel call or of another join, and of one join only.
    """

    name = "kernel.join"
    traits = traits_def(Pure())

    inputs = var_operand_def(MemRefType)
    axis = prop_def(IntegerAttr)
    layer = opt_attr_def(StringAttr)
    index = opt_attr_def(INTEGERS)
    result = result_def(MemRefType)

    @classmethod
    def of(cls, inputs: Sequence[SSAValue], axis: int, type: MemRefType) -> JoinOp:
        return cls(
            operands=[list(inputs)],
            result_types=[[type]],
            properties={"axis": to_attribute(axis)},
        )

    @property
    def source_name(self) -> str:
        return self.layer.data if self.layer is not None else "a join"

    def infer_shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        return shape_rules.concat(*shapes, axis=self.axis.value.data)

    def windows(self) -> list[BufferAttr]:
        """The layout that each operand must have, which follows from that of the result."""
        whole = layout_of(self.result)
        axis = self.axis.value.data
        within = whole.window or Window(axis, 0, buffer_shape(self.result)[axis])
        layouts = []
        first = within.first
        for value in self.inputs:
            layouts.append(whole.with_window(Window(axis, first, within.size)))
            first += buffer_shape(value)[axis]
        return layouts

    def verify_(self) -> None:
        if not self.inputs:
            raise VerifyException("kernel.join needs at least one operand")
        axis = self.axis.value.data
        if not 0 <= axis < len(buffer_shape(self.result)):
            raise VerifyException(f"kernel.join: there is no dimension {axis}")
        try:
            inferred = self.infer_shapes([buffer_shape(value) for value in self.inputs])[0]
        except OctetError as error:
            raise VerifyException(f"kernel.join: {error}") from error
        if inferred != buffer_shape(self.result):
            raise VerifyException(
                f"kernel.join: result has shape {list(buffer_shape(self.result))}, expected "
                f"{list(inferred)}"
            )
        window = layout_of(self.result).window
        if window is not None and window.axis != axis:
            raise VerifyException("kernel.join: its result is a window along another dimension")
        for value, layout in zip(self.inputs, self.windows(), strict=True):
            if not isinstance(value.owner, CallOp | JoinOp):
                raise VerifyException("kernel.join takes results of calls and of joins")
            if sum(isinstance(use.operation, JoinOp) for use in value.uses) != 1:
                raise VerifyException("kernel.join: an operand is joined twice")
            if buffer_element(value) != buffer_element(self.result):
                raise VerifyException("kernel.join keeps the element type")
            if layout_of(value) != layout:
                raise VerifyException(
                    f"kernel.join: operand {value.type} should have the layout {layout}"
                )


def join_of(value: SSAValue) -> JoinOp | None:
    """The join that a buffer is a window of."""
    return next((use.operation for use in value.uses if isinstance(use.operation, JoinOp)), None)
