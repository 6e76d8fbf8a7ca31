"""Views are numpy's strided windows; instruction sets follow what numba compiles for."""

from __future__ import annotations

import numpy as np
import pytest

from runtime.kernels import isa as isa_module
from runtime.kernels.abi import View, aligned, f32_bits
from runtime.kernels.isa import AVX2, PORTABLE, best_isa, host_isas, isa_named

ARRAY = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)


def assert_same(view: View, array: np.ndarray) -> None:
    assert view.shape == array.shape
    assert view.address == array.ctypes.data
    used = [size != 1 for size in array.shape]
    strides = [stride // array.itemsize for stride in array.strides]
    assert [s for s, u in zip(view.strides, used, strict=True) if u] == [
        s for s, u in zip(strides, used, strict=True) if u
    ]
    assert view.is_contiguous == array.flags.c_contiguous


def test_views_are_windows_like_numpys() -> None:
    view = View.of(ARRAY)
    assert (view.rank, view.size, view.byte_strides) == (3, 24, (48, 16, 4))
    assert_same(view, ARRAY)
    assert_same(view.slice(1, 1, 2), ARRAY[:, 1:3])
    assert_same(view.slice(-1, 3, 2, -2), ARRAY[..., 3::-2])
    assert_same(view.transpose((2, 0, 1)), ARRAY.transpose(2, 0, 1))
    assert_same(view.expand_dims(-1), ARRAY[..., None])
    assert_same(view.expand_dims(0), ARRAY[None])
    assert_same(view.reshape((6, 4)), ARRAY.reshape(6, 4))
    row = np.ones((3, 1), np.float32)
    assert_same(View.of(row).broadcast_to((2, 3, 4)), np.broadcast_to(row, (2, 3, 4)))


def test_views_reject_what_has_no_window() -> None:
    view = View.of(ARRAY)
    with pytest.raises(ValueError, match="cannot broadcast"):
        view.broadcast_to((2, 3, 5))
    with pytest.raises(ValueError, match="cannot broadcast"):
        view.broadcast_to((3, 4))
    with pytest.raises(ValueError, match="cannot view"):
        view.transpose((1, 0, 2)).reshape((6, 4))


def test_aligned_copies_start_at_a_cache_line() -> None:
    for size in (1, 63, 64, 1000):
        copy = aligned(np.arange(size, dtype=np.int32))
        assert copy.ctypes.data % 64 == 0
        np.testing.assert_array_equal(copy, np.arange(size))


def test_floats_travel_as_their_bits() -> None:
    assert f32_bits(1.0) == 0x3F800000
    assert f32_bits(-0.0) == -0x80000000
    assert f32_bits(np.inf) == 0x7F800000


def test_numbas_cpu_settings_choose_the_instruction_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CPU_NAME", "haswell")
    monkeypatch.setenv("NUMBA_CPU_FEATURES", "+avx2,+fma,+f16c,-avx512f")
    assert host_isas() == (AVX2, PORTABLE)
    assert best_isa() is AVX2
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    monkeypatch.delenv("NUMBA_CPU_FEATURES")
    assert isa_module.cpu_features() == ""
    assert host_isas() == (PORTABLE,)


def test_instruction_sets_have_names() -> None:
    assert isa_named("avx2") is AVX2
    with pytest.raises(ValueError, match="'sse'; known: amx, avx512_bf16, avx512_vnni, avx512bw,"):
        isa_named("sse")
