from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from compiler.cli import compile as compile_tool
from compiler.rates import measure, probes
from compiler.targets import load_target
from dialects.cost import Work, nanoseconds
from dialects.rates import PRECISIONS, RATES_OF_ISA
from runtime.kernels.isa import best_isa

EVERY_PROBE = {
    **{f"{probe.kind}-{index}": probe for index, probe in enumerate(probes.LAYERS)},
    "call": probes.CALL,
    "quantize": probes.conversion_probe("quantize"),
    "stream": probes.STREAMS["L2"],
}


@pytest.mark.parametrize("name", EVERY_PROBE)
def test_a_probe_times_the_kind_it_is_for(name: str) -> None:
    probe = EVERY_PROBE[name]
    work, ns = measure.measure(probe, "int8", best_isa(), 16)
    assert ns > 0
    if name not in ("call", "stream"):
        assert work.counts[probe.kind] > 0
    assert work.precision == ("f32" if name == "call" else "int8")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_layer_runs_in_its_precision(precision: str) -> None:
    work, _ = measure.measure(probes.LAYERS[0], precision, best_isa(), 16)
    assert work.precision == precision


def test_rates_are_found_again() -> None:
    """Times that follow from rates give these rates."""
    rates = RATES_OF_ISA["avx512_vnni"]
    works = [
        Work("int8", {"products": 1e6, "results": 1e3}, 0),
        Work("int8", {"products": 1e5, "results": 1e4}, 0),
        Work("int8", {"products": 1e5, "results": 1e4, "residuals": 1e4}, 0),
    ]
    solved = measure.solve([(work, nanoseconds(work, rates)) for work in works], rates)
    for kind in ("products", "results", "residuals"):
        assert solved[kind] == pytest.approx(getattr(rates, kind)["int8"])


def test_a_kind_that_takes_no_time_is_left_out() -> None:
    rates = replace(RATES_OF_ISA["avx2"], call_ns=10)
    works = [Work("int8", {"products": 100}, 0), Work("int8", {"products": 100, "results": 50}, 0)]
    solved = measure.solve([(works[0], 30.0), (works[1], 25.0)], rates)
    assert set(solved) == {"products"}


def test_the_command_writes_a_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rates = replace(RATES_OF_ISA["avx2"], call_ns=77)
    monkeypatch.setattr(measure, "measure_rates", lambda isa, progress: rates)
    path = tmp_path / "mine.toml"
    assert compile_tool.main(["--calibrate-target", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: use it with --target {path}\n"
    target = load_target(str(path))
    assert target.rates == rates
    assert target.int8 == load_target("host").int8


@pytest.mark.parametrize(
    ("name", "message"), [("mine.txt", "ends in .toml"), ("no/mine.toml", "there is no folder")]
)
def test_where_it_cannot_write(
    name: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compile_tool.main(["--calibrate-target", str(tmp_path / name)]) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
