"""The element types that kernels are made for, by numpy name."""

from __future__ import annotations

from collections.abc import Iterable

from xdsl.ir import Attribute

from dialects.elements import dtype_of
from dialects.kernel import signatures


def _names(elements: Iterable[Attribute]) -> tuple[str, ...]:
    return tuple(dtype_of(element).name for element in elements)


BYTES = _names(signatures.BYTES)
INTEGERS = _names(signatures.EVERY_INTEGER)
WIDE_INTEGERS = ("int32", "int64", "uint64")
"""Integers with kernels of their own where few models compute; programs widen the others."""
EVERY_ELEMENT = _names(signatures.EVERY_ELEMENT)
