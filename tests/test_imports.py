"""Who may import whom: `dialects` knows nobody, `runtime` and `passes` know dialects, `compiler`
knows all. Imports inside functions and for type checking count as well."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("dialects", "passes", "runtime", "compiler")
ALLOWED = {
    "dialects": ("dialects", "xdsl", "numpy", "ml_dtypes"),
    "passes": ("passes", "dialects", "runtime.reference", "runtime.planning", "xdsl", "numpy"),
    "runtime": (
        "runtime",
        "dialects",
        "xdsl",
        "numpy",
        "ml_dtypes",
        "numba",
        "llvmlite",
        "safetensors",
        "threadpoolctl",
    ),
}
FILES = [
    path.relative_to(ROOT) for package in ALLOWED for path in sorted((ROOT / package).rglob("*.py"))
]


def imported_modules(path: Path) -> Iterator[str]:
    """The absolute names of the modules a file imports."""
    folder = path.parent.parts
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1] if node.level else ()
            module = ".".join((*base, *([node.module] if node.module else [])))
            # `from runtime import planning` imports the module runtime.planning.
            package = (ROOT / module.replace(".", "/")).is_dir()
            yield from ([f"{module}.{name.name}" for name in node.names] if package else [module])


def is_allowed(module: str, allowed: tuple[str, ...]) -> bool:
    if module.split(".")[0] in sys.stdlib_module_names:
        return True
    return any(module == name or module.startswith(f"{name}.") for name in allowed)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_a_file_imports_only_what_its_package_may(path: Path) -> None:
    allowed = ALLOWED[path.parts[0]]
    forbidden = [name for name in imported_modules(path) if not is_allowed(name, allowed)]
    assert not forbidden, f"{path} imports {forbidden}; {path.parts[0]} may import {allowed}"


def test_the_check_can_fail() -> None:
    assert not is_allowed("runtime.kernels.conv", ALLOWED["passes"])
    assert not is_allowed("compiler.driver", ALLOWED["runtime"])
    assert is_allowed("runtime.reference.linear", ALLOWED["passes"])


def test_packages_do_not_import_each_other_in_a_circle() -> None:
    graph = {package: set[str]() for package in PACKAGES}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            for module in imported_modules(path.relative_to(ROOT)):
                parts = module.split(".")
                # The reference and the planner are leaves that passes may use.
                if parts[0] in PACKAGES and parts[0] != package:
                    graph[package].add(parts[0])
    order: list[str] = []
    while len(order) < len(PACKAGES):
        free = [p for p in PACKAGES if p not in order and graph[p] <= set(order)]
        assert free, f"a circle among {sorted(set(PACKAGES) - set(order))}"
        order.append(free[0])
