"""The console commands, and the check that nothing hides Octet's packages.

`compiler`, `dialects`, `passes` and `runtime` are common words. A file of one of these names
earlier on Python's path would be imported in place of Octet's and fail somewhere far away, so
the names are resolved first. This module needs nothing but the standard library.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib import import_module
from pathlib import Path

PACKAGES = ("compiler", "dialects", "passes", "runtime")


def check_packages() -> None:
    """Raises ImportError, naming the file in the way, when a package is not Octet's own."""
    here = Path(__file__).resolve().parent
    for package in PACKAGES:
        found = _location(package)
        if found is not None and found.resolve() != here / package / "__init__.py":
            raise ImportError(
                f"{found} hides Octet's package '{package}': rename that file, or run Python from "
                "another folder (the folder of a script comes first on Python's path)"
            )


def _location(package: str) -> Path | None:
    """Where `import package` finds its code; None when it finds none."""
    try:
        spec = importlib.util.find_spec(package)
    except ValueError:  # already imported, from something that has no file
        return Path(getattr(sys.modules[package], "__file__", package))
    if spec is None:
        return None
    if spec.origin is None:  # a folder without __init__.py
        return Path(next(iter(spec.submodule_search_locations or [package])))
    return Path(spec.origin)


def _run(tool: str) -> int:
    try:
        check_packages()
    except ImportError as error:
        print(f"{Path(sys.argv[0]).name}: error: {error}", file=sys.stderr)
        return 1
    return import_module(f"compiler.cli.{tool}").main()


def compile_command() -> int:
    """`compile`"""
    return _run("compile")


def opt_command() -> int:
    """`octet-opt`"""
    return _run("opt")


def run_command() -> int:
    """`octet-run`"""
    return _run("run")


def lab_command() -> int:
    """`octet-lab`"""
    return _run("lab")
