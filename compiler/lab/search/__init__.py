"""Searches by name; see `compiler.lab.search.base.Search` for how to add one."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from compiler.lab.objective import Condition, Objective
from compiler.lab.search.base import Arena, Search
from dialects.errors import OctetError

__all__ = ["SEARCHES", "Arena", "Condition", "Objective", "Search", "search_named"]

SEARCHES: Mapping[str, tuple[str, str]] = {
    "exhaustive": ("compiler.lab.search.exhaustive", "Exhaustive"),
    "random": ("compiler.lab.search.uniform", "Uniform"),
    "greedy": ("compiler.lab.search.greedy", "Greedy"),
    "beam": ("compiler.lab.search.beam", "Beam"),
    "genetic": ("compiler.lab.search.genetic", "Genetic"),
    "optuna-tpe": ("compiler.lab.search.optuna_", "Tpe"),
    "optuna-nsgaii": ("compiler.lab.search.optuna_", "Nsga"),
}
"""Search name -> (module, class). A module is imported when its search is asked for."""


def search_named(name: str) -> Search:
    """The search called `name`. Raises OctetError that lists them."""
    if name not in SEARCHES:
        raise OctetError(f"--method: expected one of {', '.join(SEARCHES)}, got {name}")
    module, class_name = SEARCHES[name]
    return getattr(import_module(module), class_name)()
