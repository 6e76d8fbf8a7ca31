"""What can be called: the signature of every kernel family, by name.

A kernel has the name, operands, options and shape rule of the `nn` op it computes; the few that
no `nn` op stands for are listed here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from xdsl.dialects.builtin import f32, f64
from xdsl.ir import Attribute
from xdsl.irdl import AttrSizedOperandSegments, OptOperandDef, OptPropertyDef, VarOperandDef

from dialects import shapes
from dialects.elements import (
    HALVES,
    boolean,
    dtype_of,
    i8,
    i16,
    i32,
    i64,
    is_float,
    ui8,
    ui16,
    ui32,
    ui64,
)
from dialects.nn import NN_OPS
from dialects.nn.base import NnOp
from dialects.nn.constant import ConstantOp
from dialects.quant import (
    CastOp,
    DequantizeCastOp,
    QuantizeCastOp,
    StorageCastOp,
    UniformQuantizedType,
)
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
    op: type[NnOp | CastOp] | None = None
    """The tensor op it computes, whose verifier says what is valid; None for "copy"."""

    @property
    def layout(self) -> str:
        """The order its buffers lie in: "nhwc", "dense", or "any" (it reads and writes strides)."""
        if self.name in NHWC_KERNELS:
            return "nhwc"
        return "dense" if self.name in DENSE_KERNELS else "any"


NHWC_KERNELS = frozenset({"conv", "conv_transpose", "max_pool", "avg_pool", "resize"})
"""Vectorized over channels, which therefore lie together."""

DENSE_KERNELS = frozenset(
    {
        "matmul",
        "matmul_nbits",
        "matmul_dynamic",
        "attention",
        "matmul_integer",
        "conv_integer",
        "reshape",
        "gather",
        "topk",
        "layer_norm",
    }
)
"""Walk rows of the last dimension, or the elements in the order of the shape."""


Elements = tuple[Attribute, ...]

BOOLEAN: Elements = (boolean,)
BYTES: Elements = (i8, ui8)
EVERY_INTEGER: Elements = (i8, i16, i32, i64, ui8, ui16, ui32, ui64)
HALF_OR_FLOAT32: Elements = (f32, *HALVES)
NUMBERS: Elements = (*HALF_OR_FLOAT32, *EVERY_INTEGER)
NUMBERS_AND_BOOLEAN: Elements = (*NUMBERS, boolean)
EVERY_ELEMENT: Elements = (*NUMBERS_AND_BOOLEAN, f64)

_ELEMENTS: tuple[tuple[Elements, tuple[str, ...]], ...] = (
    (EVERY_ELEMENT, ("cast", "copy", "where", "reshape", "transpose", "concat", "slice", "pad")),
    (
        EVERY_ELEMENT,
        ("expand", "crop", "tile", "gather", "resize", "depth_to_space", "space_to_depth"),
    ),
    (NUMBERS_AND_BOOLEAN, ("equal", "less", "less_equal", "greater", "greater_equal")),
    (NUMBERS_AND_BOOLEAN, ("reduce_max", "reduce_min")),
    (NUMBERS, ("add", "sub", "mul", "div", "mod", "pow", "min", "max")),
    (NUMBERS, ("relu", "clip", "neg", "abs", "sign")),
    (NUMBERS, ("reduce_sum", "reduce_mean", "reduce_prod", "argmax", "argmin", "topk")),
    (BOOLEAN, ("and", "or", "xor", "not")),
    ((*HALF_OR_FLOAT32, *BYTES), ("max_pool",)),
    (BYTES, ("conv_integer", "matmul_integer")),
)
"""The element types of each kernel's operands, where they are not quantized; float32 and the 16-bit
floats for kernels that are not listed. Those that only move elements know their size alone."""

_OPERAND_ELEMENTS: dict[tuple[str, str], Elements] = {
    ("where", "condition"): BOOLEAN,
    ("gather", "indices"): (i32, i64),
    ("matmul_nbits", "b"): (ui8,),
    ("matmul_nbits", "zero_points"): (ui8,),
}
"""The operands that differ from the others of their kernel."""


def element_types(callee: str, operand: str, options: Mapping[str, Any]) -> Elements:
    """The element types that an operand of a kernel may have if it is not quantized."""
    if callee == "resize" and options["mode"] != "nearest":
        return HALF_OR_FLOAT32
    listed = (elements for elements, callees in _ELEMENTS if callee in callees)
    return _OPERAND_ELEMENTS.get((callee, operand)) or next(listed, HALF_OR_FLOAT32)


def missing_kernel(
    callee: str, operands: Iterable[tuple[str, Attribute]], options: Mapping[str, Any]
) -> str | None:
    """Why no kernel takes operands of these names and element types; None if one does.

    Quantized operands are bytes (a bias has 32 bits), or stored in a type that the kernel takes.
    """
    for name, element in operands:
        accepted = element_types(callee, name, options)
        if isinstance(element, UniformQuantizedType):
            accepted = (*accepted, *BYTES, *((i32,) if name == "bias" else ()))
            found, kind = element.storage, "quantized "
        else:
            found, kind = element, ""
        if found in accepted:
            continue
        if is_float(element) and f32 in accepted:
            advice = "cast to float32"
        else:
            names = dict.fromkeys(dtype_of(known).name for known in accepted)
            advice = f"operand '{name}' can be {', '.join(names)}"
        return f"nn.{callee} on {kind}{dtype_of(found).name} has no kernel; {advice}"
    return None


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
        op=op,
    )


def _conversion(name: str, op: type[CastOp] | None = None) -> Signature:
    return Signature(name, ("x",), (), None, (), (), 1, shapes.same, op)


CONVERSIONS = (
    _conversion("copy"),  # into another layout
    _conversion("quantize", QuantizeCastOp),
    _conversion("dequantize", DequantizeCastOp),
    _conversion("storage_cast", StorageCastOp),
)


@cache
def signatures() -> dict[str, Signature]:
    """Every kernel's signature by name."""
    table = {
        signature.name: signature
        for signature in (_of_nn_op(op) for op in NN_OPS if op is not ConstantOp)
    }
    return table | {signature.name: signature for signature in CONVERSIONS}
