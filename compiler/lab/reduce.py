"""Smaller programs that still show something: delta debugging over the ops of a function.

After Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input" (2002): ever
smaller chunks of ops are left out as long as the rest still shows it. Values of ops that were left
out become inputs of the program; what nothing uses any more is returned.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

from xdsl.dialects.builtin import (
    ArrayAttr,
    DenseArrayBase,
    DictionaryAttr,
    ModuleOp,
    StringAttr,
    f64,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, BlockArgument, Operation, Region, SSAValue

from dialects.program import (
    NAME,
    RANGE,
    argument_attributes,
    body_of,
    main_function,
    range_of,
    return_of,
)

Shows = Callable[[ModuleOp], bool]


def reduced(module: ModuleOp, shows: Shows) -> ModuleOp:
    """The smallest slice found of a program that `shows` holds for; the program itself if it holds
    for no smaller one. `shows` must not change its argument, and may raise for what it cannot do.
    """
    ops = _ops(module)
    smallest = module

    def attempt(kept: Sequence[Operation]) -> bool:
        nonlocal smallest
        candidate = sliced(module, kept)
        try:
            candidate.verify()
            held = shows(cast(ModuleOp, candidate.clone()))
        except Exception:
            return False
        if held:
            smallest = candidate
        return held

    size = max(1, len(ops) // 2)
    while True:
        position, progress = 0, False
        while position < len(ops):
            rest = [*ops[:position], *ops[position + size :]]
            if rest and attempt(rest):
                ops, progress = rest, True
            else:
                position += size
        if size > 1:
            size //= 2
        elif not progress:
            return smallest


def _ops(module: ModuleOp) -> list[Operation]:
    return [op for op in body_of(main_function(module)).ops if not isinstance(op, ReturnOp)]


def sliced(module: ModuleOp, kept: Sequence[Operation]) -> ModuleOp:
    """A program of the ops `kept` alone, in their order."""
    function = main_function(module)
    chosen = set(kept)
    inputs = list(
        dict.fromkeys(
            operand for op in kept for operand in op.operands if operand.owner not in chosen
        )
    )
    block = Block(arg_types=[value.type for value in inputs])
    mapped: dict[SSAValue, SSAValue] = dict(zip(inputs, block.args, strict=True))
    for op in kept:
        block.add_op(op.clone(mapped))
    returned = set(return_of(function).operands)
    outputs = [
        mapped[result]
        for op in kept
        for result in op.results
        if result in returned or not any(use.operation in chosen for use in result.uses)
    ]
    block.add_op(ReturnOp(*outputs))
    types = [value.type for value in inputs], [value.type for value in outputs]
    small = FuncOp(function.sym_name.data, types, Region(block))
    small.arg_attrs = ArrayAttr(
        [_attributes(function, value, index) for index, value in enumerate(inputs)]
    )
    return ModuleOp([small], dict(module.attributes))


def _attributes(function: FuncOp, value: SSAValue, index: int) -> DictionaryAttr:
    """What an input says of itself: an argument what it said, the result of an op its range."""
    if isinstance(value, BlockArgument):
        return DictionaryAttr(argument_attributes(function)[value.index])
    said: dict[str, Attribute] = {NAME: StringAttr(f"v{index}")}
    bounds = range_of(value)
    if bounds is not None:
        said[RANGE] = DenseArrayBase.from_list(f64, list(bounds))
    return DictionaryAttr(said)
