"""Element-wise kernels whose element types are known only at run time.

    cast    between any two types         power   a ** b in a's type, of any two types

There are well over a hundred pairs of types, and few models use more than one: a kernel for each
would cost more time to compile than all others together.  These two choose a conversion per element
(about 2 ns); casts from and to float32 and powers of one float type have kernels of their own.

Elements are int64 or float64 on the way.  Both hold every narrower type exactly; uint64 travels as
the int64 of the same bits.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from runtime.kernels.abi import Call, Kernel, View
from runtime.kernels.half import NARROW, WIDEN, f64_to_f32_odd
from runtime.kernels.intrinsics import (
    argument,
    f32_pointer,
    f64_pointer,
    i16_pointer,
    i32_pointer,
    i64_pointer,
    s8_pointer,
    u8_pointer,
    u16_pointer,
    u32_pointer,
    u64_pointer,
)
from runtime.kernels.isa import Isa
from runtime.kernels.strided import (
    address,
    device,
    nest2,
    nest3,
    nest_arguments,
    parameters_at,
)

_NAMES = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 bfloat16 float32 float64"
_CODES = {name: code for code, name in enumerate(_NAMES.split())}
"""How a type is named in a call's row; the functions below count on this order."""
_BOOL, _U8, _U16, _U32, _U64, _S8, _S16, _S32, _S64, _F16, _BF16, _F32, _F64 = range(13)

_WIDEN_F16, _WIDEN_BF16 = WIDEN["float16"], WIDEN["bfloat16"]
_NARROW_F16, _NARROW_BF16 = NARROW["float16"], NARROW["bfloat16"]
_TWO_63, _TWO_64 = 2.0**63, 2.0**64


@device
def _is_float(code: int) -> Any:
    return code >= _F16


@device
def _is_unsigned(code: int) -> Any:
    return code <= _U64


@device
def _bits_of(code: int) -> Any:
    """The width of an integer type."""
    return 8 << ((code - 1) & 3)


@device
def _load_integer(at: int, code: int) -> Any:
    """The integer or bool at an address, as int64."""
    if _bits_of(code) == 64 and code != _BOOL:
        return i64_pointer(at)[0]
    if code == _S32:
        return np.int64(i32_pointer(at)[0])
    if code == _U32:
        return np.int64(u32_pointer(at)[0])
    if code == _S16:
        return np.int64(i16_pointer(at)[0])
    if code == _U16:
        return np.int64(u16_pointer(at)[0])
    if code == _S8:
        return np.int64(s8_pointer(at)[0])
    return np.int64(u8_pointer(at)[0])


@device
def _load_float(at: int, code: int) -> Any:
    """The element of any type at an address, as float64."""
    if code == _F32:
        return np.float64(f32_pointer(at)[0])
    if code == _F64:
        return f64_pointer(at)[0]
    if code == _F16:
        return np.float64(_WIDEN_F16(u16_pointer(at)[0]))
    if code == _BF16:
        return np.float64(_WIDEN_BF16(u16_pointer(at)[0]))
    if code == _U64:
        return np.float64(u64_pointer(at)[0])
    return np.float64(_load_integer(at, code))


@device
def _store_integer(at: int, code: int, value: int) -> None:
    """Stores the low bits of an int64; as a bool, whether it is not 0."""
    if code == _BOOL:
        u8_pointer(at)[0] = np.uint8(value != 0)
    elif _bits_of(code) == 8:
        u8_pointer(at)[0] = np.uint8(value)
    elif _bits_of(code) == 16:
        u16_pointer(at)[0] = np.uint16(value)
    elif _bits_of(code) == 32:
        u32_pointer(at)[0] = np.uint32(value)
    else:
        i64_pointer(at)[0] = value


@device
def _greatest(code: int) -> Any:
    """The greatest integer of a type, as int64."""
    if code == _U64:
        return np.int64(-1)
    return np.int64((np.uint64(1) << np.uint64(_bits_of(code) - 1 + _is_unsigned(code))) - 1)


@device
def _saturated(value: float, code: int) -> Any:
    """A float64 toward zero, limited to the range of an integer type; NaN is 0."""
    value = np.trunc(value)
    unsigned = _is_unsigned(code)
    # Powers of two: exact, unlike the greatest integer itself.
    above = _TWO_64 if code == _U64 else np.float64(np.uint64(_greatest(code)) + np.uint64(1))
    below = 0.0 if unsigned else -above
    if value >= above:
        return _greatest(code)
    if value < below:
        return 0 if unsigned else -_greatest(code) - 1
    if value != value:
        return 0
    return np.int64(np.uint64(value)) if value >= _TWO_63 else np.int64(value)


@device
def _store_float(at: int, code: int, value: float) -> None:
    """Stores a float64 in any type: rounded once (bfloat16: as float32 first), saturated."""
    if code == _F32:
        f32_pointer(at)[0] = np.float32(value)
    elif code == _F64:
        f64_pointer(at)[0] = value
    elif code == _F16:
        u16_pointer(at)[0] = _NARROW_F16(f64_to_f32_odd(value))
    elif code == _BF16:
        u16_pointer(at)[0] = _NARROW_BF16(np.float32(value))
    elif code == _BOOL:
        u8_pointer(at)[0] = np.uint8(value != 0)
    else:
        _store_integer(at, code, _saturated(value, code))


@device
def _store_rounded_integer(at: int, code: int, value: int, unsigned: bool) -> None:
    """Stores an int64 (or the bits of a uint64) as a float: through float32 unless float64."""
    if code == _F64:
        f64_pointer(at)[0] = np.float64(np.uint64(value)) if unsigned else np.float64(value)
        return
    single = np.float32(np.uint64(value)) if unsigned else np.float32(value)
    if code == _F32:
        f32_pointer(at)[0] = single
    elif code == _F16:
        u16_pointer(at)[0] = _NARROW_F16(single)
    else:
        u16_pointer(at)[0] = _NARROW_BF16(single)


_CAST_FROM, _CAST_TO = parameters_at(2), parameters_at(2) + 1


@cache
def any_cast_kernel() -> Kernel:
    """y = x, types at run time."""

    @device
    def row_function(row: int, n: int, x: Any, sx: int, y: Any, sy: int) -> None:
        source, target = argument(row, _CAST_FROM), argument(row, _CAST_TO)
        at, to = address(x), address(y)
        for _ in range(n):
            if _is_float(source):
                _store_float(to, target, _load_float(at, source))
            elif _is_float(target):
                value = _load_integer(at, source)
                _store_rounded_integer(to, target, value, source == _U64)
            else:
                _store_integer(to, target, _load_integer(at, source))
            at += sx
            to += sy

    return nest2(any_cast_kernel, row_function, "uint8", "uint8")


def any_cast_calls(x: View, y: View) -> list[Call]:
    """y = x in y's element type, for any two types."""
    codes = (_CODES[x.dtype.name], _CODES[y.dtype.name])
    return [Call(any_cast_kernel(), nest_arguments((_bytes(x), _bytes(y))) + codes)]


@device
def _integer_power(a: int, b: int, code: int, unsigned_b: bool) -> Any:
    """a ** b modulo 2^64, a of the type `code`; of a negative b, 1 / a^|b| truncated."""
    if b < 0 and not unsigned_b:
        if a == 0:
            return _greatest(code)  # infinity saturates
        if a == 1:
            return 1
        if a == -1 and code != _U64:
            return -1 if b & 1 else 1
        return 0
    base, exponent, result = np.uint64(a), np.uint64(b), np.uint64(1)
    while exponent != np.uint64(0):
        if exponent & np.uint64(1):
            result = result * base
        base = base * base
        exponent = exponent >> np.uint64(1)
    return np.int64(result)


_POWER_A, _POWER_B = parameters_at(3), parameters_at(3) + 1


@cache
def any_power_kernel() -> Kernel:
    """y = a ** b in a's type, types at run time."""

    @device
    def row_function(row: int, n: int, a: Any, sa: int, b: Any, sb: int, y: Any, sy: int) -> None:
        type_a, type_b = argument(row, _POWER_A), argument(row, _POWER_B)
        at_a, at_b, to = address(a), address(b), address(y)
        for _ in range(n):
            if _is_float(type_a) or _is_float(type_b):
                real = _load_float(at_a, type_a) ** _load_float(at_b, type_b)
                _store_float(to, type_a, real)
            else:
                base, exponent = _load_integer(at_a, type_a), _load_integer(at_b, type_b)
                power = _integer_power(base, exponent, type_a, type_b == _U64)
                _store_integer(to, type_a, power)
            at_a += sa
            at_b += sb
            to += sy

    return nest3(any_power_kernel, row_function, "uint8", "uint8", "uint8")


def any_power_calls(a: View, b: View, y: View) -> list[Call]:
    """y = a ** b, all of one shape, y in a's type."""
    codes = (_CODES[a.dtype.name], _CODES[b.dtype.name])
    words = nest_arguments((_bytes(a), _bytes(b), _bytes(y)))
    return [Call(any_power_kernel(), words + codes)]


def _bytes(view: View) -> View:
    """The first byte of each element."""
    return View(view.address, view.shape, view.byte_strides, np.dtype(np.uint8))


def every_kernel(isa: Isa) -> list[Kernel]:
    """Both kernels; the same for all instruction sets."""
    return [any_cast_kernel(), any_power_kernel()]
