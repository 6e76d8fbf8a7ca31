"""What a stored integer means, and how values pass between floats and stored integers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from dialects.errors import OctetError

from .elementwise import Activation
from .linear import along_axis

_F32 = np.float32
STORAGES = (np.dtype(np.uint8), np.dtype(np.int8), np.dtype(np.int32))


@dataclass(frozen=True, eq=False)
class QuantParams:
    """Affine quantization: real = (stored - zero_point) * scale.

    - dtype: uint8, int8 or int32; qmin, qmax: the stored values in use (inclusive).
    - scale: float32, zero_point: int64; both scalars, or vectors of one length along `axis`.
    Raises OctetError when these do not fit together.
    """

    dtype: np.dtype
    qmin: int
    qmax: int
    scale: np.ndarray
    zero_point: np.ndarray
    axis: int | None = None

    def __post_init__(self) -> None:
        scale = np.asarray(self.scale, dtype=_F32)
        zero_point = np.asarray(self.zero_point, dtype=np.int64)
        if self.axis is not None and zero_point.ndim == 0:
            zero_point = np.full(scale.shape, zero_point)
        object.__setattr__(self, "dtype", np.dtype(self.dtype))
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "zero_point", zero_point)
        if self.dtype not in STORAGES:
            raise OctetError(f"quantized storage {self.dtype}; expected uint8, int8 or int32")
        limits = np.iinfo(self.dtype)
        if not limits.min <= self.qmin < self.qmax <= limits.max:
            raise OctetError(f"storage range {self.qmin}:{self.qmax} does not fit {self.dtype}")
        if not np.all(np.isfinite(scale) & (scale > 0)):
            raise OctetError("a quantization scale is not a positive finite float32")
        if scale.ndim != (0 if self.axis is None else 1) or scale.shape != zero_point.shape:
            raise OctetError(
                f"scale of shape {list(scale.shape)} and zero point of shape "
                f"{list(zero_point.shape)} with axis {self.axis}: expected scalars without an "
                "axis, vectors of one length with one"
            )

    @classmethod
    def of(
        cls, dtype: Any, scale: Any, zero_point: Any = 0, *, axis: int | None = None
    ) -> QuantParams:
        """The parameters that use the whole range of a storage type."""
        limits = np.iinfo(dtype)
        return cls(np.dtype(dtype), int(limits.min), int(limits.max), scale, zero_point, axis)

    def broadcast(self, rank: int) -> tuple[np.ndarray, np.ndarray]:
        """Scale and zero point, shaped to broadcast against a tensor of the given rank."""
        if self.axis is None:
            return self.scale, self.zero_point
        return along_axis(self.scale, self.axis, rank), along_axis(self.zero_point, self.axis, rank)

    def scalars(self, role: str) -> tuple[np.float32, int]:
        """The one scale and zero point. Raises OctetError, naming `role`, if there are several."""
        if self.axis is not None:
            raise OctetError(f"{role} is quantized per channel; expected one scale per tensor")
        return _F32(self.scale), int(self.zero_point)

    def same_as(self, other: QuantParams) -> bool:
        """Whether stored integers mean the same under both (the axis aside, which ops may move)."""
        return (
            self.dtype == other.dtype
            and (self.qmin, self.qmax) == (other.qmin, other.qmax)
            and np.array_equal(self.scale, other.scale)
            and np.array_equal(self.zero_point, other.zero_point)
        )


def quantize(x: np.ndarray, params: QuantParams) -> np.ndarray:
    """Float to stored integers: clamp(x / scale), round half to even, add the zero point.

    Clamping comes before rounding: the bounds are integers, so the result is the same as
    saturating afterwards and nothing overflows. NaN becomes the lower bound.
    """
    scale, zero_point = params.broadcast(x.ndim)
    with np.errstate(all="ignore"):
        real = x.astype(_F32) / scale
    return store(real, zero_point, params.qmin, params.qmax, params.dtype)


def store(
    real: np.ndarray, zero_point: np.ndarray | int, lo: int, hi: int, dtype: np.dtype
) -> np.ndarray:
    """The last step of every integer op: float32 multiples of the result's scale to storage.

    f = f if f > lo - zp else lo - zp ; f = f if f < hi - zp else hi - zp ; rint(f) + zp.
    """
    zero_point = np.asarray(zero_point, np.int64)
    # fmax and fmin return the bound when the other operand is NaN, as the comparisons above do.
    real = np.fmax(real, (lo - zero_point).astype(_F32))
    real = np.fmin(real, (hi - zero_point).astype(_F32))
    stored = np.rint(real).astype(np.int64) + zero_point
    # float32(2^31 - 1) is 2^31: only 32-bit storage can still be one too high.
    return np.minimum(stored, hi).astype(dtype)


def dequantize(q: np.ndarray, params: QuantParams) -> np.ndarray:
    """Stored integers to float32: float32(q - zero_point) * scale."""
    scale, zero_point = params.broadcast(q.ndim)
    return np.asarray((q.astype(np.int64) - zero_point).astype(_F32) * scale)


def activation_bounds(params: QuantParams, activation: Activation | None) -> tuple[int, int]:
    """The stored bounds of a result: its range, narrowed by a fused clip."""
    if activation is None:
        return params.qmin, params.qmax
    kind, lo, hi = activation
    if kind != "clip":
        raise OctetError(f"fused activation '{kind}' is not known; expected 'clip' with two bounds")
    params.scalars("the result of a fused activation")
    lower, upper = quantize(np.array([lo, hi], dtype=_F32), params)
    return int(lower), int(upper)


def table_index(q: np.ndarray) -> np.ndarray:
    """Where an 8-bit stored value stands in a 256-entry table: q for uint8, q + 128 for int8."""
    if q.dtype not in STORAGES[:2]:
        raise OctetError(f"a 256-entry table is indexed by uint8 or int8, not {q.dtype}")
    return q.astype(np.int64) - np.iinfo(q.dtype).min


def lookup(x: np.ndarray, *, table: np.ndarray) -> np.ndarray:
    """table[table_index(x)] for 8-bit x; the result has the table's type."""
    return np.asarray(table[table_index(x)])


def requantize_table(
    x_params: QuantParams,
    result_params: QuantParams,
    function: Callable[[np.ndarray], np.ndarray] | None = None,
) -> np.ndarray:
    """table[i] = quantize(function(dequantize(stored value i))); without a function, a rescale."""
    x_params.scalars("the operand of a table")
    result_params.scalars("the result of a table")
    lowest = np.iinfo(x_params.dtype).min
    stored = (np.arange(256) + lowest).astype(x_params.dtype)
    real = dequantize(stored, x_params)
    return quantize(real if function is None else function(real), result_params)


def requantize(q: np.ndarray, *, x_params: QuantParams, result_params: QuantParams) -> np.ndarray:
    """Change scale, zero point or storage: quantize(dequantize(q)), per channel too."""
    return quantize(dequantize(q, x_params), result_params)


def dynamic_quantize(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Quantize to uint8 with the range of x itself: (stored, scale f32, zero point u8).

    ONNX DynamicQuantizeLinear: the range always holds 0; all-zero input takes scale 1.
    """
    x = x.astype(_F32)
    hi = np.maximum(np.max(x, initial=0), _F32(0))
    lo = np.minimum(np.min(x, initial=0), _F32(0))
    scale = _F32(1) if hi == lo else (hi - lo) / _F32(255)
    zero_point = np.asarray(np.rint(np.clip(-lo / scale, 0, 255)), dtype=np.uint8)
    params = QuantParams.of(np.uint8, scale, zero_point)
    return quantize(x, params), np.asarray(scale, _F32), zero_point
