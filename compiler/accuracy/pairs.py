"""The placed program by number, and where its values are found again in the quantized one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from dialects.nn.base import NnOp
from dialects.nn.constant import ConstantOp
from dialects.origin import computed_by, indices_of
from dialects.program import body_of, input_names, main_function, placeable_ops
from dialects.quant import DequantizeCastOp, QuantizeCastOp, StorageCastOp


@dataclass(frozen=True)
class Placed:
    """The placed program by number: values are its inputs, then the results of its ops."""

    module: ModuleOp
    ops: tuple[NnOp, ...]
    values: tuple[SSAValue, ...]
    ids: Mapping[SSAValue, int]
    names: tuple[str, ...]
    """Of the values."""

    @classmethod
    def of(cls, module: ModuleOp) -> Placed:
        function = main_function(module)
        ops = tuple(placeable_ops(module))
        inputs = body_of(function).args
        values = (*inputs, *(result for op in ops for result in op.results))
        names = (*input_names(function), *(op.source_name for op in ops for _ in op.results))
        return cls(module, ops, values, {v: i for i, v in enumerate(values)}, names)

    def inputs_of(self, op: Operation) -> list[int]:
        """The values an op takes, seen through conversions that came with the model."""
        sources = map(unconverted, op.operands)
        return [self.ids[value] for value in sources if value in self.ids]

    def constants_of(self, op: Operation) -> list[SSAValue]:
        return [
            value for value in map(unconverted, op.operands) if isinstance(value.owner, ConstantOp)
        ]


def unconverted(value: SSAValue) -> SSAValue:
    """The value that `value` is after conversions of number formats."""
    while isinstance(op := value.owner, QuantizeCastOp | DequantizeCastOp | StorageCastOp):
        value = op.operands[0]
    return value


def quantized_values(placed: Placed, quantized: ModuleOp) -> dict[int, SSAValue]:
    """For values of the placed program the values of the quantized one that hold the same numbers.

    An op that computes several has the results of the last; an input that is only used quantized
    is that.
    """
    block = body_of(main_function(quantized))
    found: dict[int, SSAValue] = {}
    for index, argument in enumerate(block.args):
        users = [use.operation for use in argument.uses]
        only = users[0] if len(users) == 1 else None
        found[index] = only.result if isinstance(only, QuantizeCastOp) else argument
    for index, ops in computed_by(block.ops).items():
        op, results = ops[-1], placed.ops[index].results
        if index == max(indices_of(op)) and len(op.results) == len(results):
            found.update(zip((placed.ids[r] for r in results), op.results, strict=True))
    return found
