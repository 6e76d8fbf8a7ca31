"""Convolution kernels against the reference: integers to the bit, floats within rounding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.executor import run_calls
from runtime.kernels.abi import View
from runtime.kernels.conv import conv_calls
from runtime.kernels.epilogue import Epilogue
from runtime.kernels.isa import Isa
from runtime.reference import linear
from runtime.reference.elementary import fma_f32
from runtime.reference.integer.linear import conv_accumulators
from tests.runtime.kernels.kernel_arrays import channels_last, filled

F32 = np.float32


@dataclass(frozen=True)
class Shape:
    """A convolution's geometry."""

    batch: int
    groups: int
    group_in: int
    group_out: int
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pads: tuple[int, ...]
    output: tuple[int, ...]
    extra: int = 0
    seed: int = 0

    @property
    def geometry(self) -> dict[str, Any]:
        return {
            "strides": self.strides,
            "pads": self.pads,
            "dilations": self.dilations,
            "groups": self.groups,
        }

    @property
    def x(self) -> tuple[int, ...]:
        """An input from which the output has the wanted size."""
        rank = len(self.kernel)
        sizes = [
            (self.output[i] - 1) * self.strides[i]
            + (self.kernel[i] - 1) * self.dilations[i]
            + 1
            - self.pads[i]
            - self.pads[rank + i]
            for i in range(rank)
        ]
        return (self.batch, self.groups * self.group_in, *(max(size, 1) for size in sizes))

    @property
    def weight(self) -> tuple[int, ...]:
        return (self.groups * self.group_out, self.group_in, *self.kernel)


@st.composite
def shapes(draw: st.DrawFn, rank: int = 2, depthwise: bool = False) -> Shape:
    def each(low: int, high: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(low, high)) for _ in range(rank))

    groups = draw(st.integers(1, 3))
    channels = draw(st.sampled_from([1, 2, 3, 4, 5, 8, 17, 32]))
    group_out = draw(st.sampled_from([1, 3, 16, 20, 33, 64, 70]))
    if depthwise:
        groups, channels, group_out = draw(st.sampled_from([1, 3, 16, 24, 64, 100, 130])), 1, 1
    return Shape(
        batch=draw(st.integers(1, 2)),
        groups=groups,
        group_in=channels,
        group_out=group_out,
        kernel=each(1, 5 if depthwise else 3),
        strides=each(1, 3),
        dilations=each(1, 2),
        pads=(*each(0, 2), *each(0, 2)),
        output=each(1, 7),
        extra=draw(st.sampled_from([0, 0, 6])),
        seed=draw(st.integers(0, 1000)),
    )


def check_integer(
    shape: Shape,
    isa: Isa,
    kind: str,
    residual: bool = False,
    weight_dtype: Any = np.int8,
    weight_zero_point: Any = 0,
    threads: int = 1,
) -> None:
    """Runs one integer convolution and compares it, bit for bit, and that nothing else was
    written."""
    rng = np.random.default_rng(shape.seed)
    zx, zy, zr = (int(z) for z in rng.integers(0, 256, 3))
    x = rng.integers(0, 256, shape.x).astype(np.uint8)
    limits = np.iinfo(weight_dtype)
    w = rng.integers(limits.min, limits.max + 1, shape.weight).astype(weight_dtype)
    out = len(w)
    bias = rng.integers(-5000, 5000, out).astype(np.int32)
    acc = conv_accumulators(
        x,
        w,
        bias,
        x_zero_point=zx,
        weight_zero_point=np.asarray(weight_zero_point).reshape(-1, *[1] * (w.ndim - 1)),
        **shape.geometry,
    )
    m = (rng.uniform(0.5, 2.0, out) * 60 / (np.abs(acc).mean() + 1)).astype(F32)
    factor = m.reshape(-1, *[1] * (acc.ndim - 2))
    r = rng.integers(0, 256, acc.shape).astype(np.uint8)
    rs = F32(0.37)

    f = acc.astype(F32) * factor
    if kind == "i32":
        epilogue, expected = Epilogue("i32"), acc
    elif kind == "f32":
        epilogue = Epilogue("f32", m, lo=-20.0, hi=35.0)
        expected = np.minimum(np.maximum(f, F32(-20)), F32(35))
    else:
        lo, hi = sorted(int(v) for v in rng.integers(0, 256, 2))
        if residual:
            f = fma_f32(r.astype(F32), rs, fma_f32(acc.astype(F32), factor, F32(-zr) * rs))
        table = rng.permutation(256).astype(np.uint8) if shape.seed % 3 == 1 else None
        epilogue = Epilogue("u8", m, zy, lo, hi, float(rs), zr, table)
        expected = (np.rint(np.clip(f, lo - zy, hi - zy)) + zy).astype(np.uint8)
        expected = expected if table is None else table[expected]

    source = filled(x, pads=shape.pads, fill=zx, extra=shape.extra)
    added = filled(r, extra=shape.extra)
    target = channels_last(acc.shape, epilogue.dtype, extra=shape.extra)
    calls = conv_calls(
        source.view,
        w,
        bias,
        target.view,
        **shape.geometry,
        epilogue=epilogue,
        isa=isa,
        x_zero_point=zx,
        weight_zero_point=weight_zero_point,
        residual=added.view if residual else None,
    )
    run_calls(calls, threads)
    np.testing.assert_array_equal(target.array, expected)
    target.assert_guards()


def check_float(shape: Shape, isa: Isa, residual: bool = False) -> None:
    """A float32 sum of K products is within K ulps of the sum of magnitudes."""
    rng = np.random.default_rng(shape.seed)
    x = rng.standard_normal(shape.x).astype(F32)
    w = rng.standard_normal(shape.weight).astype(F32)
    bias = rng.standard_normal(len(w)).astype(F32)
    exact = linear.conv(x.astype(np.float64), w, bias, **shape.geometry)
    r = rng.standard_normal(exact.shape).astype(F32)
    magnitude = linear.conv(abs(x).astype(np.float64), abs(w), abs(bias), **shape.geometry) + 3.0
    if residual:
        exact = exact + r
    tolerance = (w[0].size + 2) * 2.0**-24 * magnitude

    source = filled(x, pads=shape.pads, extra=shape.extra)
    added = filled(r, extra=shape.extra)
    target = channels_last(exact.shape, F32, extra=shape.extra)
    calls = conv_calls(
        source.view,
        w,
        bias,
        target.view,
        **shape.geometry,
        epilogue=Epilogue("f32", lo=-1.5, hi=2.5),
        isa=isa,
        residual=added.view if residual else None,
    )
    run_calls(calls)
    assert np.all(np.abs(target.array - np.clip(exact, -1.5, 2.5)) <= tolerance)
    target.assert_guards()


FIXED = settings(max_examples=30, deadline=None, derandomize=True, database=None)
EXAMPLE = Shape(1, 1, 64, 70, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), (9, 8))


@pytest.mark.parametrize("kind", ["u8", "f32", "i32"])
def test_integer_epilogues(isa: Isa, kind: str) -> None:
    check_integer(EXAMPLE, isa, kind)


def test_integer_residual(isa: Isa) -> None:
    check_integer(EXAMPLE, isa, "u8", residual=True)


@FIXED
@given(shape=shapes(), residual=st.booleans())
def test_integer_shapes(isa: Isa, shape: Shape, residual: bool) -> None:
    check_integer(shape, isa, "u8", residual)


@FIXED
@given(shape=shapes(depthwise=True), residual=st.booleans())
def test_integer_depthwise_shapes(isa: Isa, shape: Shape, residual: bool) -> None:
    check_integer(shape, isa, "u8", residual)


@settings(FIXED, max_examples=10)
@given(shape=shapes(rank=1))
def test_integer_one_dimension(isa: Isa, shape: Shape) -> None:
    check_integer(shape, isa, "u8")


@pytest.mark.parametrize("kind", ["f32", "i32"])
@pytest.mark.parametrize("channels", [24, 64])
def test_integer_depthwise_epilogues(isa: Isa, kind: str, channels: int) -> None:
    shape = Shape(2, channels, 1, 1, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), (4, 11))
    check_integer(shape, isa, kind)


@pytest.mark.parametrize("groups", [1, 5])
def test_weights_with_zero_points(isa: Isa, groups: int) -> None:
    shape = Shape(1, groups, 3, 4, (3, 2), (1, 2), (1, 1), (1, 0, 1, 0), (5, 4))
    check_integer(shape, isa, "u8", weight_dtype=np.uint8, weight_zero_point=131)
    zero_points = np.arange(4 * groups) - 9
    check_integer(shape, isa, "i32", weight_zero_point=zero_points)


def test_depthwise_weights_with_zero_points(isa: Isa) -> None:
    shape = Shape(1, 20, 1, 1, (3, 3), (1, 1), (1, 1), (1, 1, 1, 1), (5, 4))
    check_integer(shape, isa, "u8", weight_dtype=np.uint8, weight_zero_point=np.arange(20) + 100)


def test_sums_wrap_like_int32_at_the_extremes(isa: Isa) -> None:
    """255 * -128 in every product: a 16-bit intermediate sum would saturate."""
    x = filled(np.full((1, 64, 1, 3), 255, np.uint8))
    w = np.full((16, 64, 1, 1), -128, np.int8)
    y = channels_last((1, 16, 1, 3), np.int32)
    geometry: dict[str, Any] = {
        "strides": (1, 1),
        "pads": (0,) * 4,
        "dilations": (1, 1),
        "groups": 1,
    }
    calls = conv_calls(x.view, w, None, y.view, **geometry, epilogue=Epilogue("i32"), isa=isa)
    run_calls(calls)
    np.testing.assert_array_equal(y.array, 64 * 255 * -128)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_share_the_work(isa: Isa, threads: int) -> None:
    check_integer(EXAMPLE, isa, "u8", threads=threads)
    wide = Shape(1, 1, 5, 16 * 33 + 3, (1, 1), (1, 1), (1, 1), (0, 0, 0, 0), (3, 5))
    check_integer(wide, isa, "u8", threads=threads)
    depthwise = Shape(1, 70, 1, 1, (3, 3), (2, 2), (1, 1), (1, 1, 1, 1), (5, 3))
    check_integer(depthwise, isa, "u8", threads=threads)


@FIXED
@given(shape=shapes(), residual=st.booleans())
def test_float_shapes(isa: Isa, shape: Shape, residual: bool) -> None:
    check_float(shape, isa, residual)


@FIXED
@given(shape=shapes(depthwise=True), residual=st.booleans())
def test_float_depthwise_shapes(isa: Isa, shape: Shape, residual: bool) -> None:
    check_float(shape, isa, residual)


def test_channels_must_be_adjacent(isa: Isa) -> None:
    x = np.zeros((1, 4, 3, 3), np.uint8)
    y = channels_last((1, 2, 3, 3), np.uint8)
    geometry: dict[str, Any] = {
        "strides": (1, 1),
        "pads": (0,) * 4,
        "dilations": (1, 1),
        "groups": 1,
    }
    with pytest.raises(ValueError, match="x has channel stride 9"):
        conv_calls(
            View.of(x),
            np.zeros((2, 4, 1, 1), np.int8),
            None,
            y.view,
            **geometry,
            epilogue=Epilogue("u8"),
            isa=isa,
        )
