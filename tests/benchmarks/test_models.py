"""The benchmarks' models are valid, take any batch, and have activations of a sane size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from models import MODELS, Model, write_model
from models.macs import count_macs
from onnx import numpy_helper

QUICK_TO_BUILD = ("resnet8", "resnet20", "mobilenetv2", "squeezenet", "shufflenet")


def session_of(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])


@pytest.mark.parametrize("name", QUICK_TO_BUILD)
def test_a_model_runs_with_any_batch_and_its_samples_are_independent(
    name: str, tmp_path: Path
) -> None:
    path = write_model(name, tmp_path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session, model = session_of(path), MODELS[name]
    (two,) = model.feeds(1, batch=2, seed=3)
    (together,) = session.run(None, two)
    alone = [session.run(None, {k: v[i : i + 1] for k, v in two.items()})[0] for i in range(2)]
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-3, atol=1e-5)
    assert np.isfinite(together).all()
    assert np.abs(together[0] - together[1]).max() > 0


def test_a_model_is_the_same_every_time(tmp_path: Path) -> None:
    first, second = write_model("resnet8", tmp_path / "a"), write_model("resnet8", tmp_path / "b")
    assert first.read_bytes() == second.read_bytes()


def test_a_model_that_is_there_is_not_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_model("resnet8", tmp_path)

    def fail() -> onnx.ModelProto:
        raise AssertionError("built again")

    monkeypatch.setitem(MODELS, "resnet8", Model("resnet8", fail, MODELS["resnet8"].sample))
    assert write_model("resnet8", tmp_path) == path


def test_convolutions_have_the_statistics_of_batch_norm(tmp_path: Path) -> None:
    """On other images than the statistics come from: every value before an activation."""
    model = onnx.load(write_model("resnet20", tmp_path))
    convs = [node.output[0] for node in model.graph.node if node.op_type == "Conv"]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in convs)
    onnx.save(model, tmp_path / "all.onnx")
    (feeds,) = MODELS["resnet20"].feeds(1, batch=16, seed=8)
    values = session_of(tmp_path / "all.onnx").run(convs, feeds)
    for name, value in zip(convs, values, strict=True):
        assert 0.4 < value.std() < 2.5, name
        assert abs(value.mean()) < 0.8, name


@pytest.mark.parametrize(
    ("name", "millions"), [("resnet8", 12.5), ("resnet20", 40.8), ("mobilenetv2", 300.8)]
)
def test_macs_are_those_of_the_papers(name: str, millions: float, tmp_path: Path) -> None:
    """ResNet-20: 40.8 M; MobileNetV2: 300 M (Sandler et al., 2018); ResNet-8: MLPerf Tiny."""
    path = write_model(name, tmp_path)
    assert count_macs(path, 1) / 1e6 == pytest.approx(millions, rel=0.01)
    assert count_macs(path, 8) == 8 * count_macs(path, 1)


def test_token_feeds_are_padded_and_of_the_vocabulary() -> None:
    (feeds,) = MODELS["minilm_l6"].feeds(1, batch=8, seed=0)
    ids, mask = feeds["input_ids"], feeds["attention_mask"]
    assert ids.shape == mask.shape == (8, 128)
    assert ids.min() == 0
    assert 999 <= ids[mask == 1].min() <= ids.max() < 30522
    assert (ids[mask == 0] == 0).all()
    assert (np.diff(mask, axis=1) <= 0).all()


def test_light_models_keep_no_constant_fill() -> None:
    model = MODELS["squeezenet"].build()
    assert "ConstantOfShape" not in {node.op_type for node in model.graph.node}
    weights = [numpy_helper.to_array(t) for t in model.graph.initializer]
    assert all(w.std() > 0 for w in weights if w.dtype == np.float32 and w.size > 1)
