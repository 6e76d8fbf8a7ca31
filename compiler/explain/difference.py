"""Two programs compared: where their placement differs (`compile diff`).

Ops are told apart by the names of the layers they came from, since the same layer may have another
position in another program; ops without names by their type and order.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation

from compiler.explain.document import Explanation, explanation_of
from compiler.explain.placement import Placement
from compiler.explain.rows import main_op
from dialects.kernel.ops import CallOp, buffer_element
from dialects.nn.base import NnOp
from dialects.origin import computed_by
from dialects.program import body_of, main_function, placeable_ops

SCHEMA = "octet-placement-diff"
VERSION = 1
SCHEMA_FILE = Path(__file__).with_name("difference.schema.json")

Types = Mapping[str, str]
"""The element type of each operand and result of an op, by name."""


@dataclass(frozen=True)
class Side:
    """One of the two programs."""

    path: str
    explanation: Explanation
    types: Mapping[int, Types]

    @classmethod
    def of(cls, path: str, module: ModuleOp) -> Side:
        return cls(path, explanation_of(module), _types_by_index(module))


@dataclass(frozen=True)
class Difference:
    """An op that is not placed alike, with its row in each program; None where it is missing.

    `fields` says what differs: `presence`, or any of `precision`, `reason`, `kernels`, `types`.
    `types` are those that differ, by operand or result, first those of `a`.
    """

    a: Placement | None
    b: Placement | None
    fields: tuple[str, ...]
    types: tuple[Types, Types] = ({}, {})

    @property
    def names(self) -> tuple[str, ...]:
        rows = (row for row in (self.a, self.b) if row is not None)
        return tuple(dict.fromkeys(name for row in rows for name in row.names))


@dataclass(frozen=True)
class Comparison:
    """What differs between two programs, in the order of the first."""

    a: Side
    b: Side
    differences: tuple[Difference, ...]
    same: int
    """How many ops are placed alike."""

    def as_json(self) -> str:
        """The document of `compile diff --json`, see docs/explain.md."""
        document = {
            "schema": SCHEMA,
            "version": VERSION,
            "a": _side_as_dict(self.a),
            "b": _side_as_dict(self.b),
            "same": self.same,
            "differences": [_difference_as_dict(one) for one in self.differences],
        }
        return json.dumps(document, indent=2, ensure_ascii=False)


def compare(a: Side, b: Side) -> Comparison:
    """Every op of both programs that is not placed alike.

    Kernels and types are compared when both programs are at the same stage; before they are
    known, in a program that was only placed, so is what movement ops move.
    """
    alike = a.explanation.stage == b.explanation.stage
    differences: list[Difference] = []
    same = 0
    for left, right in _pairs(a.explanation.ops, b.explanation.ops):
        if left is None or right is None:
            differences.append(Difference(left, right, ("presence",)))
            continue
        types = _differing(a.types[left.index], b.types[right.index]) if alike else ({}, {})
        fields = tuple(_fields(left, right, alike=alike))
        fields += ("types",) if any(types) else ()
        if fields:
            differences.append(Difference(left, right, fields, types))
        else:
            same += 1
    return Comparison(a, b, tuple(differences), same)


def _fields(left: Placement, right: Placement, *, alike: bool) -> Iterator[str]:
    comparable = alike or not (left.moves or right.moves)
    if comparable and left.precision != right.precision:
        yield "precision"
    if comparable and left.why != right.why:
        yield "reason"
    if alike and left.kernels != right.kernels:
        yield "kernels"


def _differing(left: Types, right: Types) -> tuple[Types, Types]:
    names = [name for name in {**left, **right} if left.get(name) != right.get(name)]
    return (
        {name: left[name] for name in names if name in left},
        {name: right[name] for name in names if name in right},
    )


# --- which op is which ----------------------------------------------------------------------

Pair = tuple[Placement | None, Placement | None]


def _pairs(a: Sequence[Placement], b: Sequence[Placement]) -> list[Pair]:
    """Rows of the same layers: equal names first, in order, then any name in common."""
    waiting: dict[tuple[str, ...], list[Placement]] = {}
    for row in b:
        waiting.setdefault(_key(row), []).append(row)
    partners: dict[int, Placement] = {}
    for row in a:
        if candidates := waiting.get(_key(row)):
            partners[row.index] = candidates.pop(0)
    taken = {row.index for row in partners.values()}
    by_name_a, by_name_b = _by_name(a), _by_name(b)
    pairs: list[Pair] = []
    for row in a:
        partner = partners.get(row.index) or _sharing(row, by_name_b)
        pairs.append((row, partner))
        if partner is not None:
            taken.add(partner.index)
    pairs += [(_sharing(row, by_name_a), row) for row in b if row.index not in taken]
    return pairs


def _key(row: Placement) -> tuple[str, ...]:
    return row.names or ("", row.op)


def _by_name(rows: Sequence[Placement]) -> dict[str, Placement]:
    return {name: row for row in reversed(rows) for name in row.names}


def _sharing(row: Placement, others: Mapping[str, Placement]) -> Placement | None:
    return next((others[name] for name in row.names if name in others), None)


# --- types ----------------------------------------------------------------------------------


def _types_by_index(module: ModuleOp) -> dict[int, Types]:
    ops = computed_by(body_of(main_function(module)).ops)
    if ops:
        return {index: _types(main_op(computing)) for index, computing in ops.items()}
    return {index: _types(op) for index, op in enumerate(placeable_ops(module))}


def _types(op: Operation) -> dict[str, str]:
    names = (
        op.operand_names()
        if isinstance(op, NnOp)
        else op.names
        if isinstance(op, CallOp)
        else ("operand",) * len(op.operands)
    )
    values = [*zip(names, op.operands, strict=True), *(("result", value) for value in op.results)]
    types: dict[str, str] = {}
    for name, value in values:
        repeated = sum(key == name or key.startswith(f"{name}#") for key in types)
        types[f"{name}#{repeated}" if repeated else name] = str(buffer_element(value))
    return types


# --- JSON -----------------------------------------------------------------------------------


def _side_as_dict(side: Side) -> dict[str, Any]:
    explanation = side.explanation
    return {
        "path": side.path,
        "stage": explanation.stage,
        "target": explanation.target,
        "pipeline": explanation.pipeline,
    }


def _difference_as_dict(one: Difference) -> dict[str, Any]:
    return {
        "names": list(one.names),
        "differs": list(one.fields),
        "a": _row_as_dict(one.a, one.types[0]),
        "b": _row_as_dict(one.b, one.types[1]),
    }


def _row_as_dict(row: Placement | None, types: Types) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        "index": row.index,
        "op": row.op,
        "precision": row.precision,
        "placed_by": row.placed_by,
        "decider": row.decider,
        "reason": row.reason,
        "kernels": [{"name": kernel.name, "precision": kernel.precision} for kernel in row.kernels],
        "types": dict(types),
    }
