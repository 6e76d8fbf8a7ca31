"""Tensors of a model file as arrays: nothing is allocated before sizes and places are checked."""

from __future__ import annotations

import math
import os
import stat
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto

from dialects.elements import bfloat16
from dialects.errors import OctetError

MAX_ELEMENTS = 2**31
"""Elements a tensor may have. A forged size is refused before memory is asked for it."""

_DTYPES: dict[int, np.dtype] = {
    TensorProto.FLOAT: np.dtype(np.float32),
    TensorProto.DOUBLE: np.dtype(np.float64),
    TensorProto.FLOAT16: np.dtype(np.float16),
    TensorProto.BFLOAT16: bfloat16,
    TensorProto.INT8: np.dtype(np.int8),
    TensorProto.INT16: np.dtype(np.int16),
    TensorProto.INT32: np.dtype(np.int32),
    TensorProto.INT64: np.dtype(np.int64),
    TensorProto.UINT8: np.dtype(np.uint8),
    TensorProto.UINT16: np.dtype(np.uint16),
    TensorProto.UINT32: np.dtype(np.uint32),
    TensorProto.UINT64: np.dtype(np.uint64),
    TensorProto.BOOL: np.dtype(np.bool_),
}

# Which repeated field holds a type's elements when there is no raw_data (onnx.proto).
_TYPED_FIELDS: dict[int, str] = {
    TensorProto.FLOAT: "float_data",
    TensorProto.DOUBLE: "double_data",
    TensorProto.INT64: "int64_data",
    TensorProto.UINT32: "uint64_data",
    TensorProto.UINT64: "uint64_data",
}


def dtype_of_code(code: int, what: str) -> np.dtype:
    """The numpy type of an ONNX element type code. Raises OctetError for types Octet lacks."""
    try:
        return _DTYPES[code]
    except KeyError:
        known = {value: name for name, value in TensorProto.DataType.items()}
        raise OctetError(
            f"{what} has element type {known.get(code, code)}, which is not supported; expected "
            + ", ".join(sorted(known[supported] for supported in _DTYPES))
        ) from None


def code_of_dtype(dtype: np.dtype) -> int:
    """The ONNX element type code of a numpy type that Octet has."""
    return next(code for code, known in _DTYPES.items() if known == dtype)


def checked_size(dims: list[int], what: str) -> int:
    """The number of elements of a shape. Raises OctetError for negative or absurd sizes."""
    if any(size < 0 for size in dims):
        raise OctetError(f"{what} has a negative size in its shape {dims}")
    elements = math.prod(dims)
    if elements > MAX_ELEMENTS:
        raise OctetError(
            f"{what} has {elements} elements (shape {dims}); the limit is {MAX_ELEMENTS}"
        )
    return elements


def to_array(tensor: TensorProto, what: str, folder: Path | None) -> np.ndarray:
    """The contents of `tensor`, read-only.

    - what: the tensor in words, for messages ("initializer 'w'").
    - folder: where external data may lie; None when the model did not come from a file.
    Raises OctetError if data and declared shape disagree, if external data lies elsewhere, or
    if a float is NaN.
    """
    dtype = dtype_of_code(tensor.data_type, what)
    dims = [int(size) for size in tensor.dims]
    elements = checked_size(dims, what)
    if tensor.HasField("segment"):
        raise OctetError(f"{what} is stored in segments, which is not supported")
    if tensor.data_location == TensorProto.EXTERNAL:
        array = _from_bytes(_external_bytes(tensor, what, folder, elements * dtype.itemsize), dtype)
    elif tensor.HasField("raw_data"):
        _expect_bytes(len(tensor.raw_data), elements * dtype.itemsize, dims, what)
        array = _from_bytes(tensor.raw_data, dtype)
    else:
        array = _from_typed_field(tensor, dtype, elements, dims, what)
    array = array.reshape(dims)
    array.flags.writeable = False
    if dtype.kind not in "biu" and np.isnan(array).any():
        raise OctetError(f"{what} contains NaN; export the model again from sound weights")
    return array


def _from_bytes(data: bytes, dtype: np.dtype) -> np.ndarray:
    if dtype == np.bool_:
        return np.frombuffer(data, np.uint8) != 0
    array = np.frombuffer(data, dtype)
    # ONNX stores little-endian; on a big-endian machine the bytes have to be swapped.
    return array if sys.byteorder == "little" else array.byteswap()


def _from_typed_field(
    tensor: TensorProto, dtype: np.dtype, elements: int, dims: list[int], what: str
) -> np.ndarray:
    field = getattr(tensor, _TYPED_FIELDS.get(tensor.data_type, "int32_data"))
    if len(field) != elements:
        raise OctetError(
            f"{what} has shape {dims} ({elements} elements) but holds {len(field)}; the file is "
            "damaged"
        )
    if dtype == np.float16 or dtype == bfloat16:
        # Half precisions are stored as the bit patterns of 16-bit integers.
        return np.array(field, np.int32).astype(np.uint16).view(dtype)
    if dtype.kind in "iu" and elements:
        limits = np.iinfo(dtype)
        low, high = min(field), max(field)
        if low < limits.min or high > limits.max:
            raise OctetError(f"{what} holds {low} to {high}, outside its type {dtype}")
    return np.array(field, dtype)


def _expect_bytes(found: int, expected: int, dims: list[int], what: str) -> None:
    if found != expected:
        raise OctetError(
            f"{what} of shape {dims} should be {expected} bytes but has {found}; the file is "
            "damaged"
        )


def _external_bytes(tensor: TensorProto, what: str, folder: Path | None, expected: int) -> bytes:
    """Reads external data, which must be a regular file inside the model's folder."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    if folder is None:
        raise OctetError(
            f"{what} keeps its data in the file '{location}', but the model was given without a "
            "folder; import it by its path"
        )
    offset = _byte_count(entries.get("offset", "0"), "offset", what)
    length = _byte_count(entries.get("length", str(expected)), "length", what)
    _expect_bytes(length, expected, [int(size) for size in tensor.dims], what)
    path = _inside(folder, location, what)
    # Not following a last link and not blocking on a pipe: the name was checked, the file not yet.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise OctetError(f"{what}: cannot read external data '{location}': {error}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OctetError(f"{what}: external data '{location}' is not a regular file")
        if offset + length > status.st_size:
            raise OctetError(
                f"{what}: bytes {offset} to {offset + length} of '{location}' are wanted, but it "
                f"has {status.st_size}; the file is truncated"
            )
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            file.seek(offset)
            return file.read(length)
    finally:
        os.close(descriptor)


def _byte_count(text: str, key: str, what: str) -> int:
    # int() would also take "1_0", " 1" and digits of other scripts.
    if not (text.isascii() and text.isdecimal()):
        raise OctetError(f"{what}: external data has {key} '{text}', expected a byte count")
    return int(text[:20])


def _inside(folder: Path, location: str, what: str) -> Path:
    """The file `location` names, if links and `..` leave it inside the folder."""
    if not location or "\0" in location or Path(location).is_absolute():
        raise OctetError(
            f"{what}: external data '{location}' is not a path relative to the model's folder"
        )
    root = folder.resolve()
    path = (root / location).resolve()
    if not path.is_relative_to(root):
        raise OctetError(
            f"{what}: external data '{location}' lies outside the model's folder; refused"
        )
    return path
