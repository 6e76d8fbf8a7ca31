"""Searches by name; see `compiler.lab.search.base.Search` for how to add one."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module

from compiler.lab.search.base import Arena, Objective, Search
from dialects.errors import OctetError

__all__ = ["SEARCHES", "Arena", "Objective", "Search", "search_named"]

SEARCHES: Mapping[str, tuple[str, str]] = {
    "exhaustive": ("compiler.lab.search.exhaustive", "Exhaustive"),
    "random": ("compiler.lab.search.uniform", "Uniform"),
}
"""Search name -> (module, class). A module is imported when its search is asked for."""


def search_named(name: str) -> Search:
    """The search called `name`. Raises OctetError that lists them."""
    if name not in SEARCHES:
        raise OctetError(f"--method: expected one of {', '.join(SEARCHES)}, got {name}")
    module, class_name = SEARCHES[name]
    return getattr(import_module(module), class_name)()
