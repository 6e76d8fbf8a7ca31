"""A user's file with the name of one of Octet's packages is named, not silently imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def python(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Runs `code` as a script in `folder`, whose files then come first."""
    script = folder / "script.py"
    script.write_text(code)
    return subprocess.run(
        [sys.executable, script],
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("package", ["dialects", "passes", "runtime"])
def test_importing_the_compiler_names_the_file_in_the_way(package: str, tmp_path: Path) -> None:
    (tmp_path / f"{package}.py").write_text("")
    result = python(tmp_path, "import compiler")
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith(f"ImportError: {tmp_path / package}.py hides Octet's package")


def test_a_module_that_is_imported_already(tmp_path: Path) -> None:
    (tmp_path / "passes").mkdir()
    (tmp_path / "passes" / "__init__.py").write_text("")
    result = python(tmp_path, "import passes\nimport compiler")
    assert f"{tmp_path / 'passes' / '__init__.py'} hides" in result.stderr


def test_a_command_names_a_compiler_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "compiler.py").write_text("")
    result = python(tmp_path, "import octet_commands as o\nraise SystemExit(o.opt_command())")
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"script.py: error: {tmp_path / 'compiler.py'} hides")


def test_nothing_in_the_way(tmp_path: Path) -> None:
    assert python(tmp_path, "import compiler; compiler.compile").returncode == 0
