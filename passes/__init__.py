"""Octet's passes, in folders by stage. One file per pass, one line per pass in the table below."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from xdsl.passes import ModulePass

PASSES: dict[str, tuple[str, str]] = {
    # kernel
    "assign-layout": ("passes.kernel.assign_layout", "AssignLayout"),
    "lower-to-kernel": ("passes.kernel.lower_to_kernel", "LowerToKernel"),
    "plan-memory": ("passes.kernel.plan_memory", "PlanMemory"),
}
"""Pass name -> (module, class). A module is imported when its pass is first asked for."""


def get_all_passes() -> dict[str, Callable[[], type[ModulePass]]]:
    """Octet's passes by name, each imported on first use."""

    def lazily(module: str, class_name: str) -> Callable[[], type[ModulePass]]:
        return lambda: getattr(import_module(module), class_name)

    return {name: lazily(*where) for name, where in PASSES.items()}
