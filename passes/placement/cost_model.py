"""What a placement costs: ops in their precisions, and conversions between them, in nanoseconds.

The estimate of one op is that of `dialects.cost` at the target's rates (docs/cost-model.md). It
knows nothing of what later passes fuse into loops, so conversions beside elementwise ops are
estimated a little too dear.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import OpResult, SSAValue

from dialects.cost import (
    ELEMENT_BYTES,
    conversion_work,
    elements_of,
    nanoseconds,
    stored_bytes,
    work_of,
)
from dialects.elements import is_quantized
from dialects.nn.attributes import HALF_PRECISIONS, Precision
from dialects.nn.base import NnOp, element_of_value
from dialects.nn.constant import ConstantOp
from dialects.nn.movement import ReshapeOp
from dialects.program import main_function, nn_ops, return_of
from dialects.quant import DequantizeCastOp, QuantizeCastOp
from dialects.rates import DEFAULT_RATES
from dialects.target import Target
from passes.dataflow import carries_reals, constant_of, data_operands, moves_data
from passes.placement import halves
from passes.placement.capabilities import FLOAT_RESULT

Placement = Mapping[NnOp, Precision]
"""The precision of every op that has one; movement ops without one follow their sources."""


class CostModel:
    """Estimates for one core of a target; without one, for a machine with AVX2."""

    def __init__(self, target: Target | None):
        self.rates = DEFAULT_RATES if target is None else target.rates
        self._ops: dict[tuple[NnOp, Precision], float] = {}

    def op_ns(self, op: NnOp, precision: Precision) -> float:
        """How long `op` takes in `precision`, its operands and results being stored in it."""
        key = (op, precision)
        if key not in self._ops:
            self._ops[key] = self._op_ns(op, precision)
        return self._ops[key]

    def _op_ns(self, op: NnOp, precision: Precision) -> float:
        if isinstance(op, ReshapeOp):
            return 0.0  # the same memory in another shape
        narrowed = {op.operands[index] for index in narrowed_operands(op, precision)}
        narrowed.update(value for value in op.results if carries_reals(value))

        def bytes_of(value: SSAValue) -> float:
            if value not in narrowed:
                return stored_bytes(value)
            return elements_of(value) * ELEMENT_BYTES[precision]

        work = work_of(op, precision.value, bytes_of, self.rates.lanes)
        return nanoseconds(work, self.rates)

    def conversion_ns(
        self, value: SSAValue, from_precision: Precision, to_precision: Precision
    ) -> float:
        """How long it takes to make `value`, computed in one precision, available in another.

        Constants are converted when compiling. Products scale their sums to float as readily as
        to fewer bits: in float32 their results are only more to store.
        """
        if from_precision is to_precision or constant_of(value) is not None:
            return 0.0
        elements = elements_of(value)
        before, after = ELEMENT_BYTES[from_precision], ELEMENT_BYTES[to_precision]
        if to_precision is Precision.F32 and _stores_floats(value.owner, from_precision):
            more = elements * (after - before)
            return more / self.rates.bandwidth[self.rates.level_of(more)]
        narrow = min(from_precision, to_precision, key=lambda precision: ELEMENT_BYTES[precision])
        work = conversion_work(elements, narrow.value, elements * (before + after))
        return nanoseconds(work, self.rates)


def _stores_floats(owner: object, precision: Precision) -> bool:
    products = FLOAT_RESULT if precision is Precision.INT8 else halves.ANCHORS
    return isinstance(owner, NnOp) and owner.mnemonic in products


def narrowed_operands(op: NnOp, precision: Precision) -> Sequence[int]:
    """Positions of the operands that are stored in `precision` when `op` computes in it."""
    if precision in HALF_PRECISIONS:
        return halves.narrowed_operands(op)
    names = op.operand_names()
    return [index for index in data_operands(op) if names[index] != "bias"]


@dataclass(frozen=True)
class Cost:
    """Nanoseconds of a program under a placement."""

    ops: float
    conversions: float

    @property
    def total(self) -> float:
        return self.ops + self.conversions


@dataclass(frozen=True)
class Read:
    """`reader` reads `value`, seen through movement; None stands for what leaves the program or
    enters a model's own quantize, which read in `fixed`."""

    value: SSAValue
    reader: NnOp | None
    index: int = 0
    fixed: Precision = Precision.F32


class ProgramCost:
    """The whole-program estimate: who reads whose results, found once, for any placement."""

    def __init__(self, module: ModuleOp, model: CostModel):
        self.model = model
        self.ops = [op for op in nn_ops(module) if not isinstance(op, ConstantOp)]
        self._module = module
        self._narrowed: dict[tuple[NnOp, Precision], Sequence[int]] = {}

    def of(self, placement: Placement) -> Cost:
        """What the program costs under `placement`."""
        ops = sum(
            self.model.op_ns(op, precision)
            for op in self.ops
            if (precision := self.precision_of(op, placement)) is not None
        )
        conversions = sum(
            self.model.conversion_ns(value, self._stored(value, placement), wanted)
            for value, wanted in self.demands(placement)
        )
        return Cost(ops, conversions)

    def precision_of(self, op: NnOp, placement: Placement) -> Precision | None:
        """How `op` computes: as it is placed; movement like all its sources, else in float32."""
        if op in placement or op not in self._moved:
            return placement.get(op)
        found = {self._stored(value, placement) for value in self._moved[op]}
        return found.pop() if len(found) == 1 else Precision.F32

    def demands(self, placement: Placement) -> dict[tuple[SSAValue, Precision], None]:
        """The values that are read, and in which precisions: one conversion serves all readers."""
        demanded: dict[tuple[SSAValue, Precision], None] = {}
        for read in self.reads:
            wanted = read.fixed
            if read.reader is not None:
                precision = placement.get(read.reader, Precision.F32)
                if read.index in self._narrowed_by(read.reader, precision):
                    wanted = precision
            demanded[read.value, wanted] = None
        return demanded

    @cached_property
    def reads(self) -> list[Read]:
        """Everything that is read as real numbers, in program order."""
        found: list[Read] = []
        for op in self.ops:
            if moves_data(op):
                continue
            for index in data_operands(op):
                found += [Read(value, op, index) for value in source_values(op.operands[index])]
        for op in self._module.walk():
            if isinstance(op, QuantizeCastOp):
                values = source_values(op.input)
                found += [Read(value, None, fixed=Precision.INT8) for value in values]
        for operand in return_of(main_function(self._module)).operands:
            if carries_reals(operand):
                fixed = _element_precision(operand)
                found += [Read(v, None, fixed=fixed) for v in source_values(operand)]
        return found

    @cached_property
    def _moved(self) -> dict[NnOp, list[SSAValue]]:
        """What each movement op moves."""
        return {
            op: [v for index in data_operands(op) for v in source_values(op.operands[index])]
            for op in self.ops
            if moves_data(op)
        }

    def _narrowed_by(self, op: NnOp, precision: Precision) -> Sequence[int]:
        key = (op, precision)
        if key not in self._narrowed:
            self._narrowed[key] = narrowed_operands(op, precision)
        return self._narrowed[key]

    def _stored(self, value: SSAValue, placement: Placement) -> Precision:
        """The precision a value is computed, and so stored, in."""
        owner = value.owner
        if isinstance(owner, DequantizeCastOp):
            return Precision.INT8
        if isinstance(owner, NnOp) and owner in placement:
            return placement[owner]
        return _element_precision(value)


def _element_precision(value: SSAValue) -> Precision:
    """The precision that a value's element type belongs to."""
    element = element_of_value(value)
    if is_quantized(element):
        return Precision.INT8
    return next((p for p, half in halves.ELEMENTS.items() if half == element), Precision.F32)


def source_values(value: SSAValue) -> list[SSAValue]:
    """The values that make up `value`, seen through movement."""
    found: dict[SSAValue, None] = {}
    pending, seen = [value], {value}
    while pending:
        current = pending.pop()
        owner = current.op if isinstance(current, OpResult) else None
        if owner is None or not moves_data(owner):
            found[current] = None
            continue
        assert isinstance(owner, NnOp)
        for index in reversed(data_operands(owner)):
            if owner.operands[index] not in seen:
                seen.add(owner.operands[index])
                pending.append(owner.operands[index])
    return list(found)
