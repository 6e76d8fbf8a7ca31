"""`Program.walk`: every op's results, as the reference computes them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import compiler
from dialects.errors import OctetError
from runtime.program import Program
from tests.compiler.small_model import images, small_model


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    path = tmp_path_factory.mktemp("walk") / "m.onnx"
    onnx.save(small_model(), path)
    return compiler.compile(path)


@pytest.mark.parametrize("batch", [1, 3])
def test_the_last_op_gives_the_output(program: Program, batch: int) -> None:
    feed = {"image": images(batch)}
    expected = program.run(feed)["scores"]
    last = None
    for _, results in program.walk(feed):
        last = results[0].copy()
    assert last is not None
    assert np.array_equal(last, expected)


def test_two_walks_at_a_time(program: Program) -> None:
    feeds = [{"image": images(2)}, {"image": -images(2)}]
    expected = [program.run(feed)["scores"] for feed in feeds]
    last: list[np.ndarray] = []
    for (_, first), (_, second) in zip(*map(program.walk, feeds), strict=True):
        last = [first[0].copy(), second[0].copy()]
    assert np.array_equal(last[0], expected[0])
    assert np.array_equal(last[1], expected[1])


def test_wrong_inputs_are_an_error_before_anything_runs(program: Program) -> None:
    with pytest.raises(OctetError, match="should be float32"):
        program.walk({"image": images(1).astype(np.float64)})
