"""The graph that selectors speak of: ops, and the parts a fused op is made of.

`nn.conv` with a residual and a ReLU has the parts conv, add and relu, in that order: what the
operands `x` and `weight` hold enters at the conv, the residual at the add, and the result leaves
from the relu. So a walk over parts sees the same graph before and after fusing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from xdsl.ir import Operation, SSAValue

from dialects.nn.attributes import ActivationAttr
from dialects.nn.base import NnOp, Quantization
from dialects.nn.elementwise import AddOp, ClipOp, DivOp, MaxOp, MinOp, MulOp, ReluOp, SubOp
from dialects.nn.normalization import BatchNormOp
from passes.dataflow import carries_reals, constant_of

Edges = Sequence[Sequence[int]]


def computes(op: NnOp) -> bool:
    """`op` works on real numbers and does more than move them: it is given a precision."""
    values = (*op.operands, *op.results)
    return not moves(op) and any(map(carries_reals, values))


def moves(op: NnOp) -> bool:
    """A movement op, whatever precision an earlier placement gave it."""
    return op.QUANTIZATION is Quantization.MOVES


def seen_through(op: NnOp) -> bool:
    """A pattern's arrow leads through `op`: it moves data, or fusing may fold it into a neighbour.

    The latter are ReLU, clip and batch norm, and arithmetic with a constant, which becomes a bias,
    a scale or a clip.
    """
    if moves(op) or isinstance(op, ReluOp | ClipOp | BatchNormOp) or op.mnemonic == "cast":
        return True
    foldable = isinstance(op, AddOp | SubOp | MulOp | DivOp | MinOp | MaxOp)
    return foldable and any(constant_of(value) is not None for value in op.operands)


def part_types(op: NnOp) -> list[str]:
    """The types of the parts of `op`, in the order in which data passes them."""
    activation = getattr(op, "activation", None)
    types = [op.mnemonic]
    if "residual" in op.operand_names():
        types.append("add")
    if isinstance(activation, ActivationAttr):
        types.append("relu" if activation.bounds == (0.0, math.inf) else "clip")
    return types


@dataclass(frozen=True)
class Parts:
    """The parts of a program, numbered in program order, and the edges between them."""

    types: Sequence[str]
    owners: Sequence[int]
    """The position of the op that each part belongs to."""
    transparent: Sequence[bool]
    moving: Sequence[bool]
    successors: Edges
    predecessors: Edges

    @classmethod
    def of(cls, ops: Sequence[NnOp]) -> Parts:
        types: list[str] = []
        owners: list[int] = []
        transparent: list[bool] = []
        first: dict[Operation, int] = {}
        for position, op in enumerate(ops):
            first[op] = len(types)
            own = part_types(op)
            types += own
            owners += [position] * len(own)
            # A fused addition joins two branches, so it is a step of its own; a clamp is not.
            transparent += [seen_through(op), *(name != "add" for name in own[1:])]
        successors: list[list[int]] = [[] for _ in types]
        predecessors: list[list[int]] = [[] for _ in types]
        for index, owner in enumerate(owners):
            if index + 1 < len(owners) and owners[index + 1] == owner:
                following = [index + 1]
            else:
                following = _entered(ops[owner], first)
            successors[index] = following
            for after in following:
                predecessors[after].append(index)
        moving = [moves(ops[owner]) for owner in owners]
        return cls(types, owners, transparent, moving, successors, predecessors)

    def reached(self, starts: Iterable[int], edges: Edges) -> set[int]:
        """The parts that an arrow from any of `starts` leads to, or with `predecessors` from."""
        found: set[int] = set()
        pending = list(starts)
        while pending:
            for part in edges[pending.pop()]:
                if part not in found:
                    found.add(part)
                    if self.transparent[part]:
                        pending.append(part)
        return found


def _entered(op: NnOp, first: dict[Operation, int]) -> list[int]:
    """The parts that take a result of `op`, in program order."""
    found: set[int] = set()
    for user, index in _uses(op.results, first):
        assert isinstance(user, NnOp)
        residual = user.operand_names()[index] == "residual"
        found.add(first[user] + residual)
    return sorted(found)


def _uses(values: Iterable[SSAValue], known: dict[Operation, int]) -> list[tuple[Operation, int]]:
    """Uses of `values` by known ops, through others: conversions between number formats."""
    found: list[tuple[Operation, int]] = []
    pending, seen = list(values), set(values)
    while pending:
        for use in pending.pop().uses:
            if use.operation in known:
                found.append((use.operation, use.index))
                continue
            fresh = [result for result in use.operation.results if result not in seen]
            seen.update(fresh)
            pending += fresh
    return found


def users_of(op: Operation) -> list[Operation]:
    return [use.operation for result in op.results for use in result.uses]


def producers_of(op: Operation) -> list[Operation]:
    return [value.owner for value in op.operands if isinstance(value.owner, Operation)]


Step = Callable[[Operation], list[Operation]]


def reachable(starts: Iterable[Operation], step: Step) -> set[Operation]:
    """`starts` and everything that steps from them lead to. Linear in the edges of the graph."""
    found = set(starts)
    pending = list(found)
    while pending:
        for op in step(pending.pop()):
            if op not in found:
                found.add(op)
                pending.append(op)
    return found


def neighbours(starts: Iterable[NnOp], step: Step) -> set[Operation]:
    """The ops one step away, and those that steps through movement and conversions lead to."""
    found: set[Operation] = set()
    pending: list[Operation] = list(starts)
    while pending:
        for op in step(pending.pop()):
            if op not in found:
                found.add(op)
                if not isinstance(op, NnOp) or moves(op):
                    pending.append(op)
    return found
