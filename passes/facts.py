"""Facts: what may be true of a program, as small named predicates over its IR.

Passes declare which facts they require, establish and invalidate (`OctetPass.REQUIRES`, ...). From
the declarations follows which orders of passes are legal; as each fact can be checked, so can the
declarations (`octet-lab audit`).

A fact holds of a program in which there is nothing it could speak of: one without int8 ops has its
quantizes and dequantizes inserted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Attribute, Operation, SSAValue

from dialects.elements import is_float
from dialects.kernel.loops import Launch
from dialects.kernel.ops import layout_of
from dialects.nn.base import NnOp, Quantization, element_of_value, shape_of
from dialects.nn.elementwise import CastOp
from dialects.nn.normalization import BatchNormOp
from dialects.program import body_of, main_function, nn_ops, placeable_ops, range_of
from dialects.quant import DequantizeCastOp, QuantizeCastOp, StorageCastOp
from passes.dataflow import (
    data_operands,
    moves_data,
    quantizations,
    quantized_element,
    stored_behind,
    varying_operand,
)
from passes.integer.operands import waits


@dataclass(frozen=True)
class Fact:
    """Something that may be true of a program. Equal if the names are."""

    name: str
    meaning: str = field(compare=False)
    holds: Callable[[ModuleOp], bool] = field(compare=False, repr=False)

    def __str__(self) -> str:
        return self.name


def _on_tensors(module: ModuleOp) -> bool:
    return not any(isinstance(op, Launch) for op in _body(module))


def _on_buffers(module: ModuleOp) -> bool:
    tensor_ops = (NnOp, QuantizeCastOp, DequantizeCastOp, StorageCastOp)
    return not any(isinstance(op, tensor_ops) for op in _body(module))


def _batch_norm_folded(module: ModuleOp) -> bool:
    return not any(isinstance(op, BatchNormOp) for op in _body(module))


def _ranges_known(module: ModuleOp) -> bool:
    if not _on_tensors(module):
        return True
    block = body_of(main_function(module))
    results = [
        result
        for op in placeable_ops(module)
        if not isinstance(op, CastOp)
        for result in op.results
    ]
    return all(
        range_of(value) is not None or next(quantizations(value), None) is not None
        for value in (*block.args, *results)
        if is_float(element_of_value(value))
    )


def _precision_placed(module: ModuleOp) -> bool:
    return all(
        op.precision is not None
        for op in placeable_ops(module)
        if op.QUANTIZATION is not Quantization.MOVES and not isinstance(op, CastOp)
    )


def _ops_numbered(module: ModuleOp) -> bool:
    return all(op.index is not None for op in placeable_ops(module) if not isinstance(op, CastOp))


def _qdq_inserted(module: ModuleOp) -> bool:
    from passes.quantize.insert_qdq import activations, computes_in_int8

    return all(
        stored_behind(op.operands[index]) is not None
        for op in nn_ops(module)
        if computes_in_int8(op)
        for index in activations(op)
    )


def _scales_unified(module: ModuleOp) -> bool:
    from passes.quantize.unify_scales import mismatched

    return not mismatched(module)


def _movement_on_integers(module: ModuleOp) -> bool:
    from passes.quantize.propagate_qdq import fill_is_exact, moved_element

    def could_move(op: NnOp) -> bool:
        stored = [stored_behind(op.operands[index]) for index in data_operands(op)]
        elements = {None if value is None else quantized_element(value) for value in stored}
        element = elements.pop() if len(elements) == 1 else None
        return (
            element is not None
            and fill_is_exact(op, element)
            and moved_element(op, element) is not None
        )

    return not any(moves_data(op) and could_move(op) for op in nn_ops(module))


def _no_adjacent_dcast_qcast(module: ModuleOp) -> bool:
    from passes.quantize.squash_qdq import is_lossless

    for op in _body(module):
        if isinstance(op, QuantizeCastOp):
            stored = stored_behind(op.input)
            if stored is not None and stored.type == op.result.type and is_lossless(op):
                return False
    return True


def _no_duplicate_casts(module: ModuleOp) -> bool:
    seen: set[tuple[str, SSAValue, Attribute]] = set()
    for op in _body(module):
        if isinstance(op, QuantizeCastOp | DequantizeCastOp | StorageCastOp):
            key = (op.name, op.input, op.result.type)
            if key in seen:
                return False
            seen.add(key)
    return True


def _no_unused_ops(module: ModuleOp) -> bool:
    pure = (NnOp, QuantizeCastOp, DequantizeCastOp, StorageCastOp)
    return all(
        any(result.uses for result in op.results) for op in _body(module) if isinstance(op, pure)
    )


def _casts_inserted(module: ModuleOp) -> bool:
    from passes.precision.insert_casts import waits_for_casts

    return not any(waits_for_casts(op) for op in nn_ops(module))


def _no_round_trip_casts(module: ModuleOp) -> bool:
    from passes.precision.propagate_casts import widened_from

    return not any(
        isinstance(op, CastOp) and widened_from(op.x) is not None for op in _body(module)
    )


def _integer_ops(module: ModuleOp) -> bool:
    return not any(waits(op) and not _is_table(op) for op in placeable_ops(module))


def _tables_fused(module: ModuleOp) -> bool:
    return not any(waits(op) and _is_table(op) for op in placeable_ops(module))


def _is_table(op: NnOp) -> bool:
    return varying_operand(op) is not None


def _layouts_assigned(module: ModuleOp) -> bool:
    from passes.kernel.assign_layout import layout_name, required_layout

    return not any(
        len(shape_of(result)) in (3, 4)
        and required_layout(op) == "nhwc"
        and layout_name(result) != "nhwc"
        for op in nn_ops(module)
        for result in op.results
    )


def _memory_planned(module: ModuleOp) -> bool:
    return all(
        layout_of(result).offset is not None
        for op in _body(module)
        if isinstance(op, Launch)
        for result in op.results
    )


def _body(module: ModuleOp) -> Iterable[Operation]:
    return body_of(main_function(module)).ops


ON_TENSORS = Fact("on-tensors", "nothing is a kernel call or a loop on buffers yet", _on_tensors)
ON_BUFFERS = Fact("on-buffers", "no op on tensors is left", _on_buffers)
BATCH_NORM_FOLDED = Fact("batch-norm-folded", "no batch normalization is left", _batch_norm_folded)
RANGES_KNOWN = Fact(
    "ranges-known", "every float input and result has a range or is quantized", _ranges_known
)
PRECISION_PLACED = Fact(
    "precision-placed", "every op that computes has a precision", _precision_placed
)
OPS_NUMBERED = Fact(
    "ops-numbered", "every op but constants and casts says where it stood", _ops_numbered
)
QDQ_INSERTED = Fact(
    "qdq-inserted", "int8 ops on floats have dequantized activations", _qdq_inserted
)
SCALES_UNIFIED = Fact(
    "scales-unified", "no movement op ties values whose types could be one", _scales_unified
)
MOVEMENT_ON_INTEGERS = Fact(
    "movement-on-integers",
    "no movement op has dequantizes of one type before it that could stand behind it",
    _movement_on_integers,
)
NO_ADJACENT_DCAST_QCAST = Fact(
    "no-adjacent-dcast-qcast", "no quantize gives back what was dequantized",
    _no_adjacent_dcast_qcast,
)  # fmt: skip
NO_DUPLICATE_CASTS = Fact(
    "no-duplicate-casts", "no value is quantized or dequantized twice to one type",
    _no_duplicate_casts,
)  # fmt: skip
NO_UNUSED_OPS = Fact("no-unused-ops", "every op without effects is used", _no_unused_ops)
CASTS_INSERTED = Fact("casts-inserted", "no op placed in 16 bits works on float32", _casts_inserted)
NO_ROUND_TRIP_CASTS = Fact(
    "no-round-trip-casts", "no cast takes what was only widened", _no_round_trip_casts
)
INTEGER_OPS = Fact(
    "integer-ops", "no op placed in int8 works on floats, unary ones left out", _integer_ops
)
TABLES_FUSED = Fact("tables-fused", "no unary op placed in int8 works on floats", _tables_fused)
LAYOUTS_ASSIGNED = Fact(
    "layouts-assigned", "results of kernels that work channels-last are so", _layouts_assigned
)
MEMORY_PLANNED = Fact("memory-planned", "every buffer has its place", _memory_planned)

FACTS: tuple[Fact, ...] = (
    ON_TENSORS,
    BATCH_NORM_FOLDED,
    RANGES_KNOWN,
    PRECISION_PLACED,
    OPS_NUMBERED,
    QDQ_INSERTED,
    SCALES_UNIFIED,
    MOVEMENT_ON_INTEGERS,
    NO_ADJACENT_DCAST_QCAST,
    NO_DUPLICATE_CASTS,
    NO_UNUSED_OPS,
    CASTS_INSERTED,
    NO_ROUND_TRIP_CASTS,
    INTEGER_OPS,
    TABLES_FUSED,
    LAYOUTS_ASSIGNED,
    ON_BUFFERS,
    MEMORY_PLANNED,
)
"""All facts, in the order of the stages that first care."""


def facts_of(module: ModuleOp) -> frozenset[Fact]:
    """The facts that hold of a program."""
    return frozenset(fact for fact in FACTS if fact.holds(module))
