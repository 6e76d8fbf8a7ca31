"""Batches from files, readers and iterators: one at a time, and again for each pass."""

from __future__ import annotations

import gc
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from onnx import TensorProto, helper

import compiler
from compiler.calibration.data import BATCH, open_calibration_data
from compiler.calibration.spool import Spool
from compiler.calibration.stored import StoredArray, stored_arrays
from compiler.driver import Compilation, CompileRequest
from dialects.errors import OctetError
from dialects.program import body_of, main_function, range_of
from tests.compiler.small_model import images


class Reader:
    """ONNX Runtime's interface, without `rewind`."""

    def __init__(self, batches: list[dict[str, np.ndarray]]) -> None:
        self.batches = batches
        self.next = 0

    def get_next(self) -> dict[str, np.ndarray] | None:
        self.next += 1
        return self.batches[self.next - 1] if self.next <= len(self.batches) else None


class Rewindable(Reader):
    def rewind(self) -> None:
        self.next = 0


def batches(*sizes: int) -> list[dict[str, np.ndarray]]:
    return [{"image": images(size, seed=seed)} for seed, size in enumerate(sizes)]


def opened(source: Any, model: Path) -> Any:
    compilation = Compilation(CompileRequest(model, stop_after="import"))
    compilation.run()
    return open_calibration_data(source, compilation.module)


@pytest.mark.parametrize("kind", [Reader, Rewindable])
def test_a_reader_is_read_again(kind: type[Reader], model: Path) -> None:
    given_batches = batches(4, 2, 1)
    source = opened(kind(given_batches), model)
    for _ in range(2):
        read = list(source())
        assert [len(feed["image"]) for feed in read] == [4, 2, 1]
        for feed, expected in zip(read, given_batches, strict=True):
            assert np.array_equal(feed["image"], expected["image"])


def test_the_reader_of_onnxruntime_itself(model: Path) -> None:
    quantization = pytest.importorskip("onnxruntime.quantization")

    class OrtReader(Reader, quantization.CalibrationDataReader):
        pass

    program = compiler.compile(model, calibration_data=OrtReader(batches(8, 8)))
    same = compiler.compile(model, calibration_data=batches(8, 8))
    assert str(program.module) == str(same.module)


def test_an_iterator_is_consumed_batch_by_batch(model: Path) -> None:
    taken: list[int] = []

    def stream() -> Iterator[dict[str, np.ndarray]]:
        for index, feed in enumerate(batches(1, 1, 1)):
            taken.append(index)
            yield feed

    source = opened(stream(), model)
    assert taken == []
    first = next(iter(source()))
    assert taken == [0]
    again = list(source())
    assert taken == [0, 1, 2]
    assert np.array_equal(first["image"], again[0]["image"])
    assert len(list(source())) == 3


@settings(max_examples=25, deadline=None)
@given(st.lists(arrays(np.float32, array_shapes(max_side=4)), max_size=5), st.integers(0, 5))
def test_a_spool_gives_what_it_was_given(given_arrays: list[np.ndarray], stop: int) -> None:
    feeds = [{"a": array, "b": np.array(index)} for index, array in enumerate(given_arrays)]
    spool = Spool(iter(feeds))
    partly = [feed for feed, _ in zip(spool(), range(stop), strict=False)]
    assert len(partly) == min(stop, len(feeds))
    for _ in range(2):
        read = list(spool())
        assert len(read) == len(feeds)
        for feed, expected in zip(read, feeds, strict=True):
            assert feed.keys() == expected.keys()
            assert all(np.array_equal(feed[k], expected[k], equal_nan=True) for k in feed)


# --- files ------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_pieces_of_stored_arrays(tmp_path: Path, save: Any, order: Any) -> None:
    array = np.asarray(images(11), order=order)
    save(tmp_path / "x.npz", image=array, labels=np.arange(11))
    stored = stored_arrays(tmp_path / "x.npz")
    assert isinstance(stored, dict)
    assert stored["image"].shape == array.shape
    pieces = list(stored["image"].pieces(4))
    assert [len(piece) for piece in pieces] == [4, 4, 3]
    assert np.array_equal(np.concatenate(pieces), array)
    np.save(tmp_path / "x.npy", array)
    alone = stored_arrays(tmp_path / "x.npy")
    assert isinstance(alone, StoredArray)
    assert np.array_equal(np.concatenate(list(alone.pieces(5))), array)


def test_memory_is_that_of_a_batch(model: Path, tmp_path: Path) -> None:
    import tracemalloc

    np.savez(tmp_path / "x.npz", image=np.zeros((40_000, 3, 8, 8), np.float32))  # 31 MB
    source = opened(tmp_path / "x.npz", model)
    assert source.batches == 40_000 // BATCH
    gc.collect()
    tracemalloc.start()
    count = sum(len(feed["image"]) for feed in source())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 40_000
    assert peak < 4e6


def damaged(change: str, path: Path) -> None:
    buffer = BytesIO()
    np.save(buffer, images(4))
    data = buffer.getvalue()
    match change:
        case "short":
            data = data[:-100]
        case "huge":
            data = data.replace(b"(4, 3, 8, 8)", b"(4444,3,8,8)")
        case "version":
            data = data[:6] + b"\x07" + data[7:]
        case "no array":
            data = b"text"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("image.npy", data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("short", "ends early"),
        ("huge", "ends early: its array .4444, 3, 8, 8. takes"),
        ("version", "version .* is not known"),
        ("no array", "not a readable .npz or .npy"),
    ],
)
def test_damaged_files_are_named(change: str, message: str, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    damaged(change, path)
    with pytest.raises(OctetError, match=message) as error:
        opened(path, model)
    assert str(path) in str(error.value)


# --- ragged data ------------------------------------------------------------------------------


def test_ragged_batches_and_lengths(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One file per batch, of different numbers of samples and different lengths."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "length", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", "length", 4])
    nodes = [
        helper.make_node("Tanh", ["x"], ["t"], "tanh"),
        helper.make_node("Add", ["t", "x"], ["y"], "add"),
    ]
    graph = helper.make_graph(nodes, "g", [x], [y])
    model = tmp_path / "m.onnx"
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), model)
    folder = tmp_path / "data"
    folder.mkdir()
    arrays_of: list[np.ndarray] = []
    for index, (batch, length) in enumerate([(2, 5), (1, 9), (3, 1)]):
        array = np.random.default_rng(index).normal(size=(batch, length, 4)).astype(np.float32)
        np.save(folder / f"{index}.npy", array)
        arrays_of.append(array)
    extremes = {"calibration_method": "min-max"}
    compilation = Compilation(
        CompileRequest(model, folder, stop_after="calibrate", options=extremes)
    )
    compilation.run()
    (argument,) = body_of(main_function(compilation.module)).args
    low, high = min(map(np.min, arrays_of)), max(map(np.max, arrays_of))
    assert range_of(argument) == (float(low), float(high))
    assert capsys.readouterr().err == ""  # by kernels: the reference would have been announced
