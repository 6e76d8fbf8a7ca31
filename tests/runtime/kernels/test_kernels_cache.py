"""The cache of compiled kernels: what is in an entry's name, damage, and processes that share
it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from runtime.executor import run_calls
from runtime.kernels import cache
from runtime.kernels.abi import Call, Kernel, kernel
from runtime.kernels.compilers import VARIABLE
from runtime.kernels.intrinsics import argument, i64_pointer
from runtime.translation.errors import TranslationError


@kernel
def store_seven(row: int, thread: int, threads: int) -> None:
    if thread == 0:
        i64_pointer(argument(row, 1))[0] = 7


def runs() -> bool:
    """Whether `store_seven` works when it is loaded afresh."""
    cache._addresses.clear()
    result = np.zeros(1, np.int64)
    run_calls([Call(store_seven, (result.ctypes.data,))])
    return bool(result[0] == 7)


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OCTET_CACHE_DIR", str(tmp_path / "kernels"))
    return tmp_path / "kernels"


def test_an_entry_is_written_once_and_used(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert runs()
    assert cache.entry_path(store_seven).parent == directory
    assert cache.entry_path(store_seven).exists()

    def refuse(kernel: Kernel) -> tuple[str, bytes]:
        raise AssertionError("compiled although it is cached")

    monkeypatch.setattr(cache, "compile_kernel", refuse)
    assert runs()


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "foreign"])
def test_a_damaged_entry_is_rebuilt(directory: Path, damage: str) -> None:
    assert runs()
    path = cache.entry_path(store_seven)
    good = path.read_bytes()
    flipped = bytearray(good)
    flipped[len(good) // 2] ^= 1
    path.write_bytes(
        {"empty": b"", "cut": good[:-100], "flipped": bytes(flipped), "foreign": b"#!/bin/sh"}[
            damage
        ]
    )
    assert runs()
    assert cache._read_entry(path) is not None


def test_an_unwritable_directory_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("OCTET_CACHE_DIR", str(tmp_path / "file" / "kernels"))
    assert runs()


def test_identity_follows_key_source_and_cpu(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    function = store_seven.function
    paths = {cache.entry_path(store_seven), cache.entry_path(Kernel.of(function, "other"))}
    monkeypatch.setenv("NUMBA_CPU_NAME", "znver2")
    paths.add(cache.entry_path(store_seven))
    monkeypatch.setattr(cache, "source_digest", lambda module: "other source")
    paths.add(cache.entry_path(store_seven))
    assert len(paths) == 4


def test_source_digest_covers_imported_modules(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "digested").mkdir()
    for name, text in {
        "__init__": "",
        "outer": "from digested import inner\nfrom .relative import x",
        "inner": "",
        "relative": "x = 1",
    }.items():
        (tmp_path / "digested" / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    import digested.outer  # pyright: ignore[reportMissingImports]

    digests = set()
    for name in ("", "inner", "relative", "outer"):
        if name:
            with (tmp_path / "digested" / f"{name}.py").open("a") as file:
                file.write("\n# changed")
        cache.source_digest.cache_clear()
        digests.add(cache.source_digest("digested.outer"))
    cache.source_digest.cache_clear()
    assert len(digests) == 4
    assert digested.outer


def test_processes_share_a_directory(directory: Path) -> None:
    script = "import numpy as np\nfrom test_kernels_cache import runs\nassert runs()\n"
    command = [sys.executable, "-c", script]
    here = str(Path(__file__).parent)
    processes = [subprocess.Popen(command, cwd=here, env=_environment(directory)) for _ in range(4)]
    assert [process.wait(timeout=120) for process in processes] == [0] * 4
    assert runs()
    assert not [path for path in directory.iterdir() if path.suffix != ".kernel"]


def _environment(directory: Path) -> dict[str, str]:
    root = str(Path(__file__).parents[3])
    return {**os.environ, "OCTET_CACHE_DIR": str(directory), "PYTHONPATH": root}


def test_a_kernel_that_allocates_does_not_compile(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "octet")

    @kernel
    def allocates(row: int, thread: int, threads: int) -> None:
        i64_pointer(row)[1] = np.zeros(3, np.int64)[thread]

    with pytest.raises(TranslationError, match=r"allocates: .*zeros.* cannot be called"):
        _ = allocates.address
