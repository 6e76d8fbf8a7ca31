"""Values of the graph while it is imported."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from xdsl.ir import Attribute, SSAValue

from dialects.elements import element_of
from dialects.errors import OctetError
from dialects.shapes import Shape

FOLD_LIMIT = 1024
"""Elements up to which integer constants are computed with during import."""


@dataclass(eq=False)
class Tensor:
    """A value: where it stands in the IR, what its contents are if that is known, or both.

    - shapes: the shape at each assignment of the symbols (`dims`), the default first.
    - arrays: the contents, if known: one array, or one per assignment when they differ.
    - source: the name of the initializer or node it came from.
    - from_shape: the contents were computed from the shape of something.
    """

    shapes: tuple[Shape, ...]
    element: Attribute
    source: str
    ssa: SSAValue | None = None
    arrays: tuple[np.ndarray, ...] | None = None
    from_shape: bool = False
    stored: Tensor | None = None
    """The raw integers of a quantized value, once something asked for them."""

    @classmethod
    def known(
        cls, arrays: tuple[np.ndarray, ...], source: str, *, from_shape: bool = False, count: int
    ) -> Tensor:
        """A value with known contents at `count` assignments."""
        first = arrays[0]
        if all(same(first, array) for array in arrays[1:]):
            arrays = (first,)
        shapes = tuple(array.shape for array in arrays)
        return cls(
            shapes if len(arrays) > 1 else shapes * count,
            element_of(first.dtype),
            source,
            arrays=arrays,
            from_shape=from_shape,
        )

    @property
    def shape(self) -> Shape:
        """The shape at the default sizes."""
        return self.shapes[0]

    @property
    def rank(self) -> int:
        return len(self.shapes[0])

    @property
    def is_foldable(self) -> bool:
        """Small and known: import may compute with it."""
        return self.arrays is not None and all(a.size <= FOLD_LIMIT for a in self.arrays)

    @property
    def varies(self) -> bool:
        """Known, but different at other sizes."""
        return self.arrays is not None and len(self.arrays) > 1

    def array(self, assignment: int) -> np.ndarray:
        """The known contents at one assignment."""
        if self.arrays is None:
            raise OctetError(f"the contents of '{self.source}' are not known at import")
        return self.arrays[assignment if len(self.arrays) > 1 else 0]


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal in type, shape and every bit that matters (NaN equals NaN)."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    return bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
