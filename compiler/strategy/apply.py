"""Strategies applied: a compile request that asks for what the strategy chose."""

from __future__ import annotations

import sys
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from compiler.driver import CompileRequest
from compiler.recipes.sources import effective_recipe
from compiler.stages import stage_index
from compiler.strategy.request import Strategy
from dialects.errors import OctetError

if TYPE_CHECKING:
    from compiler.strategy.auto import Found

PLACED = "place"
"""The stage that placement rules need."""

BUDGET_MISSED = 3
"""Exit code of `compile` when no placement is within the budget."""


@dataclass(frozen=True)
class Applied:
    """The request with the strategy's rules, and what a search found."""

    request: CompileRequest
    found: Found | None = None


def apply_strategy(request: CompileRequest, strategy: Strategy, *, show: bool) -> Applied:
    """Chooses precisions as `strategy` says; `show` draws progress on stderr.

    Raises OctetError for options that contradict the strategy.
    """
    if strategy.name == "all":
        return Applied(request)
    if stage_index(request.stop_after) < stage_index(PLACED):
        raise OctetError(
            f"--strategy {strategy.name}: precisions are chosen in stage '{PLACED}', after "
            f"--stop-after={request.stop_after}"
        )
    if strategy.name == "rules":
        if request.pass_pipeline is not None:
            raise OctetError("--strategy chooses within the stages: leave out --pass-pipeline")
        asked = effective_recipe(request.options, request.model).settings.get("precision")
        if asked not in (None, "f32"):
            raise OctetError(
                f"--strategy rules leaves ops without a rule in f32, --precision {asked} does not: "
                "give one of them"
            )
        return Applied(replace(request, options={**request.options, "precision": "f32"}))
    from compiler.strategy.auto import find_placement
    from compiler.strategy.progress import Watcher, progress_bar

    assert strategy.auto is not None
    bar = progress_bar(strategy.auto.max_evaluations) if show else nullcontext(Watcher())
    with bar as watcher:
        found = find_placement(request, strategy.auto, watcher)
    return Applied(replace(request, rules=found.rules), found)


def end_search(applied: Applied) -> int:
    """Says on stderr what a search found; the exit code, 3 if that misses the budget."""
    from compiler.strategy.auto import figures

    found = applied.found
    if found is None:
        return 0
    times = ", ".join(f"{name} {1e6 * s:.1f} us" for name, s in found.latencies.items())
    lines = [
        f"{figures(found.measured, found.reference)}; budget {found.budget}; "
        f"{found.evaluations} placements measured",
        f"measured on one thread: {times}",
    ]
    if not found.met:
        lines.append("no placement within the budget was found: this is the closest one")
    for line in lines:
        print(f"compile: strategy auto: {line}", file=sys.stderr)
    return 0 if found.met else BUDGET_MISSED


def warn_if_missed(applied: Applied) -> None:
    """A Python warning when the placement that was found misses the budget."""
    from compiler.strategy.auto import figures

    found = applied.found
    if found is not None and not found.met:
        warnings.warn(
            f"no placement within the budget ({found.budget}) was found; the closest one: "
            f"{figures(found.measured, found.reference)}",
            stacklevel=3,
        )
