"""Modelled latencies: of single ops, for proposing placements, and of whole lowered programs,
for ranking them. Deterministic, so that a search gives the same result every time."""

from __future__ import annotations

import math
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from dialects.kernel.loops import Launch
from dialects.nn.attributes import Precision
from dialects.nn.base import NnOp, shape_of
from dialects.program import body_of, main_function
from passes.dataflow import data_operands
from runtime.kernels.isa import Isa
from runtime.work import _BYTES_PER_NS as BYTES_PER_NS
from runtime.work import _CALL_NS as CALL_NS
from runtime.work import _MACS_PER_NS as MACS_PER_NS
from runtime.work import estimated_ns

_SIZES = {Precision.INT8: 1, Precision.BF16: 2, Precision.F16: 2, Precision.F32: 4}
"""Bytes of an element."""


@dataclass(frozen=True)
class OpLatency:
    """Roofline estimates of ops on tensors, by the rates of an instruction set."""

    isa: Isa

    def op_ns(self, op: NnOp, precision: Precision) -> float:
        """How long `op` takes in `precision` on one thread, conversions not counted."""
        int8, bf16, f32 = MACS_PER_NS[self.isa.name]
        rate = {Precision.INT8: int8, Precision.BF16: bf16}.get(precision, f32)
        values = [op.operands[index] for index in data_operands(op)] + list(op.results)
        moved = sum(math.prod(shape_of(value)) for value in values) * _SIZES[precision]
        return CALL_NS + max(op.macs() / rate, moved / BYTES_PER_NS)

    def conversion_ns(
        self, value: SSAValue, from_precision: Precision, to_precision: Precision
    ) -> float:
        """How long it takes to convert `value` between precisions."""
        if from_precision is to_precision:
            return 0.0
        width = _SIZES[from_precision] + _SIZES[to_precision]
        return CALL_NS + math.prod(shape_of(value)) * width / BYTES_PER_NS


def program_ns(module: ModuleOp, isa: Isa) -> float:
    """How long a program at stage `kernel` takes on one thread at its default input sizes."""
    return sum(
        estimated_ns(op, isa) for op in body_of(main_function(module)).ops if isinstance(op, Launch)
    )
