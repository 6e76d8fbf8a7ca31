"""Labelled images for the small network: the float program's own choices are the labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import compiler
from tests.compiler.small_model import images


@pytest.fixture(scope="session")
def labelled(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 images with labels."""
    x = images(64, seed=2)
    scores = compiler.compile(model, precision="f32").run({"image": x})["scores"]
    path = tmp_path_factory.mktemp("labelled") / "evaluation.npz"
    np.savez(path, image=x, labels=scores.argmax(1))
    return path
