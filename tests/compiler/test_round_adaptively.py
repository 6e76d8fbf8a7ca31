"""`--round-adaptively`, from a model file to an artifact."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import compiler

EXAMPLE = Path(__file__).parents[2] / "examples/digits"


def test_the_same_bytes_and_nearer_outputs(tmp_path: Path) -> None:
    """Rounded on the first half of the data, judged on the second."""
    images = np.load(EXAMPLE / "calibration.npz")["image"]
    model, unseen = EXAMPLE / "digits.onnx", images[64:]

    def outputs(program: compiler.Program) -> np.ndarray:
        return program.run({"image": unseen})[program.outputs[0].name].astype(np.float64)

    exact = outputs(compiler.compile(model))
    files, errors = [], []
    for name, samples in (("plain", 0), ("first", 64), ("second", 64)):
        data = {"image": images[:64]}
        program = compiler.compile(model, calibration_data=data, round_adaptively=samples)
        program.save(tmp_path / f"{name}.octet")
        files.append((tmp_path / f"{name}.octet").read_bytes())
        errors.append(float(np.sum((outputs(program) - exact) ** 2)))
    assert files[1] == files[2] != files[0]
    assert errors[1] < errors[0]
