"""How a buffer lies in memory: `#kernel.buffer<nhwc, halo = [1, 1, 1, 1], at = 4096>`.

Shapes are always in ONNX order (N, C, spatial); the layout says in which order the dimensions
follow one another in memory, how wide a border surrounds the spatial ones, and, once memory is
planned, at which byte of the arena the buffer begins.

      dense   row-major in the order of the shape
      nhwc    channels last: what convolutions and pools read and write

The halo is [top, left, bottom, right] (or [left, right] with one spatial dimension), in
elements. It belongs to the buffer, not to its shape: convolutions read their padding from it.
Its elements hold the zero point, or 0.0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from xdsl.dialects.builtin import (
    ArrayAttr,
    IntAttr,
    MemRefLayoutAttr,
    NoneAttr,
    StringAttr,
)
from xdsl.ir import Attribute, ParametrizedAttribute
from xdsl.ir.affine import AffineMap
from xdsl.irdl import irdl_attr_definition
from xdsl.parser import AttrParser
from xdsl.printer import Printer
from xdsl.utils.exceptions import VerifyException

from dialects.shapes import Shape

ORDERS = ("dense", "nhwc")


@irdl_attr_definition
class BufferAttr(MemRefLayoutAttr, ParametrizedAttribute):
    """The layout of a buffer in the arena; see the module's docstring."""

    name = "kernel.buffer"

    order: StringAttr
    halo: ArrayAttr[IntAttr]
    at: IntAttr | NoneAttr

    def __init__(self, order: str = "dense", halo: Sequence[int] = (), at: int | None = None):
        super().__init__(
            StringAttr(order),
            ArrayAttr([IntAttr(width) for width in halo] if any(halo) else []),
            NoneAttr() if at is None else IntAttr(at),
        )

    @property
    def halo_widths(self) -> tuple[int, ...]:
        """Begins, then ends, per spatial dimension; empty without a halo."""
        return tuple(width.data for width in self.halo)

    @property
    def offset(self) -> int | None:
        """Byte offset of the buffer in the arena; None before memory is planned."""
        return self.at.data if isinstance(self.at, IntAttr) else None

    def placed_at(self, offset: int | None) -> BufferAttr:
        return BufferAttr(self.order.data, self.halo_widths, offset)

    def with_halo(self, halo: Sequence[int]) -> BufferAttr:
        return BufferAttr(self.order.data, halo, self.offset)

    def verify(self) -> None:
        if self.order.data not in ORDERS:
            raise VerifyException(
                f"a buffer's order is one of {', '.join(ORDERS)}, got '{self.order.data}'"
            )
        if self.halo.data and self.order.data != "nhwc":
            raise VerifyException("only nhwc buffers have a halo")
        if len(self.halo.data) % 2 or any(width.data < 0 for width in self.halo):
            raise VerifyException(f"a halo is begins, then ends, got {list(self.halo_widths)}")
        if self.offset is not None and self.offset < 0:
            raise VerifyException(f"arena offset {self.offset} is negative")

    def verify_for(self, shape: Shape) -> None:
        """The layout fits a buffer of `shape`."""
        spatial = len(shape) - 2
        if self.halo.data and (spatial < 1 or len(self.halo.data) != 2 * spatial):
            raise VerifyException(
                f"a halo of {list(self.halo_widths)} does not fit a buffer of {list(shape)}"
            )

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(self.order.data)
            if self.halo.data:
                printer.print_string(f", halo = {list(self.halo_widths)}")
            if self.offset is not None:
                printer.print_string(f", at = {self.offset}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            order = parser.parse_identifier(" for the order of a buffer")
            halo: list[IntAttr] = []
            offset: IntAttr | NoneAttr = NoneAttr()
            while parser.parse_optional_punctuation(",") is not None:
                if parser.parse_keyword_in(("halo", "at")) == "halo":
                    parser.parse_punctuation("=")
                    halo = parser.parse_comma_separated_list(
                        parser.Delimiter.SQUARE, lambda: IntAttr(parser.parse_integer())
                    )
                else:
                    parser.parse_punctuation("=")
                    offset = IntAttr(parser.parse_integer())
        return StringAttr(order), ArrayAttr(halo), offset

    def get_affine_map(self) -> AffineMap:
        raise TypeError("the strides of a kernel.buffer follow from the memref's shape: strides()")

    # --- what it means for a shape ----------------------------------------------------------

    def permutation(self, rank: int) -> tuple[int, ...]:
        """The dimensions of a shape in the order they lie in memory, outermost first."""
        if self.order.data == "dense" or rank < 3:
            return tuple(range(rank))
        return (0, *range(2, rank), 1)

    def padded_shape(self, shape: Shape) -> Shape:
        """The shape including the halo, in the order of the shape."""
        halo = self.halo_widths
        spatial = len(halo) // 2
        if not halo:
            return tuple(shape)
        padded = tuple(size + halo[i] + halo[spatial + i] for i, size in enumerate(shape[2:]))
        return (*shape[:2], *padded)

    def strides(self, shape: Shape) -> tuple[int, ...]:
        """Element strides of each dimension of `shape`."""
        padded = self.padded_shape(shape)
        strides = [0] * len(shape)
        step = 1
        for dimension in reversed(self.permutation(len(shape))):
            strides[dimension] = step
            step *= padded[dimension]
        return tuple(strides)

    def interior(self, shape: Shape) -> int:
        """Elements from the buffer's beginning to the first element inside the halo."""
        strides = self.strides(shape)
        begins = self.halo_widths[: len(self.halo_widths) // 2]
        return sum(width * strides[2 + i] for i, width in enumerate(begins))

    def elements(self, shape: Shape) -> int:
        """Elements that the buffer takes, halo included."""
        return math.prod(self.padded_shape(shape))


DENSE = BufferAttr("dense")
NHWC = BufferAttr("nhwc")
