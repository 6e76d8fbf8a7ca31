"""Emit functions by op family. Importing this package registers all of them."""

from __future__ import annotations

from . import (
    attention,
    elementwise,
    integer,
    linear,
    movement,
    normalization,
    pooling,
    reduction,
    resize,
)

__all__ = [
    "attention",
    "elementwise",
    "integer",
    "linear",
    "movement",
    "normalization",
    "pooling",
    "reduction",
    "resize",
]
