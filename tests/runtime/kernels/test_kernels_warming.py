"""Kernels compiled ahead of time: all of them, once, whole; and then none any more."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compiler.cli.compile import main
from runtime.executor import Table
from runtime.kernels import cache, warming
from runtime.kernels.abi import Kernel, View
from runtime.kernels.isa import ISAS, Isa, best_isa
from runtime.kernels.resize import Sampling, interpolate_calls

ROOT = Path(__file__).parents[3]
FAMILIES = ("runtime.kernels.resize", "runtime.workers")
"""Few and small."""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a process that has loaded nothing from another one."""
    monkeypatch.setenv("OCTET_CACHE_DIR", str(tmp_path / "kernels"))
    monkeypatch.setattr(cache, "_addresses", {})
    return tmp_path / "kernels"


def refuse(kernel: Kernel) -> tuple[str, bytes]:
    raise AssertionError(f"{kernel.key} is compiled although it should be in the cache")


def test_every_kernel_of_the_families_is_stored(directory: Path) -> None:
    kernels = warming.kernels_of(best_isa(), FAMILIES)
    total, warmed = warming.warm(best_isa(), processes=2, modules=FAMILIES)
    done = list(warmed)
    assert total == len(done) == len(kernels)
    assert {kernel.key for kernel in done} == set(kernels)
    assert all(kernel.seconds > 0 for kernel in done)
    assert all(cache.is_cached(kernel) for kernel in kernels.values())
    assert cache.info() == cache.CacheInfo(
        directory, total, sum(path.stat().st_size for path in directory.iterdir())
    )


def test_warming_again_compiles_what_is_missing_or_damaged(directory: Path) -> None:
    list(warming.warm(best_isa(), processes=2, modules=FAMILIES)[1])
    kernels = list(warming.kernels_of(best_isa(), FAMILIES).values())
    cache.entry_path(kernels[0]).unlink()
    damaged = cache.entry_path(kernels[1])
    damaged.write_bytes(damaged.read_bytes()[:-9])
    again = [kernel.key for kernel in warming.warm(best_isa(), 1, FAMILIES)[1] if kernel.seconds]
    assert sorted(again) == sorted(kernel.key for kernel in kernels[:2])
    assert all(map(cache.is_cached, kernels))


def test_two_processes_may_warm_one_cache(directory: Path) -> None:
    script = (
        "from runtime.kernels import warming\n"
        "from runtime.kernels.isa import best_isa\n"
        "if __name__ == '__main__':\n"
        f"    list(warming.warm(best_isa(), 1, {FAMILIES!r})[1])\n"
    )
    path = directory.parent / "warm.py"
    path.write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [subprocess.Popen([sys.executable, path], env=environment) for _ in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    assert all(map(cache.is_cached, warming.kernels_of(best_isa(), FAMILIES).values()))
    assert not [path for path in directory.iterdir() if path.suffix != ".kernel"]


def test_prune_keeps_what_it_is_told_to(directory: Path) -> None:
    kernels = list(warming.kernels_of(best_isa(), FAMILIES).values())
    for kernel in kernels:
        cache.ensure_cached(kernel)
    assert cache.prune(keep=kernels[:1]) == len(kernels) - 1
    assert list(directory.iterdir()) == [cache.entry_path(kernels[0])]
    assert cache.prune() == 1
    assert cache.info() == cache.CacheInfo(directory, 0, 0)


def test_no_kernel_is_compiled_for_what_the_cache_holds(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    families = ("runtime.executor", "runtime.workers", "runtime.kernels.resize")
    list(warming.warm(best_isa(), 2, families)[1])
    monkeypatch.setattr(cache, "compile_kernel", refuse)
    x, y = np.array([[1, 2, 4]], np.float32), np.zeros((1, 2), np.float32)
    index, weight = np.array([[0, 1], [1, 2]]), np.full((2, 2), 0.5, np.float32)
    calls = interpolate_calls(View.of(x), View.of(y), Sampling(1, index, weight))
    Table(calls).run(2)
    np.testing.assert_array_equal(y, [[1.5, 3]])


def test_family_times_add_up_and_the_longest_comes_first() -> None:
    keys = {
        "runtime.kernels.resize.interpolate_kernel(float32)": 0.25,
        "runtime.executor._walker.<locals>.walk(plain)": 0.5,
        "runtime.kernels.resize.interpolate_kernel(uint8)": 0.75,
    }
    compiled = [warming.Warmed(key, seconds) for key, seconds in keys.items()]
    assert warming.family_times(compiled) == [
        warming.FamilyTime("resize", 2, 1.0, 0.75),
        warming.FamilyTime("executor", 1, 0.5, 0.5),
    ]


@pytest.mark.parametrize("isa", ISAS, ids=str)
def test_families_list_each_kernel_once(isa: Isa) -> None:
    for name in warming.families():
        listed = getattr(importlib.import_module(name), "every_kernel", None)
        keys = [kernel.key for kernel in listed(isa)] if listed else []
        assert len(keys) == len(set(keys)), name


def test_commands(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(warming, "families", lambda: FAMILIES)
    assert main(["--warm-cache"]) == 0
    count = len(warming.kernels_of(best_isa(), FAMILIES))
    warmed = capsys.readouterr()
    assert f"{count} kernels compiled" in warmed.out
    assert f"{count} kernels, " in warmed.out
    assert "resize                    1 kernels" in warmed.out
    assert "kernels for" in warmed.err
    assert main(["--cache-info"]) == 0
    assert capsys.readouterr().out.endswith(f"in {directory}\n")
    assert main(["--prune-cache"]) == 0
    assert capsys.readouterr().out.startswith("0 kernels deleted")
    assert main(["--clear-cache"]) == 0
    assert capsys.readouterr().out.startswith(f"{count} kernels deleted")
