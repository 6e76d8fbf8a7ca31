"""The subcommands of `octet-lab`: a line here, and a module with `add_arguments` and `run`."""

from __future__ import annotations

from collections.abc import Mapping

COMMANDS: Mapping[str, str] = {
    "passes": "print what every pass requires, establishes and invalidates",
    "audit": "check those declarations against what passes do on models",
    "space": "count or list the legal orders of passes",
    "pairs": "exchange every pair of passes and compare what comes of it",
    "search": "evaluate orders: all of them, or those that a search asks for",
    "replay": "execute recorded lines again and compare",
    "diff": "show how the programs of two recorded lines differ",
    "export": "write a record as CSV",
}
"""Name -> what it does. The module is `compiler.lab.cli.<name>`, imported when it is asked for."""
