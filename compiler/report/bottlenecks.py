"""Why the program is not faster: what takes the time, what is float and why, what converts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from xdsl.ir import Operation, SSAValue

from compiler.explain import Placement
from compiler.report.document import Bottlenecks, Cause, Conversion, Island, Share, share_of
from compiler.report.times import Times
from dialects.kernel.loops import Launch
from dialects.kernel.ops import CallOp
from dialects.kernel.precision import format_of
from dialects.nn.attributes import Precision
from dialects.origin import indices_of
from runtime.work import call_bytes

FLOAT = Precision.F32.value
ORDER = (Precision.INT8.value, Precision.BF16.value, Precision.F16.value, FLOAT, None)
"""From the fastest; None is for ops on indices and booleans."""
BETWEEN = "between ops"
DOMINANT = 0.8

Basis = Literal["measured", "modelled", "macs"]


@dataclass(frozen=True)
class Weights:
    """What each op takes, in the terms of `basis`, and what lies between ops."""

    basis: Basis
    ops: Mapping[int, float]
    between: float = 0.0

    @property
    def total(self) -> float:
        return sum(self.ops.values()) + self.between

    def of(self, indices: Sequence[int]) -> float:
        return sum(self.ops.get(index, 0.0) for index in indices)

    def time(self, amount: float) -> float | None:
        """`amount` as microseconds, if it is that."""
        return None if self.basis == "macs" else amount

    def share(self, amount: float) -> float | None:
        return None if self.basis == "macs" else share_of(amount, [self.total])


def weights_of(rows: Sequence[Placement], times: Times | None) -> Weights:
    """Measured times, else modelled ones, else multiply-accumulates."""
    if times is not None:
        return Weights("measured", times.ops, times.between)
    modelled = {row.index: row.modelled_ns.get(row.precision or FLOAT) for row in rows}
    if any(modelled.values()):
        return Weights("modelled", {i: (ns or 0.0) / 1000 for i, ns in modelled.items()})
    return Weights("macs", {row.index: float(row.macs) for row in rows})


def bottlenecks_of(
    rows: Sequence[Placement],
    edges: Sequence[tuple[int, int]],
    final: Sequence[Operation],
    times: Times | None,
) -> Bottlenecks:
    """`edges` are pairs of op indices; `final` the ops of the final program, if it got there."""
    weights = weights_of(rows, times)
    return Bottlenecks(
        basis=weights.basis,
        shares=tuple(_shares(rows, weights)),
        islands=tuple(_islands(rows, edges, weights)),
        conversions=tuple(_conversions(final, weights, times)),
        fused_conversions=sum(c.fused for row in rows for c in row.conversions),
        dominating=tuple(_dominating(weights)),
        causes=tuple(_causes(rows, weights)),
    )


def _shares(rows: Sequence[Placement], weights: Weights) -> Iterator[Share]:
    """A share per precision that occurs, computing ops and moving ones; then what is between."""
    for precision in ORDER:
        members = [row for row in rows if row.precision == precision]
        if not members:
            continue
        amount = weights.of([row.index for row in members])
        yield Share(
            name=precision or "other",
            ops=len(members),
            macs=sum(row.macs for row in members),
            macs_share=sum(row.macs_share for row in members),
            time_us=weights.time(amount),
            time_share=weights.share(amount),
        )
    if weights.between:
        yield Share(
            BETWEEN, 0, 0, 0.0, weights.time(weights.between), weights.share(weights.between)
        )


def _islands(
    rows: Sequence[Placement], edges: Sequence[tuple[int, int]], weights: Weights
) -> list[Island]:
    """Connected float ops, in a program that computes something in a lower precision; those that
    take most first."""
    lower = {row.precision for row in rows if not row.moves} - {FLOAT, None}
    members = {row.index for row in rows if row.precision == FLOAT}
    if not lower:
        return []
    near: dict[int, list[int]] = {index: [] for index in members}
    borders: Counter[int] = Counter()
    for source, target in edges:
        for index, other in ((source, target), (target, source)):
            if index not in members:
                continue
            if other in members:
                near[index].append(other)
            elif rows[other].precision is not None:
                borders[index] += 1
    islands: list[Island] = []
    for component in _components(near):
        if all(rows[index].moves for index in component):
            continue
        amount = weights.of(component)
        islands.append(
            Island(
                ops=tuple(component),
                time_us=weights.time(amount),
                time_share=weights.share(amount),
                borders=sum(borders[index] for index in component),
                reasons=dict(
                    Counter(rows[i].why for i in component if not rows[i].moves).most_common()
                ),
            )
        )
    return sorted(islands, key=lambda island: -(island.time_us or len(island.ops)))


def _components(near: Mapping[int, Sequence[int]]) -> Iterator[list[int]]:
    seen: set[int] = set()
    for start in sorted(near):
        if start in seen:
            continue
        seen.add(start)
        component, pending = [start], [start]
        while pending:
            fresh = set(near[pending.pop()]) - seen
            seen |= fresh
            component += fresh
            pending += fresh
        yield sorted(component)


def _conversions(
    final: Sequence[Operation], weights: Weights, times: Times | None
) -> list[Conversion]:
    """The kernels that compute nothing of the model, slowest or largest first."""
    found: list[Conversion] = []
    for op in final:
        if not isinstance(op, CallOp) or indices_of(op):
            continue
        time = None if times is None else times.kernels.get(op)
        found.append(
            Conversion(
                kernel=op.kernel_name,
                change=_change(op),
                before=tuple(sorted(_producers(op.operands[0]))),
                after=tuple(sorted(_users(op.results[0]))),
                bytes=call_bytes(op),
                time_us=time,
                time_share=None if time is None else weights.share(time),
            )
        )
    return sorted(found, key=lambda conversion: -(conversion.time_us or conversion.bytes))


def _producers(value: SSAValue) -> set[int]:
    """The ops of the model that `value` comes from, seen through kernels that are none of them;
    empty for an input."""
    op = value.owner
    if not isinstance(op, Operation):
        return set()
    return set(indices_of(op)) or {i for operand in op.operands for i in _producers(operand)}


def _users(value: SSAValue) -> set[int]:
    """The ops of the model that `value` goes to; empty if it only goes to outputs."""
    return {
        index
        for use in value.uses
        for index in indices_of(use.operation)
        or (i for result in use.operation.results for i in _users(result))
    }


def _change(op: Launch) -> str:
    """`f32 to int8`; for a copy, `layout of f32`."""
    source, target = format_of(op.operands[0]), format_of(op.results[0])
    names = ["other" if found is None else found.value for found in (source, target)]
    return f"layout of {names[0]}" if source is target else f"{names[0]} to {names[1]}"


def _dominating(weights: Weights) -> Iterator[int]:
    left = DOMINANT * sum(weights.ops.values())
    for index, amount in sorted(weights.ops.items(), key=lambda item: (-item[1], item[0])):
        if left <= 0 or amount <= 0:
            return
        yield index
        left -= amount


def _causes(rows: Sequence[Placement], weights: Weights) -> list[Cause]:
    """Why ops that compute are not in int8: each reason with what its ops take."""
    groups: dict[tuple[str, str], list[Placement]] = {}
    for row in rows:
        if row.precision not in (None, Precision.INT8.value) and not row.moves:
            groups.setdefault((row.precision or "", row.why), []).append(row)
    causes: list[Cause] = []
    for (precision, reason), members in groups.items():
        indices = tuple(row.index for row in members)
        amount = weights.of(indices)
        causes.append(
            Cause(
                precision=precision,
                reason=reason,
                ops=indices,
                macs_share=sum(row.macs_share for row in members),
                time_us=weights.time(amount),
                time_share=weights.share(amount),
            )
        )
    return sorted(causes, key=lambda cause: (-(cause.time_us or cause.macs_share), cause.reason))
