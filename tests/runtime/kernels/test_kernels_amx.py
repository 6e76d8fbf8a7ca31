"""AMX products to the bit: rows in place and gathered, every epilogue, many shapes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dialects.elements import bfloat16
from runtime.executor import run_calls
from runtime.kernels.abi import View, aligned
from runtime.kernels.amx_layout import strips_gathered, strips_in_place
from runtime.kernels.amx_tile import tile_configuration
from runtime.kernels.amx_walk import StripArgument, walk_strips
from runtime.kernels.epilogue import Epilogue, OutputKind
from runtime.kernels.gemm import every_kernel
from runtime.kernels.isa import AMX, host_isas, tile_registers_permitted
from runtime.kernels.matmul import matmul_calls
from tests.runtime.kernels.test_kernels_conv import Shape, check_integer

F32 = np.float32
FIXED = settings(max_examples=60, deadline=None, derandomize=True, database=None)


@contextmanager
def always_amx(gathered: bool) -> Iterator[None]:
    """AMX even for products that are faster without; gathered even if rows could stay in place."""
    with ExitStack() as stack:
        stack.enter_context(patch("runtime.kernels.gemm._tile_cycles", return_value=np.inf))
        if gathered:
            stack.enter_context(patch("runtime.kernels.amx._in_place", return_value=None))
        yield


needs_amx = pytest.mark.skipif(AMX not in host_isas(), reason="this CPU has no AMX")


def check_product(
    m: int,
    k: int,
    n: int,
    seed: int,
    kind: Any,
    residual: bool,
    saturating: bool,
    gathered: bool,
    threads: int,
) -> None:
    """A matrix product of random or extreme operands against numpy."""
    rng = np.random.default_rng(seed)
    za, zy, zr = (int(z) for z in rng.choice([0, 1, 127, 128, 255], 3))
    a = aligned(rng.integers(0, 256, (m, k)).astype(np.uint8))
    b = rng.integers(-128, 128, (k, n)).astype(np.int8)
    if saturating:
        a[...], b = 255, np.where(rng.random((k, n)) < 0.5, -128, 127).astype(np.int8)
    bias = rng.integers(-(2**20), 2**20, n).astype(np.int32)
    acc = (a.astype(np.int64) - za) @ b.astype(np.int64) + bias
    acc = acc.astype(np.int32)
    scale = rng.uniform(0.5, 2, n).astype(F32) * F32(1.0 if saturating else 0.01)
    r = rng.integers(0, 256, (m, n)).astype(np.uint8)
    rs = F32(0.81)
    f = acc.astype(F32) * scale
    if kind == "i32":
        epilogue, expected = Epilogue("i32"), acc
    elif kind == "f32":
        epilogue = Epilogue("f32", scale, lo=-100.0, hi=200.0)
        expected = np.clip(f, F32(-100), F32(200))
    else:
        if residual:
            exact = acc.astype(F32).astype(np.float64) * scale + np.float64(F32(-zr) * rs)
            f = (r * np.float64(rs) + exact.astype(F32)).astype(F32)
        epilogue = Epilogue("u8", scale, zy, 0, 255, float(rs), zr)
        expected = (np.rint(np.clip(f, -zy, 255 - zy)) + zy).astype(np.uint8)
    y = np.full((m, n + 3), 77, epilogue.dtype)
    with always_amx(gathered):
        calls = matmul_calls(
            View.of(a),
            b,
            bias,
            View.of(y[:, :n]),
            epilogue=epilogue,
            isa=AMX,
            a_zero_point=za,
            residual=View.of(r) if residual and kind == "u8" else None,
        )
    assert all("amx" in call.kernel.key for call in calls)
    run_calls([replace(call, work=None) for call in calls], threads)  # as small as they are
    np.testing.assert_array_equal(y[:, :n], expected)
    np.testing.assert_array_equal(y[:, n:], 77)


@needs_amx
@FIXED
@given(
    m=st.integers(1, 70),
    k=st.integers(1, 300) | st.sampled_from([64, 128, 192, 256]),
    n=st.integers(1, 130),
    seed=st.integers(0, 1000),
    kind=st.sampled_from(["u8", "u8", "f32", "i32"]),
    residual=st.booleans(),
    saturating=st.booleans(),
    gathered=st.booleans(),
    threads=st.integers(1, 7),
)
@example(1, 64, 640, 0, "u8", False, False, False, 3)
@example(70, 64, 640, 0, "u8", False, False, False, 4)
@example(100, 2048, 640, 0, "u8", False, False, False, 3)
@example(300, 2048, 320, 0, "u8", False, False, False, 5)
@example(300, 300, 320, 0, "u8", False, False, True, 5)
@example(20, 300, 640, 0, "u8", False, False, True, 3)
@example(200, 64, 16, 0, "u8", True, False, False, 2)
@example(600, 200, 16, 0, "u8", False, False, True, 2)
def test_products(
    m: int,
    k: int,
    n: int,
    seed: int,
    kind: Any,
    residual: bool,
    saturating: bool,
    gathered: bool,
    threads: int,
) -> None:
    check_product(m, k, n, seed, kind, residual, saturating, gathered, threads)


@needs_amx
@settings(FIXED, max_examples=40)
@given(
    groups=st.sampled_from([1, 1, 1, 2]),
    channels=st.sampled_from([64, 64, 128, 3, 16, 24, 32, 48]),
    out=st.sampled_from([1, 8, 16, 24, 32, 33, 64, 100]),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    output=st.tuples(st.integers(1, 9), st.integers(1, 20)),
    residual=st.booleans(),
    extra=st.sampled_from([0, 0, 6, 128]),
    gathered=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_convolutions(
    groups: int,
    channels: int,
    out: int,
    kernel: tuple[int, int],
    strides: tuple[int, int],
    dilations: tuple[int, int],
    pads: tuple[int, int, int, int],
    output: tuple[int, int],
    residual: bool,
    extra: int,
    gathered: bool,
    seed: int,
) -> None:
    shape = Shape(2, groups, channels, out, kernel, strides, dilations, pads, output, extra, seed)
    with always_amx(gathered):
        check_integer(shape, AMX, "u8", residual, threads=1 + seed % 2)


@needs_amx
@FIXED
@given(
    m=st.integers(1, 70),
    k=st.integers(1, 150) | st.sampled_from([32, 64, 96]),
    n=st.integers(1, 130),
    seed=st.integers(0, 1000),
    kind=st.sampled_from(["f32", "bf16"]),
    residual=st.booleans(),
    gathered=st.booleans(),
)
def test_bfloat16_products(
    m: int, k: int, n: int, seed: int, kind: Any, residual: bool, gathered: bool
) -> None:
    """Small integers: all sums are exact, in any order.  What surrounds the rows are NaNs."""
    rng = np.random.default_rng(seed)
    memory = aligned(np.full((m + 2, k + 32), np.nan, bfloat16))
    a = memory[1:-1, :k]
    a[...] = rng.integers(-9, 10, (m, k))
    b = rng.integers(-9, 10, (k, n)).astype(bfloat16)
    bias = rng.integers(-99, 100, n).astype(F32)
    dtype = F32 if kind == "f32" else bfloat16
    r = rng.integers(-99, 100, (m, n)).astype(dtype)
    exact = a.astype(F32) @ b.astype(F32) + bias
    if residual:
        exact = exact + r.astype(F32)
    expected = np.clip(exact, F32(-700), F32(900)).astype(dtype)
    y = np.full((m, n + 3), 77, dtype)
    with always_amx(gathered):
        calls = matmul_calls(
            View.of(a),
            b,
            bias,
            View.of(y[:, :n]),
            epilogue=Epilogue(kind, lo=-700.0, hi=900.0),
            isa=AMX,
            residual=View.of(r) if residual else None,
        )
    assert all("amx" in call.kernel.key for call in calls)
    run_calls(calls)
    np.testing.assert_array_equal(y[:, :n].astype(F32), expected.astype(F32))
    np.testing.assert_array_equal(y[:, n:].astype(F32), 77)


@needs_amx
def test_every_kernel_that_products_ask_for_is_listed() -> None:
    listed = {kernel for kernel in every_kernel(AMX) if "amx" in kernel.key}
    assert walk_strips in listed
    addresses = {kernel.address for kernel in listed}
    rng = np.random.default_rng(0)
    for n in (5, 64, 200):
        cases: list[tuple[Any, list[OutputKind]]] = [
            (np.int8, ["u8", "f32", "i32"]),
            (bfloat16, ["f32", "bf16"]),
        ]
        for element, kinds in cases:
            a = np.zeros((40, 70), np.uint8 if element is np.int8 else element)
            b = rng.integers(-9, 10, (70, n)).astype(element)
            for kind in kinds:
                epilogue = Epilogue(kind, np.ones(n, F32), lo=1.0)
                y = np.zeros((40, n), epilogue.dtype)
                with always_amx(gathered=False):
                    calls = matmul_calls(
                        View.of(a), b, None, View.of(y), epilogue=epilogue, isa=AMX
                    )
                assert {call.kernel for call in calls} == {walk_strips}
                assert {call.arguments[StripArgument.FUNCTION - 1] for call in calls} <= addresses


offsets = st.builds(
    lambda images, height, width, row, pixel: (
        np.arange(images)[:, None, None] * (height * row * pixel + 640)
        + np.arange(height)[:, None] * (row * pixel)
        + np.arange(width) * pixel
    ).reshape(-1),
    images=st.integers(1, 3),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    row=st.integers(20, 24),
    pixel=st.sampled_from([64, 128, 192]),
)


@given(rows=offsets)
def test_tiles_in_place_hold_every_row_and_reach_beyond_none(rows: np.ndarray) -> None:
    strips = strips_in_place(rows)
    if strips is None:
        return
    tile, row = strips.rows.T
    np.testing.assert_array_equal(strips.tiles[tile] + row * strips.stride, rows)
    assert len(strips.tiles) % 2 == 0
    assert np.all(np.diff(tile) >= 0)
    assert np.all((row >= 0) & (row < strips.height))
    assert strips.tiles.min() >= rows[0]
    assert strips.tiles.max() + (strips.height - 1) * strips.stride <= rows[-1]


@given(rows=offsets, stride=st.integers(1, 10))
def test_evenly_spaced_rows_are_taken_in_place(rows: np.ndarray, stride: int) -> None:
    assert strips_in_place(np.arange(len(rows)) * stride) is not None
    assert strips_in_place(np.zeros(2, np.int64)) is None


@given(count=st.integers(1, 200))
def test_gathered_tiles_hold_every_row(count: int) -> None:
    strips = strips_gathered(count, 192)
    tile, row = strips.rows.T
    np.testing.assert_array_equal(strips.tiles[tile] + row * 192, np.arange(count) * 192)
    assert strips.height <= 16
    assert len(strips.tiles) % 2 == 0


def test_configuration_has_the_form_of_palette_1() -> None:
    words = tile_configuration(9)
    assert len(words) == 64
    assert words[0] == 1
    assert words[16:32] == bytes([64, 0] * 8)
    assert words[48:56] == bytes([9] * 6 + [16] * 2)


def test_amx_counts_only_with_permission(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tile_registers_permitted() or AMX not in host_isas()
    monkeypatch.setattr("runtime.kernels.isa.tile_registers_permitted", lambda: False)
    assert AMX not in host_isas()
