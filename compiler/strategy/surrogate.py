"""The search's model of a program: latency and noise of an assignment as sums.

Latency is that of every op in its precision, and of the conversions between ops: a value that
ops in other precisions use is converted once for each of these. Noise is the sum of the
sensitivities. Both are quick to evaluate and only propose; what counts is measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from compiler.strategy.sensitivity import Sensitivities
from compiler.strategy.space import Assignment, Space, searched_ops
from dialects.nn.attributes import Precision
from dialects.nn.base import NnOp, Quantization
from dialects.nn.constant import ConstantOp
from passes.dataflow import consumers, data_operands, sources

SWEEPS = 30
"""More than descent ever needed on networks of a hundred ops; bounds the time."""


class OpCosts(Protocol):
    """Modelled latencies of single ops, in ns."""

    def op_ns(self, op: NnOp, precision: Precision) -> float: ...

    def conversion_ns(
        self, value: SSAValue, from_precision: Precision, to_precision: Precision
    ) -> float: ...


@dataclass(frozen=True)
class Node:
    """One computing op, or the inputs of the program: what it costs, and who uses its result.

    `choice` is its position in the space; None for an op that is f32 whatever is chosen.
    `ops` and `conversions` are in ns, the latter by (from, to).
    """

    choice: int | None
    ops: Mapping[Precision, float]
    conversions: Mapping[tuple[Precision, Precision], float]
    users: tuple[int, ...]
    producers: tuple[int, ...]


@dataclass(frozen=True)
class Surrogate:
    """Nodes in program order; the last one stands for the outputs of the program."""

    space: Space
    nodes: tuple[Node, ...]
    node_of: Mapping[int, int]
    """Position of a choice -> its node."""
    noise_of: Sensitivities

    def noise(self, assignment: Assignment) -> float:
        return sum(self.noise_of.get(pair, 0.0) for pair in enumerate(assignment))

    def latency(self, assignment: Assignment) -> float:
        return sum(self._cost(node, assignment) for node in self.nodes)

    def _precision(self, node: Node, assignment: Assignment) -> Precision:
        return Precision.F32 if node.choice is None else assignment[node.choice]

    def _cost(self, node: Node, assignment: Assignment) -> float:
        own = self._precision(node, assignment)
        return node.ops[own] + self._conversion(node, assignment)

    def _conversion(self, node: Node, assignment: Assignment) -> float:
        own = self._precision(node, assignment)
        wanted = {self._precision(self.nodes[user], assignment) for user in node.users}
        return sum(node.conversions[own, other] for other in wanted if other is not own)

    def local_cost(self, choices: Sequence[int], assignment: Assignment, price: float) -> float:
        """The part of latency + `price` x noise that depends on `choices`."""
        own = {self.node_of[choice] for choice in choices}
        before = {producer for node in own for producer in self.nodes[node].producers} - own
        return (
            sum(self._cost(self.nodes[node], assignment) for node in sorted(own))
            + sum(self._conversion(self.nodes[node], assignment) for node in sorted(before))
            + price * sum(self.noise_of.get((c, assignment[c]), 0.0) for c in choices)
        )

    def descend(self, start: Assignment, price: float) -> Assignment:
        """A local minimum of latency + `price` x noise: no op, and no pair of an op and a user of
        its result, can change for the better."""
        current = start
        groups = [(choice,) for choice in self.node_of] + self.pairs()
        for _ in range(SWEEPS):
            before = current
            for group in groups:
                current = self._best_of(group, current, price)
            if current == before:
                break
        return current

    def pairs(self) -> list[tuple[int, ...]]:
        """Choices that hand a value to one another."""
        found: list[tuple[int, ...]] = []
        for choice, node in self.node_of.items():
            users = (self.nodes[user].choice for user in self.nodes[node].users)
            found += [(choice, user) for user in users if user is not None]
        return found

    def _best_of(self, group: tuple[int, ...], current: Assignment, price: float) -> Assignment:
        """The best joint change of one op, or of a pair to one common precision."""
        best, least = current, self.local_cost(group, current, price)
        common = [
            precision
            for precision in Precision
            if all(precision in self.space.choices[choice].precisions for choice in group)
        ]
        for precision in common:
            changed = with_precision(current, group, precision)
            cost = self.local_cost(group, changed, price)
            # Rounding must not make two equals take turns.
            if cost < least - 1e-9 * abs(least):
                best, least = changed, cost
        return best

    def minimum(self, starts: Sequence[Assignment], price: float) -> Assignment:
        """The best of the descents from `starts`."""

        def total(assignment: Assignment) -> float:
            noise = self.noise(assignment)
            return self.latency(assignment) + (price * noise if noise else 0.0)

        return min((self.descend(start, price) for start in starts), key=total)


def with_precision(
    assignment: Assignment, choices: Sequence[int], precision: Precision
) -> Assignment:
    """`assignment` with `choices` in `precision`."""
    changed = list(assignment)
    for choice in choices:
        changed[choice] = precision
    return tuple(changed)


def random_start(space: Space, random: np.random.Generator) -> Assignment:
    return tuple(
        choice.precisions[int(random.integers(len(choice.precisions)))] for choice in space.choices
    )


def surrogate_of(
    module: ModuleOp, space: Space, costs: OpCosts, noise_of: Sensitivities
) -> Surrogate:
    """The model of a program that is ready for placement."""
    ops = searched_ops(module)
    choice_of = {choice.index: position for position, choice in enumerate(space.choices)}
    computing = [
        (index, op) for index, op in enumerate(ops) if op.QUANTIZATION is not Quantization.MOVES
    ]
    node_index: dict[object, int] = {op: position for position, (_, op) in enumerate(computing)}
    end = len(computing)  # the outputs
    users = {
        position: tuple(
            dict.fromkeys(
                node_index.get(user, end) for result in op.results for user in consumers(result)
            )
        )
        for position, (_, op) in enumerate(computing)
    }
    nodes: list[Node] = []
    for position, (index, op) in enumerate(computing):
        choice = choice_of.get(index)
        precisions = (Precision.F32,) if choice is None else space.choices[choice].precisions
        # An operand of the program's own: it comes in float and has to be converted.
        inputs = [
            op.operands[operand]
            for operand in data_operands(op)
            if None in sources(op.operands[operand])
        ]
        nodes.append(
            Node(
                choice=choice,
                ops={
                    p: costs.op_ns(op, p)
                    + sum(costs.conversion_ns(value, Precision.F32, p) for value in inputs)
                    for p in precisions
                },
                conversions={
                    (own, other): costs.conversion_ns(op.results[0], own, other)
                    for own in precisions
                    for other in Precision
                    if own is not other
                },
                users=users[position],
                producers=tuple(
                    dict.fromkeys(
                        node_index[source]
                        for operand in data_operands(op)
                        for source in sources(op.operands[operand])
                        if source in node_index and not isinstance(source, ConstantOp)
                    )
                ),
            )
        )
    nodes.append(Node(None, {Precision.F32: 0.0}, {}, (), ()))
    node_of = {
        node.choice: position for position, node in enumerate(nodes) if node.choice is not None
    }
    return Surrogate(space, tuple(nodes), node_of, noise_of)


def prices(surrogate: Surrogate, reference: Assignment, noisiest: float, steps: int) -> list[float]:
    """Prices of noise, in ns, from none at all to one at which hardly any is left.

    Evenly in the logarithm around the price at which all noise is worth the whole latency.
    """
    if not 0 < noisiest < math.inf:
        return [0.0]
    middle = surrogate.latency(reference) / noisiest
    return [0.0, *(middle * 2.0 ** (step - steps // 3) for step in range(steps))]
