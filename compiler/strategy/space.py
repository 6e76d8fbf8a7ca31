"""What a search may choose: the ops of a program, and the precisions each may have.

An assignment gives every such op a precision. It is written as rules that name each op, so it
means the same for `place-precision`, for a recipe and in a log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from xdsl.dialects.builtin import ModuleOp

from compiler.options import RULES, apply_overrides
from compiler.pipeline import PassManager, parse_pipeline_specs, pass_of
from compiler.recipes.recipe import PLACE, name_selector
from dialects.context import OctetContext
from dialects.nn.attributes import Precision
from dialects.nn.base import NnOp, Quantization
from dialects.nn.constant import ConstantOp
from dialects.nn.scheme import Scheme
from dialects.program import nn_ops
from passes.placement.formats import check_weights
from passes.placement.rules import Rule, parse_rules, rule_text

LETTERS: Mapping[Precision, str] = {
    Precision.INT8: "8",
    Precision.BF16: "b",
    Precision.F16: "h",
    Precision.F32: "f",
}
"""How an assignment is written in the log, one letter per op."""

Assignment = tuple[Precision, ...]
"""A precision for each choice of a space, in order."""


@dataclass(frozen=True)
class Choice:
    """One op, how rules name it, and the precisions it may have; f32 is always among them."""

    index: int
    """Among the ops of the program that are no constants, in order."""
    selector: str
    name: str
    op: str
    macs: int
    precisions: tuple[Precision, ...]


@dataclass(frozen=True)
class Space:
    """The choices of a program, in program order."""

    choices: tuple[Choice, ...]

    def uniform(self, precision: Precision) -> Assignment:
        """`precision` for every op that can have it, f32 for the others."""
        return tuple(
            precision if precision in choice.precisions else Precision.F32
            for choice in self.choices
        )

    def rules(self, assignment: Assignment) -> tuple[Rule, ...]:
        """One rule for each choice."""
        return tuple(
            Rule(select=choice.selector, precision=precision)
            for choice, precision in zip(self.choices, assignment, strict=True)
        )


def letters(assignment: Assignment) -> str:
    return "".join(LETTERS[precision] for precision in assignment)


def searched_ops(module: ModuleOp) -> list[NnOp]:
    """The ops that `place-precision` counts and selectors name."""
    return [op for op in nn_ops(module) if not isinstance(op, ConstantOp)]


def space_of(module: ModuleOp, ctx: OctetContext, pipeline: str) -> Space:
    """The choices of a program that is ready for `place-precision`.

    `pipeline` is that pass with the user's options: an op that the user's rules name is no choice,
    and neither is one whose numbers a scheme fixes.
    What an op can run in is what the pass itself makes of asking for it.
    """
    (spec,) = parse_pipeline_specs(pipeline)
    ops = searched_ops(module)
    fixed = {i for i, op in enumerate(ops) if any(s.is_fixed for s in _schemes(op))}
    for rule in parse_rules(map(str, spec.parameters.get(RULES, ()))):
        if rule.places:
            matched = rule.ops(ops)
            named_ops = matched if rule.format is None else check_weights(rule, matched)
            fixed |= {ops.index(op) for op in named_ops}
    able = {
        precision: _placed(module, ctx, precision)
        for precision in (Precision.INT8, Precision.BF16, Precision.F16, Precision.F32)
    }
    named = Counter(name for op in ops for name in op.names)
    choices: list[Choice] = []
    for index, op in enumerate(ops):
        possible = tuple(precision for precision in able if able[precision][index] is precision)
        if index in fixed or op.QUANTIZATION is Quantization.MOVES:
            continue
        if Precision.F32 not in possible or len(possible) == 1:
            continue
        own = next((name for name in op.names if named[name] == 1), None)
        choices.append(
            Choice(
                index=index,
                selector=f"index:[{index}:{index + 1}]" if own is None else name_selector(own),
                name=op.source_name,
                op=op.mnemonic,
                macs=op.macs(),
                precisions=possible,
            )
        )
    return Space(tuple(choices))


def _schemes(op: NnOp) -> list[Scheme]:
    return [a.scheme for a in (op.scheme, op.weight_scheme) if a is not None]


def _placed(module: ModuleOp, ctx: OctetContext, precision: Precision) -> list[Precision | None]:
    """The precision of every op after asking for `precision` everywhere, by name."""
    copy = cast(ModuleOp, module.clone())
    run_placement(copy, ctx, PLACE, (everything_in(precision),))
    return [None if op.precision is None else op.precision.data for op in searched_ops(copy)]


def everything_in(precision: Precision) -> Rule:
    """Asks for `precision` by name, so that neighbours do not matter."""
    return Rule(select="index:[0:]", precision=precision)


def run_placement(
    module: ModuleOp, ctx: OctetContext, pipeline: str, rules: Sequence[Rule]
) -> None:
    """Runs `place-precision` with `rules` after those that its options in `pipeline` hold."""
    added = {PLACE: {RULES: tuple(map(rule_text, rules))}}
    (placement,) = apply_overrides(parse_pipeline_specs(pipeline), added)
    PassManager().run(ctx, module, (pass_of(placement),))
