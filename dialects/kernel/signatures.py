"""What can be called: the signature of every kernel family, by name.

A kernel has the name, operands, options and shape rule of the `nn` op it computes; the few that
no `nn` op stands for are listed here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from xdsl.irdl import AttrSizedOperandSegments, OptOperandDef, OptPropertyDef, VarOperandDef

from dialects import shapes
from dialects.nn import NN_OPS
from dialects.nn.base import NnOp
from dialects.nn.constant import ConstantOp
from dialects.shapes import Shape


@dataclass(frozen=True)
class Signature:
    """Operand and option names of a kernel, and how its result shapes follow from them."""

    name: str
    operands: tuple[str, ...]
    optional_operands: tuple[str, ...]
    variadic: str | None
    options: tuple[str, ...]
    optional_options: tuple[str, ...]
    results: int
    shape_rule: Callable[..., list[Shape]]

    @property
    def layout(self) -> str:
        """The order its buffers lie in: "nhwc", "dense", or "any" (it reads and writes strides)."""
        if self.name in NHWC_KERNELS:
            return "nhwc"
        return "dense" if self.name in DENSE_KERNELS else "any"


NHWC_KERNELS = frozenset({"conv", "conv_transpose", "max_pool", "avg_pool", "resize"})
"""Vectorized over channels, which therefore lie together."""

DENSE_KERNELS = frozenset(
    {"matmul", "matmul_integer", "conv_integer", "reshape", "gather", "topk", "layer_norm"}
)
"""Walk rows of the last dimension, or the elements in the order of the shape."""


def _of_nn_op(op: type[NnOp]) -> Signature:
    definition = op.get_irdl_definition()
    optional = tuple(name for name, d in definition.operands if isinstance(d, OptOperandDef))
    variadic = [
        name
        for name, d in definition.operands
        if isinstance(d, VarOperandDef) and not isinstance(d, OptOperandDef)
    ]
    properties = {
        name: d
        for name, d in definition.properties.items()
        if name != AttrSizedOperandSegments.attribute_name
    }
    return Signature(
        name=op.name.split(".", 1)[1],
        operands=tuple(
            name for name, _ in definition.operands if name not in (*optional, *variadic)
        ),
        optional_operands=optional,
        variadic=variadic[0] if variadic else None,
        options=tuple(n for n, d in properties.items() if not isinstance(d, OptPropertyDef)),
        optional_options=tuple(n for n, d in properties.items() if isinstance(d, OptPropertyDef)),
        results=len(definition.results),
        shape_rule=op.SHAPE_RULE,
    )


def _unary(name: str) -> Signature:
    return Signature(name, ("x",), (), None, (), (), 1, shapes.same)


CONVERSIONS = (
    _unary("copy"),  # into another layout
    _unary("quantize"),  # float32 to the result's quantized type
    _unary("dequantize"),  # to float32
    _unary("storage_cast"),  # raw integers to the quantized values they stand for, or back
)


@cache
def signatures() -> dict[str, Signature]:
    """Every kernel's signature by name."""
    table = {
        signature.name: signature
        for signature in (_of_nn_op(op) for op in NN_OPS if op is not ConstantOp)
    }
    return table | {signature.name: signature for signature in CONVERSIONS}
