"""Attributes that convolutions and pools share: windows and how they are padded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dialects.errors import OctetError

from ..coding import column, varies
from ..node import NodeContext
from ..values import Tensor


@dataclass(frozen=True)
class Window:
    """`pads` are all begins, then all ends."""

    kernel: list[int]
    strides: list[int]
    dilations: list[int]
    pads: list[int]


def spatial_list(node: NodeContext, name: str, rank: int, default: int) -> list[int]:
    """An attribute with one entry per spatial dimension."""
    values = node.integers(name)
    if values is None:
        return [default] * rank
    if len(values) != rank:
        raise OctetError(f"attribute {name} = {values} should have {rank} entries")
    return values


def window_of(
    node: NodeContext, x: Tensor, kernel: Sequence[int], *, most_dimensions: int = 2
) -> Window:
    """The window attributes of a node that slides `kernel` over the spatial dimensions of x."""
    rank = x.rank - 2
    if not 1 <= rank <= most_dimensions:
        raise OctetError(
            f"only 1 to {most_dimensions} spatial dimensions are supported, x is {list(x.shape)}"
        )
    if len(kernel) != rank:
        raise OctetError(f"a window of {list(kernel)} does not fit x {list(x.shape)}")
    strides = spatial_list(node, "strides", rank, 1)
    dilations = spatial_list(node, "dilations", rank, 1)
    return Window(list(kernel), strides, dilations, _pads(node, x, kernel, strides, dilations))


def _pads(
    node: NodeContext,
    x: Tensor,
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[int]:
    rank = len(kernel)
    explicit = node.integers("pads") or [0] * (2 * rank)
    if len(explicit) != 2 * rank:
        raise OctetError(f"attribute pads = {explicit} should have {2 * rank} entries")
    match node.text("auto_pad", "NOTSET"):
        case "NOTSET":
            return explicit
        case "VALID":
            return [0] * (2 * rank)
        case "SAME_UPPER" | "SAME_LOWER" as mode:
            begins, ends = [], []
            for axis in range(rank):
                sizes = column(node.shapes(x), 2 + axis)
                options = (kernel[axis], strides[axis], dilations[axis])
                totals = [same_padding(size, *options) for size in sizes]
                if varies(totals):
                    node.builder.fix(node.layer, f"auto_pad {mode} depends on the input size")
                total = totals[0]
                small, large = total // 2, total - total // 2
                begins.append(small if mode == "SAME_UPPER" else large)
                ends.append(large if mode == "SAME_UPPER" else small)
            return [*begins, *ends]
        case mode:
            raise OctetError(
                f"attribute auto_pad = {mode} is not known; expected NOTSET, VALID, SAME_UPPER "
                "or SAME_LOWER"
            )


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> int:
    """The padding in all that gives ceil(size / stride) windows."""
    windows = -(-size // stride)
    return max((windows - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
