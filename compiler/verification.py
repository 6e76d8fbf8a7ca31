"""What must hold for IR between any two passes."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Block, Operation, OpResult
from xdsl.utils.exceptions import VerifyException


def verify_structure(module: ModuleOp) -> None:
    """xDSL's verification, and that every value is defined before its uses in its block.

    xDSL itself accepts a use before the definition. Raises VerifyException.
    """
    module.verify()
    for op in module.walk():
        for region in op.regions:
            for block in region.blocks:
                _verify_order(block)


def _verify_order(block: Block) -> None:
    defined: set[Operation] = set()
    for op in block.ops:
        for index, operand in enumerate(op.operands):
            if not isinstance(operand, OpResult) or operand.op.parent is not block:
                continue
            if operand.op not in defined:
                raise VerifyException(
                    f"{_described(op)}: operand {index} is used before {_described(operand.op)} "
                    "defines it"
                )
        defined.add(op)


def _described(op: Operation) -> str:
    layer = op.attributes.get("layer")
    return op.name if layer is None else f"{op.name} ({layer})"
