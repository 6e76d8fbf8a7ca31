"""The table of single layers: its networks are valid and mean the same to both runtimes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import kernels
import numpy as np
import onnx
import pytest
from kernel_cases import CASES, LayerBuilder, conv, gemm
from models.macs import count_macs

from runtime.kernels.isa import AMX, AVX512_VNNI


@pytest.fixture(autouse=True)
def _same_cores_afterwards() -> Iterator[None]:
    """The command pins the process it runs in."""
    if not hasattr(os, "sched_getaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    yield
    os.sched_setaffinity(0, cores)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_layer_is_a_valid_network_with_the_macs_it_states(case, tmp_path: Path) -> None:
    for int8 in {precision == "int8" for precision in case.precisions}:
        model = case.build(LayerBuilder(int8))
        onnx.checker.check_model(model, full_check=True)
        path = tmp_path / f"{int8}.onnx"
        onnx.save(model, path)
        batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value
        assert count_macs(path, batch) == case.macs


def test_names_are_distinct() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("case", "precision"),
    [
        (gemm(8, 32, 24), "int8"),
        (conv(3, 6, 5, 7, stride=2), "int8"),
        (conv(1, 5, 16, 24, residual=True), "int8"),
        (conv(3, 6, 5, 7), "f32"),
    ],
    ids=lambda item: item if isinstance(item, str) else item.name,
)
def test_both_runtimes_compute_the_same(case, precision: str) -> None:
    found = kernels.measure(case, precision, None, rounds=2, seconds=1e-4)
    if precision == "int8":
        assert found.same > 99
    else:
        assert found.same < 1e-5
    assert found.kernels
    assert found.octet.value > 0
    assert found.onnxruntime.value > 0
    assert found.ratio.low <= found.ratio.value <= found.ratio.high


def test_the_command_writes_what_it_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "kernels.json"
    arguments = ["--only", "7^2 960", "--rounds", "2", "--seconds", "0.0001"]
    assert kernels.main([*arguments, "--isa", "portable", "--output", str(output)]) == 0
    result = json.loads(output.read_text())
    (layer,) = result["layers"]
    assert (result["isa"], layer["name"]) == ("portable", "depthwise 3x3 7^2 960")
    assert layer["name"] in capsys.readouterr().out


def test_a_layer_nobody_has_is_refused() -> None:
    with pytest.raises(SystemExit) as exit_info:
        kernels.main(["--only", "no such layer"])
    assert exit_info.value.code == 2


def test_the_limit_is_that_of_tiles_only_where_octet_may_use_them() -> None:
    peaks = {"int8 vector": [1.0], "int8 amx": [8.0], "f32 vector": [1.0]}
    assert kernels.limit_of("int8", AMX.lineage, peaks) == "int8 amx"
    assert kernels.limit_of("int8", AVX512_VNNI.lineage, peaks) == "int8 vector"
    assert kernels.limit_of("f32", AMX.lineage, peaks) == "f32 vector"
    assert kernels.limit_of("int8", AMX.lineage, {"int8 vector": [1.0]}) == "int8 vector"


def test_typical_is_not_moved_by_interruptions_and_resolves_below_a_microsecond() -> None:
    times = np.array([3e-6, 4e-6] * 50)
    times[::7] = 1e-2
    assert typical_in_microseconds(times) == pytest.approx(3.15, abs=0.2)


def typical_in_microseconds(times: np.ndarray) -> float:
    return 1e6 * kernels.typical(times)
