"""Which function writes which `nn` op as ONNX nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dialects.nn.base import NnOp

if TYPE_CHECKING:
    from .node import OpContext

Emitter = Callable[[Any, "OpContext"], "str | tuple[str, ...]"]
"""Takes an op and its context; gives the ONNX names of its results, in order."""

_EMITTERS: dict[type[NnOp], Emitter] = {}


def emitter(*kinds: type[NnOp]) -> Callable[[Emitter], Emitter]:
    """Registers a function for these op classes."""

    def register(function: Emitter) -> Emitter:
        _EMITTERS.update(dict.fromkeys(kinds, function))
        return function

    return register


def emitter_of(kind: type[NnOp]) -> Emitter | None:
    """The function for an op class, or None if standard ONNX has nothing like it."""
    return _EMITTERS.get(kind)


def exportable_ops() -> list[str]:
    """The names of all ops that can be exported, sorted."""
    return sorted(kind.name for kind in _EMITTERS)
