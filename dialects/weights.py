"""The content-addressed weight store.

The IR holds no weights, only handles: `#nn.weight<"sha256 digest">`. The arrays live here,
keyed by digest, so a transformed weight is a new digest and equality of handles is equality
of contents: common-subexpression elimination, folding and caching stay right, and a
ResNet-50 prints in kilobytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np

from dialects.errors import OctetError


def digest_of(array: np.ndarray) -> str:
    """The sha256 of element type, shape and row-major bytes of `array`, in hex."""
    header = f"{array.dtype.name}{list(array.shape)}".encode()
    digest = hashlib.sha256(header)
    digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


class WeightStore:
    """Read-only arrays keyed by the digest of their contents."""

    def __init__(self) -> None:
        self._arrays: dict[str, np.ndarray] = {}

    def add(self, array: np.ndarray) -> str:
        """Keeps `array` (made read-only; copied if it is a view) and returns its digest."""
        array = np.ascontiguousarray(array).reshape(array.shape)
        digest = digest_of(array)
        if digest not in self._arrays:
            if not array.flags.owndata and array.flags.writeable:
                array = array.copy()
            array.flags.writeable = False
            self._arrays[digest] = array
        return digest

    def __getitem__(self, digest: str) -> np.ndarray:
        try:
            return self._arrays[digest]
        except KeyError:
            raise OctetError(
                f"weight {digest[:12]}... is not in the weight store: a .mlir file needs the "
                ".safetensors file of the same name beside it"
            ) from None

    def __contains__(self, digest: str) -> bool:
        return digest in self._arrays

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._arrays))

    def __len__(self) -> int:
        return len(self._arrays)

    def subset(self, digests: Iterable[str]) -> dict[str, np.ndarray]:
        """The named arrays in sorted order of their digests: the order they are saved in."""
        return {digest: self[digest] for digest in sorted(set(digests))}
