"""Tilings: whatever is chosen, the result is the same; choices survive in a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dialects.errors import OctetError
from runtime.executor import run_calls
from runtime.kernels.abi import View
from runtime.kernels.autotune import autotune, observed_products
from runtime.kernels.epilogue import Epilogue
from runtime.kernels.gemm import every_kernel, problem_of, tile_calls
from runtime.kernels.isa import AMX, Isa
from runtime.kernels.matmul import matmul_calls
from runtime.kernels.multiply import multiply_for
from runtime.kernels.tiling import candidates, choose_tiling, make_tiling
from runtime.kernels.tilings import store, tilings_path


@pytest.fixture
def tiles_isa(isa: Isa) -> Isa:
    """Every instruction set that has tiles of vector registers."""
    if isa.includes(AMX) or multiply_for(isa, "u8") is None:
        pytest.skip(f"{isa} multiplies bytes in another way")
    return isa


@pytest.mark.parametrize(("m", "n"), [(1, 1), (13, 150), (25, 64)])
@pytest.mark.parametrize("threads", [1, 3])
def test_every_candidate_gives_the_same_bits(tiles_isa: Isa, m: int, n: int, threads: int) -> None:
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (m, 37)).astype(np.uint8)
    b = rng.integers(-128, 128, (37, n)).astype(np.int8)
    y = np.zeros((m, n), np.int32)
    with observed_products() as products:
        matmul_calls(View.of(a), b, None, View.of(y), epilogue=Epilogue("i32"), isa=tiles_isa)
    ((product, multiply),) = products
    problem = problem_of(product, multiply)
    tilings = {make_tiling(problem, multiply, *choice) for choice in candidates(multiply)}
    small_blocks = make_tiling(problem, multiply, 1, 2, 1)
    for tiling in tilings | {small_blocks}:
        assert tiling is not None
        y[...] = -1
        run_calls(tile_calls([product], multiply, tiling), threads)
        np.testing.assert_array_equal(y, a.astype(np.int32) @ b.astype(np.int32))


def test_what_was_measured_is_used_later(
    tiles_isa: Isa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, y = np.zeros((30, 8), np.uint8), np.zeros((30, 70), np.int32)
    b = np.ones((8, 70), np.int8)
    with observed_products() as products:
        matmul_calls(View.of(a), b, None, View.of(y), epilogue=Epilogue("i32"), isa=tiles_isa)
    ((product, multiply),) = products
    choice = autotune(product, multiply, 0.001)
    assert choice in candidates(multiply)

    monkeypatch.setenv("OCTET_CACHE_DIR", str(tmp_path))
    problem = problem_of(product, multiply)
    before = choose_tiling(problem, multiply)
    chosen = (1, 3, 4096)
    assert store({problem: chosen}) == tilings_path()
    assert choose_tiling(problem, multiply) == make_tiling(problem, multiply, *chosen) != before


def test_a_damaged_file_is_named(
    tiles_isa: Isa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OCTET_CACHE_DIR", str(tmp_path))
    tilings_path().write_text('{"tilings": {"x": [1]}}')
    a, y = np.zeros((3, 8), np.float32), np.zeros((3, 7), np.float32)
    with pytest.raises(OctetError, match="not a file of tilings"):
        matmul_calls(
            View.of(a),
            np.zeros((8, 7), np.float32),
            None,
            View.of(y),
            epilogue=Epilogue("f32"),
            isa=tiles_isa,
        )


def test_every_kernel_is_listed(tiles_isa: Isa) -> None:
    """A product asks for no other kernel than those that are compiled ahead."""
    listed = {kernel.key for kernel in every_kernel(tiles_isa)}
    assert len(listed) == len(every_kernel(tiles_isa))
    for m, n, kind in [(1, 1, "u8"), (7, 200, "f32"), (300, 17, "i32")]:
        a, y = np.zeros((m, 5), np.uint8), np.zeros((m, n), Epilogue(kind).dtype)
        epilogue = Epilogue(kind, np.float32(0.1))
        with observed_products() as products:
            calls = matmul_calls(
                View.of(a), np.ones((5, n), np.int8), None, View.of(y), epilogue=epilogue,
                isa=tiles_isa,
            )  # fmt: skip
        assert {call.kernel.key for call in calls} <= listed
        ((product, multiply),) = products
        assert product.code.clamp in ("real", "none")
        assert choose_tiling(problem_of(product, multiply), multiply).panels
