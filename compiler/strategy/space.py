"""What a search may choose: the ops of a program, and the precisions each may have.

An assignment gives every such op a precision. It is written as rules that name each op, so it
means the same for `place-precision`, for a recipe and in a log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from xdsl.dialects.builtin import ModuleOp

from compiler.options import apply_overrides
from compiler.pipeline import PassManager, parse_pipeline_specs, pass_of
from dialects.context import OctetContext
from dialects.nn.attributes import Precision
from dialects.nn.base import NnOp, Quantization
from dialects.nn.constant import ConstantOp
from dialects.program import nn_ops
from passes.placement.selectors import select

PLACE = "place-precision"

OPTION_OF: Mapping[Precision, str] = {
    Precision.INT8: "include",
    Precision.BF16: "bf16",
    Precision.F16: "f16",
    Precision.F32: "exclude",
}
"""The option of `place-precision` that asks for a precision by selectors."""

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

    def rules(self, assignment: Assignment) -> dict[str, tuple[str, ...]]:
        """Selectors by option of `place-precision`; one rule for each op."""
        chosen = list(zip(self.choices, assignment, strict=True))
        return {
            option: tuple(choice.selector for choice, given in chosen if given is precision)
            for precision, option in OPTION_OF.items()
        }


def letters(assignment: Assignment) -> str:
    return "".join(LETTERS[precision] for precision in assignment)


def searched_ops(module: ModuleOp) -> list[NnOp]:
    """The ops that `place-precision` counts and selectors name."""
    return [op for op in nn_ops(module) if not isinstance(op, ConstantOp)]


def space_of(module: ModuleOp, ctx: OctetContext, pipeline: str) -> Space:
    """The choices of a program that is ready for `place-precision`.

    `pipeline` is that pass with the user's options: an op that the user's rules name is no choice.
    What an op can run in is what the pass itself makes of asking for it.
    """
    (spec,) = parse_pipeline_specs(pipeline)
    ops = searched_ops(module)
    fixed: set[int] = set()
    for option in OPTION_OF.values():
        for selector in spec.parameters.get(option, ()):
            fixed |= {ops.index(op) for op in select(str(selector), ops)}
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
                selector=f"name:{own}" if own is not None else f"index:[{index}:{index + 1}]",
                name=op.source_name,
                op=op.mnemonic,
                macs=op.macs(),
                precisions=possible,
            )
        )
    return Space(tuple(choices))


def _placed(module: ModuleOp, ctx: OctetContext, precision: Precision) -> list[Precision | None]:
    """The precision of every op after asking for `precision` everywhere, by name."""
    copy = cast(ModuleOp, module.clone())
    run_placement(copy, ctx, PLACE, {OPTION_OF[precision]: ("index:[0:]",)})
    return [None if op.precision is None else op.precision.data for op in searched_ops(copy)]


def run_placement(
    module: ModuleOp, ctx: OctetContext, pipeline: str, rules: Mapping[str, Sequence[Any]]
) -> None:
    """Runs `place-precision` with `rules` after those that its options in `pipeline` hold."""
    (spec,) = parse_pipeline_specs(pipeline)
    joined = {
        option: (*spec.parameters.get(option, ()), *selectors)
        for option, selectors in rules.items()
    }
    (placement,) = apply_overrides((spec,), {PLACE: joined})
    PassManager().run(ctx, module, (pass_of(placement),))
