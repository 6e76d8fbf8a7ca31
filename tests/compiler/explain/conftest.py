"""Programs from text, compiled."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compiler.driver import Compilation, CompileRequest

Compile = Callable[..., Compilation]


@pytest.fixture
def compile_text(tmp_path: Path) -> Compile:
    """Compiles IR given as text; keyword arguments are those of a request."""

    def compile_it(text: str, **given: Any) -> Compilation:
        path = tmp_path / "program.mlir"
        path.write_text(text)
        compilation = Compilation(CompileRequest(path, **given))
        compilation.run()
        return compilation

    return compile_it
