"""Element types: the correspondence between IR element types and numpy's."""

from __future__ import annotations

import ml_dtypes
import numpy as np
from xdsl.dialects.builtin import (
    BFloat16Type,
    Float16Type,
    Float32Type,
    Float64Type,
    IntegerType,
    Signedness,
    bf16,
    f16,
    f32,
    f64,
)
from xdsl.ir import Attribute

from dialects.errors import OctetError
from dialects.quant import UniformQuantizedType

bfloat16 = np.dtype(ml_dtypes.bfloat16)

boolean = IntegerType(1)
i8, i16, i32, i64 = (IntegerType(width) for width in (8, 16, 32, 64))
ui8, ui16, ui32, ui64 = (IntegerType(width, Signedness.UNSIGNED) for width in (8, 16, 32, 64))

_DTYPE_OF: dict[Attribute, np.dtype] = {
    f16: np.dtype(np.float16),
    bf16: bfloat16,
    f32: np.dtype(np.float32),
    f64: np.dtype(np.float64),
    boolean: np.dtype(np.bool_),
    i8: np.dtype(np.int8),
    i16: np.dtype(np.int16),
    i32: np.dtype(np.int32),
    i64: np.dtype(np.int64),
    ui8: np.dtype(np.uint8),
    ui16: np.dtype(np.uint16),
    ui32: np.dtype(np.uint32),
    ui64: np.dtype(np.uint64),
}
_ELEMENT_OF = {dtype: element for element, dtype in _DTYPE_OF.items()}

HALVES: tuple[Attribute, ...] = (bf16, f16)
"""Floats stored in 16 bits; kernels compute on them in float32 and round once, on storing."""

FLOAT_TYPES = (Float16Type, BFloat16Type, Float32Type, Float64Type)


def is_float(element: Attribute) -> bool:
    return isinstance(element, FLOAT_TYPES)


def is_quantized(element: Attribute) -> bool:
    return isinstance(element, UniformQuantizedType)


def dtype_of(element: Attribute) -> np.dtype:
    """The numpy type an element is *stored* as: `!quant.uniform<u8:f32, ..>` is `uint8`."""
    if isinstance(element, UniformQuantizedType):
        element = element.storage
    try:
        return _DTYPE_OF[element]
    except KeyError:
        raise OctetError(
            f"element type {element} has no numpy counterpart; expected one of "
            + ", ".join(str(known) for known in _DTYPE_OF)
        ) from None


def element_of(dtype: np.dtype) -> Attribute:
    """The IR element type of a numpy type."""
    try:
        return _ELEMENT_OF[np.dtype(dtype)]
    except KeyError:
        raise OctetError(
            f"numpy type {dtype} cannot be an element type; expected one of "
            + ", ".join(str(known) for known in _ELEMENT_OF)
        ) from None
