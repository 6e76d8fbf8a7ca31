"""A copy of an op with some operands, properties or result types exchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

from xdsl.ir import Attribute, SSAValue
from xdsl.irdl import AttrSizedOperandSegments

from dialects.nn.base import NnOp

OpT = TypeVar("OpT", bound=NnOp)


def rebuild(
    op: OpT,
    *,
    operands: Mapping[str, SSAValue | Sequence[SSAValue]] | None = None,
    properties: Mapping[str, Attribute] | None = None,
    result_types: Sequence[Attribute] | None = None,
) -> OpT:
    """`op` anew, with the given operands (by declared name), properties and result types.

    Attributes are copied, so the new op has the same layer, names, precision and range.
    """
    given = operands or {}
    groups: list[Sequence[SSAValue]] = []
    for name, _ in op.get_irdl_definition().operands:
        value = given.get(name, getattr(op, name))
        if value is None:
            groups.append(())
        else:
            groups.append((value,) if isinstance(value, SSAValue) else value)
    kept = {
        name: attribute
        for name, attribute in op.properties.items()
        if name != AttrSizedOperandSegments.attribute_name
    }
    types = [result.type for result in op.results] if result_types is None else result_types
    return type(op)(
        operands=groups,
        result_types=[[type] for type in types],
        properties={**kept, **(properties or {})},
        attributes=dict(op.attributes),
    )
