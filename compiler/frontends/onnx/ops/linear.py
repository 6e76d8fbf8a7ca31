"""Convolutions and matrix products."""

from __future__ import annotations

from dialects.errors import OctetError
from dialects.nn.elementwise import AddOp, MulOp
from dialects.nn.integer import ConvIntegerOp, MatmulIntegerOp
from dialects.nn.linear import ConvOp, ConvTransposeOp, MatmulOp
from dialects.nn.movement import TransposeOp

from ..coding import column, varies
from ..node import NodeContext
from ..registry import importer
from ..values import Tensor
from .windows import Window, spatial_list, window_of


def conv_window(node: NodeContext, x: Tensor, weight: Tensor) -> Window:
    """The window of a convolution; its kernel is that of the weight."""
    kernel = list(weight.shape[2:])
    declared = node.integers("kernel_shape")
    if declared is not None and declared != kernel:
        raise OctetError(
            f"attribute kernel_shape = {declared} contradicts the weight {list(weight.shape)}"
        )
    return window_of(node, x, kernel)


def conv(node: NodeContext, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The convolution a node describes, on operands that may come from elsewhere."""
    node.same_elements(x, weight, bias)
    window = conv_window(node, x, weight)
    return node.emit(
        ConvOp,
        x,
        weight,
        bias,
        strides=window.strides,
        pads=window.pads,
        dilations=window.dilations,
        groups=node.integer("group", 1),
    )


@importer("Conv")
def import_conv(node: NodeContext) -> Tensor:
    return conv(node, node.operand(0), node.weight(1), node.optional_weight(2))


@importer("ConvInteger")
def import_conv_integer(node: NodeContext) -> Tensor:
    x, weight = node.operand(0), node.operand(1)
    window = conv_window(node, x, weight)
    return node.emit(
        ConvIntegerOp,
        x,
        weight,
        node.optional(2),
        node.optional(3),
        strides=window.strides,
        pads=window.pads,
        dilations=window.dilations,
        groups=node.integer("group", 1),
    )


@importer("ConvTranspose")
def import_conv_transpose(node: NodeContext) -> Tensor:
    x, weight, bias = node.operand(0), node.weight(1), node.optional_weight(2)
    node.same_elements(x, weight, bias)
    rank = x.rank - 2
    kernel = list(weight.shape[2:])
    node.only("kernel_shape", tuple(kernel))
    strides = spatial_list(node, "strides", rank, 1)
    dilations = spatial_list(node, "dilations", rank, 1)
    output_padding = spatial_list(node, "output_padding", rank, 0)
    pads, extra = _transposed_pads(node, x, kernel, strides, dilations, output_padding)
    return node.emit(
        ConvTransposeOp,
        x,
        weight,
        bias,
        strides=strides,
        pads=pads,
        dilations=dilations,
        groups=node.integer("group", 1),
        output_padding=extra,
    )


def _transposed_pads(
    node: NodeContext,
    x: Tensor,
    kernel: list[int],
    strides: list[int],
    dilations: list[int],
    output_padding: list[int],
) -> tuple[list[int], list[int]]:
    """Pads and output padding, from whichever of pads, auto_pad and output_shape is given."""
    rank = len(kernel)
    explicit = node.integers("pads") or [0] * (2 * rank)
    auto_pad = node.text("auto_pad", "NOTSET")
    wanted = node.integers("output_shape")
    if wanted is not None and len(wanted) == rank + 2:
        wanted = wanted[2:]
    if wanted is None and auto_pad in ("NOTSET", "VALID"):
        return explicit if auto_pad == "NOTSET" else [0] * (2 * rank), output_padding
    if auto_pad not in ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"):
        raise OctetError(f"attribute auto_pad = {auto_pad} is not known")
    begins: list[int] = []
    ends: list[int] = []
    for axis in range(rank):
        sizes = column(node.shapes(x), 2 + axis)
        totals = [
            (size - 1) * strides[axis]
            + output_padding[axis]
            + dilations[axis] * (kernel[axis] - 1)
            + 1
            - (size * strides[axis] if wanted is None else wanted[axis])
            for size in sizes
        ]
        if varies(totals):
            node.builder.fix(node.layer, "its padding depends on the input size")
        total = totals[0]
        # Too small an output is padded at its end instead; that is what a negative total asks for.
        if total < 0:
            output_padding = [*output_padding]
            output_padding[axis] -= total
            total = 0
        # ONNX: the odd one goes to the end for SAME_UPPER, otherwise to the beginning.
        half = total // 2
        begins.append(half if auto_pad == "SAME_UPPER" else total - half)
        ends.append(total - begins[-1])
    return [*begins, *ends], output_padding


@importer("MatMul")
def import_matmul(node: NodeContext) -> Tensor:
    a, b = node.operand(0), node.weight(1)
    node.same_elements(a, b)
    return node.emit(MatmulOp, a, b)


@importer("MatMulInteger")
def import_matmul_integer(node: NodeContext) -> Tensor:
    return node.emit(
        MatmulIntegerOp, node.operand(0), node.operand(1), node.optional(2), node.optional(3)
    )


@importer("Gemm")
def import_gemm(node: NodeContext) -> Tensor:
    """`alpha * A @ B + beta * C`; a vector C without factors is the product's own bias."""
    a, b, c = node.operand(0), node.weight(1), node.optional_weight(2)
    node.same_elements(a, b, c)
    if a.rank != 2 or b.rank != 2:
        raise OctetError(f"Gemm multiplies matrices, got {list(a.shape)} and {list(b.shape)}")
    if node.integer("transA", 0):
        a = node.emit(TransposeOp, a, permutation=[1, 0])
    if node.integer("transB", 0):
        b = node.emit(TransposeOp, b, permutation=[1, 0])
    alpha, beta = node.number("alpha", 1.0), node.number("beta", 1.0)
    columns = column(node.shapes(b), 1)
    if c is None or beta == 0.0:
        return _scaled(node, node.emit(MatmulOp, a, b), alpha)
    c = _scaled(node, c, beta)
    if alpha == 1.0 and c.shape in ((b.shape[1],), (1, b.shape[1])) and not varies(columns):
        bias = node.reshape(c, [(b.shape[1],)] * node.builder.count)
        return node.emit(MatmulOp, a, b, bias)
    return node.emit(AddOp, _scaled(node, node.emit(MatmulOp, a, b), alpha), c)


def _scaled(node: NodeContext, tensor: Tensor, factor: float) -> Tensor:
    if factor == 1.0:
        return tensor
    return node.emit(MulOp, tensor, node.literal(factor, tensor))
