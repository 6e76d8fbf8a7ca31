"""Arrays in `.npy` and `.npz` files, read piece by piece: memory is that of a piece, not of a file.

Plain arrays only, nothing that runs code; sizes are checked before anything is allocated.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.lib import format as npy

from dialects.errors import OctetError

_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


@dataclass(frozen=True)
class StoredArray:
    """An array of a file: a `.npy`, or a member of a `.npz`."""

    path: Path
    member: str | None
    shape: tuple[int, ...]
    dtype: np.dtype
    columns_first: bool
    """The file holds it in Fortran's order, so that no part of it can be read alone."""

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def pieces(self, size: int) -> Iterator[np.ndarray]:
        """`size` samples at a time along the first axis, the last piece perhaps shorter."""
        with _reading(self.path), _opened(self.path, self.member) as file:
            _read_header(file)
            if self.columns_first:
                rest = _read(file, self.shape[::-1], self.dtype).T
                yield from (rest[start : start + size] for start in range(0, len(self), size))
                return
            for start in range(0, len(self), size):
                count = min(size, len(self) - start)
                yield _read(file, (count, *self.shape[1:]), self.dtype)


def stored_arrays(path: Path) -> StoredArray | dict[str, StoredArray]:
    """The array of a `.npy` file, or those of a `.npz` by name; reads their headers alone.

    Raises OctetError naming the file if it holds anything else.
    """
    with _reading(path):
        if not zipfile.is_zipfile(path):
            return _stored(path, None, path.stat().st_size)
        with zipfile.ZipFile(path) as archive:
            members = [(info.filename, info.file_size) for info in archive.infolist()]
        return {name.removesuffix(".npy"): _stored(path, name, size) for name, size in members}


def _stored(path: Path, member: str | None, size: int) -> StoredArray:
    with _opened(path, member) as file:
        shape, columns_first, dtype = _read_header(file)
        needed = file.tell()
    for length in shape:
        if length < 0:
            raise ValueError("a negative size")
    needed += dtype.itemsize * int(np.prod(shape, dtype=object))
    if needed > size:
        raise ValueError(f"it ends early: its array {list(shape)} takes {needed} bytes of {size}")
    return StoredArray(path, member, shape, dtype, columns_first)


def _opened(path: Path, member: str | None) -> AbstractContextManager[IO[bytes]]:
    return path.open("rb") if member is None else _opened_member(path, member)


@contextmanager
def _opened_member(path: Path, member: str) -> Iterator[IO[bytes]]:
    with zipfile.ZipFile(path) as archive, archive.open(member) as file:
        yield file


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether columns come first, element type; the file is then at the elements."""
    version = npy.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"version {version} of the .npy format is not known")
    shape, columns_first, dtype = _HEADERS[cast(tuple[int, int], version)](file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    return shape, columns_first, dtype


def _read(file: IO[bytes], shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    size = dtype.itemsize * int(np.prod(shape, dtype=object))
    data = file.read(size)
    if len(data) != size:
        raise ValueError("it ends early")
    return np.frombuffer(data, dtype).reshape(shape)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise OctetError(
            f"{path}: not a readable .npz or .npy file of plain arrays: {error}"
        ) from None
