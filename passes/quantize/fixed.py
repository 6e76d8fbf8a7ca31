"""Numbers that a scheme fixes: they are used as they are, or it is an error."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp
from xdsl.dialects.func import FuncOp
from xdsl.ir import BlockArgument, SSAValue

from dialects.errors import OctetError
from dialects.nn.base import NnOp
from dialects.nn.constant import ConstantOp
from dialects.nn.scheme import Scheme
from dialects.program import body_of, input_names, main_function, nn_ops, scheme_of
from dialects.quant import QuantizeCastOp
from passes.dataflow import element_of_quantized, quantizations, stored_behind, weight_operand
from passes.quantize.parameters import fixed_element


def weight_scheme(op: NnOp) -> Scheme:
    """How the weight of an op is to be quantized; empty where nothing was said."""
    return Scheme() if op.weight_scheme is None else op.weight_scheme.scheme


def check_fixed(module: ModuleOp) -> None:
    """Raises OctetError where numbers that a scheme fixes are not those that are used."""
    function = main_function(module)
    ops = [op for op in nn_ops(module) if not isinstance(op, ConstantOp)]
    results = [op.results[0] for op in ops if op.scheme is not None]
    for value in (*body_of(function).args, *results):
        scheme = scheme_of(value)
        if scheme.is_fixed and not any(is_as_fixed(cast, scheme) for cast in quantizations(value)):
            raise OctetError(_unused(scheme, _name_of(value), value.owner))
    for op in ops:
        index = weight_operand(op)
        scheme = weight_scheme(op)
        if scheme.is_fixed and (index is None or stored_behind(op.operands[index]) is None):
            raise OctetError(_unused(scheme, f"the weight of {op.source_name}", op))


def is_as_fixed(cast: QuantizeCastOp, scheme: Scheme) -> bool:
    """A quantize uses the numbers of a scheme that fixes some."""
    element = element_of_quantized(cast.result)
    if scheme.scale is None:
        return True
    storage = "s8" if element.is_signed else "u8"
    return element == fixed_element(scheme, scheme.storage or storage, axis=None)


def _name_of(value: SSAValue) -> str:
    if isinstance(value, BlockArgument):
        function = value.block.parent_op()
        assert isinstance(function, FuncOp)
        return f"input '{input_names(function)[value.index]}'"
    return f"the result of {value.owner.source_name if isinstance(value.owner, NnOp) else value}"


def _unused(scheme: Scheme, name: str, owner: object) -> str:
    what = "scale" if scheme.scale is not None else "range"
    placed = owner.placed_by if isinstance(owner, NnOp) else None
    reason = "" if placed is None else f" ({placed.data})"
    return (
        f"insert-qdq: {scheme.who} fixes the {what} of {name}, but it is not quantized{reason}; "
        "place its op in int8, or leave the numbers out"
    )
