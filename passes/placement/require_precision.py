"""Pass `require-precision`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp

from dialects.context import OctetContext
from dialects.errors import OctetError
from dialects.nn.attributes import Precision
from dialects.nn.base import NnOp
from dialects.origin import indices_of
from dialects.program import placeable_ops
from dialects.requirements import Requirement, requirements_of, set_requirements
from passes.base import Numerics, OctetPass
from passes.placement.selectors import select


@dataclass(frozen=True)
class RequirePrecisionPass(OctetPass):
    """Write down which ops have to end at which precision; `check-required` looks at the end.

    Before:

        builtin.module {
          %1 = nn.conv %0, %w <..> {index = array<i64: 0>, layer = "stem"} : ..

    After, with `int8="name:stem"`:

        builtin.module attributes {octet.required = [["int8", "name:stem", array<i64: 0>]]} {

    Each option holds selectors. They are resolved here, while the ops are those that placement
    saw; later passes fuse and split them. Requirements add up when the pass runs again. The ops
    have to be numbered by `number-ops`. Results do not change.
    """

    name = "require-precision"
    NUMERICS: ClassVar = Numerics.EXACT
    ANNOTATES: ClassVar = True

    int8: tuple[str, ...] | None = None
    bf16: tuple[str, ...] | None = None
    f16: tuple[str, ...] | None = None
    f32: tuple[str, ...] | None = None

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        ops = list(placeable_ops(module))
        found = requirements_of(module)
        for precision in Precision:
            for selector in getattr(self, precision.value) or ():
                requirement = Requirement(precision, selector, _numbers(selector, ops))
                if requirement not in found:
                    found.append(requirement)
                    self.count(ctx, "requirements")
        set_requirements(module, found)


def _numbers(selector: str, ops: Sequence[NnOp]) -> tuple[int, ...]:
    """The numbers of the ops that `selector` names."""
    if not ops:
        raise OctetError(
            f"require-precision: '{selector}' cannot be resolved: the program has no nn ops (any "
            "more); require it when compiling from stage 'place' or an earlier one"
        )
    selected = select(selector, ops)
    for op in selected:
        if not indices_of(op):
            raise OctetError(
                f"require-precision: {op.source_name} has no number; run number-ops before"
            )
    return tuple(sorted({index for op in selected for index in indices_of(op)}))
