"""Reports of the digits example, one per session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compiler.driver import Compilation, CompileRequest
from compiler.report import Recorder, Report, gather, render
from tests.compiler.report.browser import Page, browser

DIGITS = Path(__file__).parents[3] / "examples/digits"


def report_of(model: Path, *, samples: int = 4, **request: Any) -> Report:
    compilation = Compilation(CompileRequest(model, **request))
    recorder = Recorder(compilation)
    compilation.run()
    return gather(recorder, samples)


@pytest.fixture(scope="session")
def report() -> Report:
    """Of the digits network with one layer excluded and one in bf16; ranges end at the extremes."""
    return report_of(
        DIGITS / "digits.onnx",
        calibration_data=DIGITS / "calibration.npz",
        options={
            "nodes_to_exclude": ("Conv_3",),
            "bf16": ("name:Gemm_16",),
            "calibration_method": "min-max",
        },
    )


@pytest.fixture(scope="session")
def page_file(report: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "digits.html"
    path.write_text(render(report), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def chromium() -> Iterator[Page]:
    with browser() as page:
        yield page


@pytest.fixture
def page(chromium: Page, page_file: Path) -> Page:
    chromium.open(page_file)
    return chromium
