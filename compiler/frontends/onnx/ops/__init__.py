"""Import functions by op family. Importing this package registers all of them."""

from __future__ import annotations

from . import (
    attention,
    constants,
    elementwise,
    linear,
    movement,
    nbits,
    normalization,
    pooling,
    qoperator,
    quantization,
    reduction,
    resize,
)

__all__ = [
    "attention",
    "constants",
    "elementwise",
    "linear",
    "movement",
    "nbits",
    "normalization",
    "pooling",
    "qoperator",
    "quantization",
    "reduction",
    "resize",
]
