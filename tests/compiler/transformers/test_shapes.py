"""One program for every batch size and sequence length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import compiler
from dialects.errors import OctetError
from runtime.program import Program
from tests.compiler.transformers.bert import LONGEST, sentences, small_bert

CALIBRATION = [sentences(2, 7), sentences(1, 12), sentences(3, 5), sentences(1, 1)]
"""Ragged: every batch has its own size and length."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_bert(tmp_path_factory.mktemp("bert") / "bert.onnx")


@pytest.fixture(scope="module")
def real(model: Path) -> Program:
    return compiler.compile(model)


@pytest.fixture(scope="module")
def int8(model: Path) -> Program:
    return compiler.compile(model, calibration_data=CALIBRATION)


@pytest.fixture(scope="module")
def session(model: Path) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])


def run(program: Program, feed: dict[str, np.ndarray]) -> np.ndarray:
    (output,) = program.run(feed).values()
    return output


@settings(max_examples=12, deadline=None)
@given(batch=st.integers(1, 4), length=st.integers(1, LONGEST), seed=st.integers(0, 99))
def test_any_shape_agrees_with_onnxruntime(real, session, batch: int, length: int, seed: int):
    feed = sentences(batch, length, seed)
    (expected,) = session.run(None, feed)
    np.testing.assert_allclose(run(real, feed), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("batch", "length"), [(1, 1), (1, 9), (3, 16), (2, LONGEST)])
def test_a_shape_gives_the_bits_of_a_program_compiled_for_it(
    model: Path, real: Program, int8: Program, batch: int, length: int
) -> None:
    feed = sentences(batch, length)
    shapes = {name: array.shape for name, array in feed.items()}
    fixed = compiler.compile(model, shapes=shapes)
    np.testing.assert_array_equal(run(real, feed), run(fixed, feed))
    calibration = [sentences(1, length, seed) for seed in range(3)]
    free = compiler.compile(model, calibration_data=calibration)
    fixed = compiler.compile(model, calibration_data=calibration, shapes=shapes)
    np.testing.assert_array_equal(run(free, feed), run(fixed, feed))
    assert not np.array_equal(run(free, feed), run(real, feed))


def test_padding_does_not_reach_what_is_kept(real: Program, int8: Program) -> None:
    short = sentences(2, 6)
    short["keep"][:] = 1
    padded = {name: np.pad(array, ((0, 0), (0, 20))) for name, array in short.items()}
    np.testing.assert_allclose(run(real, padded)[:, :6], run(real, short), rtol=1e-5, atol=1e-5)
    # Masked keys weigh nothing in integers too: not even a last bit differs.
    np.testing.assert_array_equal(run(int8, padded)[:, :6], run(int8, short))


def test_plans_are_kept_up_to_a_bound(model: Path) -> None:
    from runtime.program import MAX_PLANS

    program = compiler.compile(model)
    for length in range(1, MAX_PLANS + 4):
        run(program, sentences(1, length))
    assert len(program._idle) == MAX_PLANS
    first = run(program, sentences(1, 1))
    np.testing.assert_array_equal(first, run(program, sentences(1, 1)))


def test_a_saved_program_takes_any_shape(int8: Program, tmp_path: Path) -> None:
    int8.save(tmp_path / "bert.octet")
    loaded = compiler.load(tmp_path / "bert.octet")
    for batch, length in ((1, 3), (4, 11)):
        feed = sentences(batch, length)
        np.testing.assert_array_equal(run(loaded, feed), run(int8, feed))


def test_a_sentence_longer_than_the_position_table(real: Program) -> None:
    with pytest.raises(OctetError, match=r"too long for .*: it has 48 entries, but 49 are asked"):
        real.run(sentences(1, LONGEST + 1))


def test_inputs_of_different_lengths(real: Program) -> None:
    feed = sentences(2, 8)
    feed["keep"] = feed["keep"][:, :5]
    with pytest.raises(OctetError, match=r"size 'S' is 5 in 'keep' \[2, 5\], but 8 in 'ids'"):
        real.run(feed)


def test_every_product_is_in_int8(int8: Program) -> None:
    feed = sentences(1, 16)
    ops = int8.profile(feed, runs=1).ops
    assert sum(op.macs for op in ops if op.precision == "int8") == sum(op.macs for op in ops) > 0


def test_an_exported_model_takes_any_shape(model: Path, session, tmp_path: Path) -> None:
    from compiler.cli.compile import main

    np.savez(tmp_path / "data.npz", **sentences(4, 9))
    path = tmp_path / "int8.onnx"
    arguments = [str(model), "--calibration-data", str(tmp_path / "data.npz")]
    assert main([*arguments, "--emit", "onnx-qdq", "-o", str(path)]) == 0
    exported = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for batch, length in ((1, 4), (3, 17)):
        feed = sentences(batch, length)
        (expected,), (found,) = session.run(None, feed), exported.run(None, feed)
        noise = np.sum((expected - found) ** 2) / np.sum(expected**2)
        assert noise < 0.01
