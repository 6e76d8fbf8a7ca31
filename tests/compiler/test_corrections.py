"""Correction passes from the command line and Python: off by default, on by flags."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from compiler.driver import Compilation, CompileRequest
from compiler.options import check_setting, overrides_of
from dialects.errors import OctetError
from dialects.program import HISTORY

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
CORRECTIONS = {
    "equalize_channels": "activations",
    "smooth_activations": "auto",
    "clip_outliers": 8,
    "correct_bias": 8,
}


def compiled(**options: object) -> Compilation:
    data = dict(np.load(DIGITS / "calibration.npz"))
    model = DIGITS / "digits.onnx"
    compilation = Compilation(CompileRequest(model, calibration_data=data, options=options))
    compilation.run()
    return compilation


@pytest.mark.parametrize("value", ["auto", "off", 0, 0.25, 1])
def test_a_strength_is_a_number_or_a_word(value: object) -> None:
    check_setting("smooth_activations", value)
    overrides = overrides_of({"smooth_activations": value})
    assert overrides == {"smooth-activations": {"alpha": (value,)}}


@pytest.mark.parametrize("value", ["often", True, ["auto", "off"]])
def test_other_strengths_are_refused(value: object) -> None:
    with pytest.raises(OctetError, match="smooth_activations"):
        check_setting("smooth_activations", value)


def test_a_wrong_word_lists_the_right_ones() -> None:
    with pytest.raises(OctetError, match="--smooth-activations: expected auto or off or a number"):
        overrides_of({"smooth_activations": "often"})
    with pytest.raises(OctetError, match="--equalize-channels: expected weights or activations"):
        overrides_of({"equalize_channels": "yes"})


def test_they_are_off_by_default_and_recorded() -> None:
    history = str(compiled().module.attributes[HISTORY])
    for off in ("equalize-channels{by=off}", "alpha=off", "clip-outliers{samples=0"):
        assert off in history
    history = str(compiled(**CORRECTIONS).module.attributes[HISTORY])
    for on in ("equalize-channels{by=activations}", "alpha=auto", "clip-outliers{samples=8"):
        assert on in history


def test_all_together_give_the_same_program_twice_and_run() -> None:
    first, second = compiled(**CORRECTIONS), compiled(**CORRECTIONS)
    assert str(first.module) == str(second.module)
    data = dict(np.load(DIGITS / "calibration.npz"))
    corrected, plain = first.program().run(data), compiled().program().run(data)
    for name, outputs in plain.items():
        agreement = np.mean(outputs.argmax(-1) == corrected[name].argmax(-1))
        assert agreement > 0.98
