"""How a buffer lies in memory: `#kernel.buffer<nhwc, halo = [1, 1, 1, 1], at = 4096>`.

Shapes are always in ONNX order (N, C, spatial); the layout says in which order the dimensions
follow one another in memory, how wide a border surrounds the spatial ones, and, once memory is
planned, at which byte of the arena the buffer begins.

      dense   row-major in the order of the shape
      nhwc    channels last: what convolutions and pools read and write

The halo is [top, left, bottom, right] (or [left, right] with one spatial dimension), in
elements. It belongs to the buffer, not to its shape: convolutions read their padding from it.
Its elements hold the zero point, or 0.0.

A window lies inside a larger buffer, that of a `kernel.join`: `window = [1, 64, 256]` are the
indices from 64 on, along dimension 1, of a buffer that has 256 of them and is otherwise of the same
shape, order and halo. Its offset is that of the larger buffer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

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


class Window(NamedTuple):
    """The indices from `first` on along one dimension, of which the larger buffer has `size`."""

    axis: int
    first: int
    size: int


@irdl_attr_definition
class BufferAttr(MemRefLayoutAttr, ParametrizedAttribute):
    """The layout of a buffer in the arena; see the module's docstring."""

    name = "kernel.buffer"

    order: StringAttr
    halo: ArrayAttr[IntAttr]
    within: ArrayAttr[IntAttr]
    at: IntAttr | NoneAttr

    def __init__(
        self,
        order: str = "dense",
        halo: Sequence[int] = (),
        at: int | None = None,
        window: Window | None = None,
    ):
        super().__init__(
            StringAttr(order),
            ArrayAttr([IntAttr(width) for width in halo] if any(halo) else []),
            ArrayAttr([IntAttr(number) for number in window or ()]),
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

    @property
    def window(self) -> Window | None:
        """Which part of a larger buffer this one is; None for a buffer of its own."""
        return Window(*(number.data for number in self.within)) if self.within.data else None

    def placed_at(self, offset: int | None) -> BufferAttr:
        return BufferAttr(self.order.data, self.halo_widths, offset, self.window)

    def with_halo(self, halo: Sequence[int]) -> BufferAttr:
        return BufferAttr(self.order.data, halo, self.offset, self.window)

    def with_window(self, window: Window | None) -> BufferAttr:
        return BufferAttr(self.order.data, self.halo_widths, self.offset, window)

    def verify(self) -> None:
        if self.order.data not in ORDERS:
            raise VerifyException(
                f"a buffer's order is one of {', '.join(ORDERS)}, got '{self.order.data}'"
            )
        if self.halo.data and self.order.data != "nhwc":
            raise VerifyException("only nhwc buffers have a halo")
        if len(self.halo.data) % 2 or any(width.data < 0 for width in self.halo):
            raise VerifyException(f"a halo is begins, then ends, got {list(self.halo_widths)}")
        if len(self.within.data) not in (0, 3) or any(number.data < 0 for number in self.within):
            raise VerifyException(
                f"a window is [dimension, first index, size], got "
                f"{[number.data for number in self.within]}"
            )
        if self.offset is not None and self.offset < 0:
            raise VerifyException(f"arena offset {self.offset} is negative")

    def verify_for(self, shape: Shape) -> None:
        """The layout fits a buffer of `shape`."""
        spatial = len(shape) - 2
        if self.halo.data and (spatial < 1 or len(self.halo.data) != 2 * spatial):
            raise VerifyException(
                f"a halo of {list(self.halo_widths)} does not fit a buffer of {list(shape)}"
            )
        window = self.window
        if window is None:
            return
        if window.axis >= len(shape) or window.first + shape[window.axis] > window.size:
            raise VerifyException(
                f"a window {list(window)} does not hold a buffer of {list(shape)}"
            )
        if self.halo.data and window.axis >= 2:
            raise VerifyException("a window along a dimension with a halo has no halo of its own")

    def print_parameters(self, printer: Printer) -> None:
        with printer.in_angle_brackets():
            printer.print_string(self.order.data)
            if self.halo.data:
                printer.print_string(f", halo = {list(self.halo_widths)}")
            if self.window is not None:
                printer.print_string(f", window = {list(self.window)}")
            if self.offset is not None:
                printer.print_string(f", at = {self.offset}")

    @classmethod
    def parse_parameters(cls, parser: AttrParser) -> Sequence[Attribute]:
        with parser.in_angle_brackets():
            order = parser.parse_identifier(" for the order of a buffer")
            lists: dict[str, list[IntAttr]] = {"halo": [], "window": []}
            offset: IntAttr | NoneAttr = NoneAttr()
            while parser.parse_optional_punctuation(",") is not None:
                key = parser.parse_keyword_in(("halo", "window", "at"))
                parser.parse_punctuation("=")
                if key == "at":
                    offset = IntAttr(parser.parse_integer())
                    continue
                lists[key] = parser.parse_comma_separated_list(
                    parser.Delimiter.SQUARE, lambda: IntAttr(parser.parse_integer())
                )
        return StringAttr(order), ArrayAttr(lists["halo"]), ArrayAttr(lists["window"]), offset

    def get_affine_map(self) -> AffineMap:
        raise TypeError("the strides of a kernel.buffer follow from the memref's shape: strides()")

    # --- what it means for a shape ----------------------------------------------------------

    def permutation(self, rank: int) -> tuple[int, ...]:
        """The dimensions of a shape in the order they lie in memory, outermost first."""
        if self.order.data == "dense" or rank < 3:
            return tuple(range(rank))
        return (0, *range(2, rank), 1)

    def padded_shape(self, shape: Shape) -> Shape:
        """The shape including the halo, of the larger buffer for a window, in the order of the
        shape."""
        halo = self.halo_widths
        spatial = len(halo) // 2
        if self.window is not None:
            axis, _, size = self.window
            shape = (*shape[:axis], size, *shape[axis + 1 :])
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
        """Elements from the beginning of the buffer, or of the larger one, to the first element
        inside the halo, and inside the window."""
        strides = self.strides(shape)
        begins = self.halo_widths[: len(self.halo_widths) // 2]
        inside = sum(width * strides[2 + i] for i, width in enumerate(begins))
        return (
            inside
            if self.window is None
            else inside + self.window.first * strides[self.window.axis]
        )

    def elements(self, shape: Shape) -> int:
        """Elements that the buffer takes, halo included; of a window, those of the larger one."""
        return math.prod(self.padded_shape(shape))


DENSE = BufferAttr("dense")
NHWC = BufferAttr("nhwc")
