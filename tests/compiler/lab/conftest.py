"""The small network as a subject of the lab."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import compiler
from compiler.lab.subject import SubjectRequest
from tests.compiler.small_model import images

PASSES = ("insert-qdq", "correct-bias{samples=8}", "propagate-qdq", "squash-qdq", "quantize-ops")


@pytest.fixture(scope="session")
def request_for(model: Path, data: Path) -> Callable[..., SubjectRequest]:
    """A request with these passes, and more as given."""

    def made(*passes: str, **more: object) -> SubjectRequest:
        return SubjectRequest(model, str(data), passes=passes or PASSES, **more)

    return made


@pytest.fixture(scope="session")
def labelled(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 images; the float program's choices are the labels."""
    x = images(64, seed=2)
    scores = compiler.compile(model, precision="f32").run({"image": x})["scores"]
    path = tmp_path_factory.mktemp("labelled") / "evaluation.npz"
    np.savez(path, image=x, labels=scores.argmax(1))
    return path
