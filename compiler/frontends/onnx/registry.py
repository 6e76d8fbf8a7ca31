"""Which function imports which ONNX op, from which opset on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .values import Tensor

if TYPE_CHECKING:
    from .node import NodeContext

Importer = Callable[["NodeContext"], "Tensor | tuple[Tensor, ...]"]
"""Gives the results of a node; results the node does not name may be left out at the end."""

MICROSOFT = "com.microsoft"
"""The domain of ONNX Runtime's own ops."""

_IMPORTERS: dict[tuple[str, str], dict[int, Importer]] = {}


def importer(op_type: str, *, since: int = 1, domain: str = "") -> Callable[[Importer], Importer]:
    """Registers a function for `op_type` in opset `since` and later, up to the next one."""

    def register(function: Importer) -> Importer:
        _IMPORTERS.setdefault((domain, op_type), {})[since] = function
        return function

    return register


def importer_of(domain: str, op_type: str, version: int) -> Importer | None:
    """The function for an op as of an opset version, or None if there is none."""
    versions = _IMPORTERS.get((domain, op_type), {})
    known = [since for since in versions if since <= version]
    return versions[max(known)] if known else None


def supported_ops() -> list[tuple[str, str, int]]:
    """(domain, op type, first opset) of everything that can be imported, sorted."""
    return sorted((domain, op, min(by)) for (domain, op), by in _IMPORTERS.items())
