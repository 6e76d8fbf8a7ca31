"""The result of a search as placement rules: one for each op that was chosen for, by its source
name, with the figures that decided it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from compiler.recipes.recipe import Recipe
from compiler.strategy.space import Assignment, Choice
from compiler.strategy.surrogate import Surrogate
from dialects.nn.attributes import Precision
from passes.placement.rules import Rule
from runtime.artifact import replacing

RECIPE = "recipe.toml"


def chosen_rules(surrogate: Surrogate, assignment: Assignment) -> tuple[Rule, ...]:
    """The rules of an assignment, in program order."""
    rules = surrogate.space.rules(assignment)
    return tuple(
        replace(rule, reason=_reason(surrogate, index, choice, precision))
        for index, (rule, choice, precision) in enumerate(
            zip(rules, surrogate.space.choices, assignment, strict=True)
        )
    )


def _reason(surrogate: Surrogate, index: int, choice: Choice, chosen: Precision) -> str:
    """What the op costs and adds in the chosen precision, beside the others it could have had."""
    figures = {
        precision: f"{surrogate.nodes[surrogate.node_of[index]].ops[precision] / 1e3:.2f} us, "
        f"{_decibels(surrogate.noise_of.get((index, precision), 0.0))}"
        for precision in choice.precisions
    }
    others = "; ".join(f"{p} {figures[p]}" for p in choice.precisions if p is not chosen)
    return f"auto: {chosen} {figures[chosen]} (else {others})"


def _decibels(noise: float) -> str:
    if noise == 0:
        return "no noise"
    return f"{10 * math.log10(noise):.1f} dB noise" if math.isfinite(noise) else "not finite"


def recipe_text(rules: Sequence[Rule], heading: Sequence[str]) -> str:
    """A recipe file with a comment line for each line of `heading`."""
    comments = [f"# {line}\n" for line in heading]
    return "".join((*comments, "\n", Recipe(rules=tuple(rules)).text()))


def write_recipe(text: str, folder: Path) -> None:
    with replacing(folder / RECIPE) as temporary:
        temporary.write_text(text, encoding="utf-8")
