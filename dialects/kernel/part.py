"""`kernel.part`: a window of a buffer, seen as a buffer of its own. A slice that moves no bytes."""

from __future__ import annotations

from collections.abc import Sequence

from xdsl.dialects.builtin import IntegerAttr, MemRefType, StringAttr
from xdsl.ir import SSAValue
from xdsl.irdl import (
    irdl_op_definition,
    operand_def,
    opt_attr_def,
    prop_def,
    result_def,
    traits_def,
)
from xdsl.traits import Pure
from xdsl.utils.exceptions import VerifyException

from dialects.assembly import INTEGERS, PlainAssembly, to_attribute
from dialects.errors import OctetError
from dialects.kernel.layout import BufferAttr, Window
from dialects.kernel.ops import buffer_element, buffer_shape, layout_of
from dialects.shapes import Shape, slice_range


@irdl_op_definition
class PartOp(PlainAssembly):
    """The indices from `start` to `stop` (exclusive) of a buffer along `axis`, as ONNX Slice counts
    them.

        %1 = kernel.part %0 <axis = 1, start = 0, stop = 64>
            : (memref<1x96x8x8xf32, #kernel.buffer<nhwc>>)
            -> memref<1x64x8x8xf32, #kernel.buffer<nhwc, window = [1, 0, 96]>>

    Nothing happens when the program runs: the result's memory is that of the operand. A part of a
    window along the same dimension is a window of the same larger buffer.
    """

    name = "kernel.part"
    traits = traits_def(Pure())

    x = operand_def(MemRefType)
    axis = prop_def(IntegerAttr)
    start = prop_def(IntegerAttr)
    stop = prop_def(IntegerAttr)
    layer = opt_attr_def(StringAttr)
    index = opt_attr_def(INTEGERS)
    result = result_def(MemRefType)

    @classmethod
    def of(cls, x: SSAValue, axis: int, start: int, stop: int, type: MemRefType) -> PartOp:
        return cls(
            operands=[x],
            result_types=[type],
            properties={
                "axis": to_attribute(axis),
                "start": to_attribute(start),
                "stop": to_attribute(stop),
            },
        )

    @property
    def source_name(self) -> str:
        return self.layer.data if self.layer is not None else "a part"

    def kept(self, size: int) -> range:
        """The indices that are kept of a dimension of `size`."""
        return slice_range(size, self.start.value.data, self.stop.value.data, 1)

    def infer_shapes(self, shapes: Sequence[Shape]) -> list[Shape]:
        (shape,) = shapes
        axis = self.axis.value.data
        if not 0 <= axis < len(shape):
            raise OctetError(f"kernel.part: there is no dimension {axis}")
        return [(*shape[:axis], len(self.kept(shape[axis])), *shape[axis + 1 :])]

    def window(self) -> BufferAttr:
        """The layout of the result, which follows from that of the operand."""
        whole, axis = layout_of(self.x), self.axis.value.data
        size = buffer_shape(self.x)[axis]
        within = whole.window or Window(axis, 0, size)
        kept = self.kept(size)
        first = within.first + (kept.start if len(kept) else 0)
        return whole.with_window(Window(axis, first, within.size))

    def verify_(self) -> None:
        shape = buffer_shape(self.x)
        try:
            inferred = self.infer_shapes([shape])[0]
        except OctetError as error:
            raise VerifyException(str(error)) from error
        if inferred != buffer_shape(self.result):
            raise VerifyException(
                f"kernel.part: result has shape {list(buffer_shape(self.result))}, expected "
                f"{list(inferred)}"
            )
        window = layout_of(self.x).window
        if window is not None and window.axis != self.axis.value.data:
            raise VerifyException("kernel.part: its operand is a window along another dimension")
        if buffer_element(self.x) != buffer_element(self.result):
            raise VerifyException("kernel.part keeps the element type")
        if layout_of(self.result) != self.window():
            raise VerifyException(
                f"kernel.part: result {self.result.type} should have the layout {self.window()}"
            )
