"""Kernels compute the same bits whether the translator compiles them or numba does; and numba is
chosen by a variable."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dialects.errors import OctetError
from runtime.executor import run_calls
from runtime.kernels import cache
from runtime.kernels.abi import Call, Kernel, View
from runtime.kernels.attention import every_kernel
from runtime.kernels.compilers import KERNEL_COMPILERS, VARIABLE, kernel_compiler
from runtime.kernels.convert import quantize_calls
from runtime.kernels.elementwise import binary_calls, unary_calls
from runtime.kernels.isa import best_isa
from runtime.kernels.loops import loop_kernel
from runtime.kernels.normalization import layer_norm_calls
from runtime.kernels.pooling import Window, average_pool_calls, max_pool_calls
from runtime.kernels.reduction import reduce_calls
from runtime.kernels.selection import arg_calls
from runtime.kernels.softmax import softmax_calls
from runtime.kernels.vector_ir import GeneratedFunction

Calls = Callable[[View, View], list[Call]]

ROOT = Path(__file__).parents[3]
SHAPE = (6, 77)
PLANES = (1, 6, 7, 11)
WINDOW = Window((3, 2), (2, 1), (1, 0, 1, 1), (1, 1))


def values() -> np.ndarray:
    """Normal ones, and now and then a special one."""
    array = np.random.default_rng(7).standard_normal(SHAPE).astype(np.float32)
    special = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-42, 3e38], np.float32)
    array.reshape(-1)[::29] = np.resize(special, array.reshape(-1)[::29].shape)
    return array


CASES: dict[str, tuple[Calls, tuple[int, ...], str]] = {
    "gelu": (lambda x, y: unary_calls("gelu", x, y), SHAPE, "float32"),
    "sub": (lambda x, y: binary_calls("sub", x, x.slice(0, 0, 1), y), SHAPE, "float32"),
    "max": (lambda x, y: reduce_calls("max", x, y, (1,)), SHAPE[:1], "float32"),
    "sum": (lambda x, y: reduce_calls("sum", x, y, (0,)), SHAPE[1:], "float32"),
    "argmax": (lambda x, y: arg_calls("argmax", x, y, 1), SHAPE[:1], "int64"),
    "argmin": (lambda x, y: arg_calls("argmin", x, y, 0), SHAPE[1:], "int64"),
    "last argmax": (
        lambda x, y: arg_calls("argmax", x, y, 0, select_last_index=True),
        SHAPE[1:],
        "int64",
    ),
    "softmax": (lambda x, y: softmax_calls(x, y, 1), SHAPE, "float32"),
    "layer norm": (
        lambda x, y: layer_norm_calls(x, y, axis=1, epsilon=1e-5, scale=None, bias=None),
        SHAPE,
        "float32",
    ),
    "quantize": (
        lambda x, y: quantize_calls(x, y, scale=0.03, zero_point=100),
        SHAPE,
        "uint8",
    ),
    "max pool": (
        lambda x, y: max_pool_calls(x.reshape(PLANES), y, WINDOW),
        (1, 6, 4, 11),
        "float32",
    ),
    "average pool": (
        lambda x, y: average_pool_calls(x.reshape(PLANES), y, WINDOW),
        (1, 6, 4, 11),
        "float32",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_both_compilers_give_the_same_bits(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, shape, dtype = CASES[name]
    x = values()
    results = []
    for compiler in KERNEL_COMPILERS:
        monkeypatch.setenv(VARIABLE, compiler)
        y = np.zeros(shape, dtype)
        run_calls(calls(View.of(x), View.of(y)))
        results.append(y)
    assert results[0].any()
    assert results[0].tobytes() == results[1].tobytes()


def test_octet_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert kernel_compiler() == "octet"
    monkeypatch.setenv(VARIABLE, "")
    assert kernel_compiler() == "octet"


def test_an_unknown_compiler_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "gcc")
    with pytest.raises(OctetError, match=r"OCTET_KERNEL_COMPILER=gcc.*expected octet or numba"):
        _ = softmax_calls(View.of(values()), View.of(values()), 1)[0].kernel.address


def entries(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """The kernel's entries in the cache, one per compiler if they differ."""
    found = set()
    for compiler in KERNEL_COMPILERS:
        monkeypatch.setenv(VARIABLE, compiler)
        found.add(cache.entry_path(kernel))
    return found


def test_each_compiler_has_entries_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    (call,) = softmax_calls(View.of(values()), View.of(values()), 1)
    assert len(entries(call.kernel, monkeypatch)) == 2
    assert len(entries(loop_kernel("def kernel(row, thread, threads): pass"), monkeypatch)) == 2


def test_what_is_written_as_llvm_code_needs_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    written = [of for of in every_kernel(best_isa()) if isinstance(of.function, GeneratedFunction)]
    assert written
    assert all(len(entries(kernel, monkeypatch)) == 1 for kernel in written)


def test_another_process_uses_what_numba_compiled(tmp_path: Path) -> None:
    """The first process compiles, the second must not; both run the kernel."""
    script = (
        "import numpy as np, sys\n"
        "from runtime.executor import run_calls\n"
        "from runtime.kernels import cache\n"
        "from runtime.kernels.abi import View\n"
        "from runtime.kernels.softmax import softmax_calls\n"
        "def refuse(kernel): raise AssertionError(kernel.key)\n"
        "if sys.argv[1] == 'second': cache.compile_kernel = refuse\n"
        "x, y = np.zeros((2, 4), np.float32), np.zeros((2, 4), np.float32)\n"
        "run_calls(softmax_calls(View.of(x), View.of(y), 1))\n"
        "assert (y == 0.25).all()\n"
    )
    environment = {
        **os.environ,
        VARIABLE: "numba",
        "OCTET_CACHE_DIR": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    for turn in ("first", "second"):
        command = [sys.executable, "-c", script, turn]
        subprocess.run(command, env=environment, check=True, timeout=120)
