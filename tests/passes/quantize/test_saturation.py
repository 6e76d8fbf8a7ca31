"""Ranges that functions tell apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import TensorType, f32
from xdsl.ir import Block

from dialects.context import make_context
from dialects.nn.base import NnOp
from dialects.nn.elementwise import GeluOp, HardSwishOp, SigmoidOp, SiluOp, TanhOp
from passes.quantize.parameters import activation_element
from passes.quantize.saturation import distinguished
from runtime.reference.evaluate import evaluate_op, params_of
from runtime.reference.quantization import quantize

KINDS: dict[str, tuple[type[NnOp], dict[str, str]]] = {
    "gelu": (GeluOp, {"approximate": "none"}),
    "silu": (SiluOp, {}),
    "hard_swish": (HardSwishOp, {}),
    "sigmoid": (SigmoidOp, {}),
    "tanh": (TanhOp, {}),
}
# An op needs an operand to be made; it is evaluated on others.
BLOCK = Block(arg_types=[TensorType(f32, (4,))])


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=30, deadline=None)
@given(low=st.floats(-60.0, -0.5), high=st.floats(0.5, 60.0))
def test_outside_of_it_the_result_does_not_change(name: str, low: float, high: float) -> None:
    kind, options = KINDS[name]
    op, ctx = kind.make(BLOCK.args[0], **options), make_context()
    points = np.linspace(low, high, 5001, dtype=np.float32)
    y = evaluate_op(op, [points], ctx.weights)[0]
    element = activation_element(float(y.min()), float(y.max()), "u8")
    least, greatest = distinguished((low, high), op, element, ctx)
    assert low - 1e-4 <= least < greatest <= high + 1e-4
    stored = quantize(y, params_of(element))
    clamped = np.clip(points, least, greatest)
    of_clamped = quantize(evaluate_op(op, [clamped], ctx.weights)[0], params_of(element))
    # Between two points that are looked at, a step may be missed.
    assert np.abs(stored.astype(int) - of_clamped).max() <= 1
    assert np.mean(stored != of_clamped) < 0.01
    op.erase()


def test_gelu_gives_up_what_is_far_below_zero() -> None:
    op, ctx = GeluOp.make(BLOCK.args[0], approximate="none"), make_context()
    element = activation_element(-0.17, 25.0, "u8")
    least, greatest = distinguished((-17.0, 25.0), op, element, ctx)
    assert -2.5 < least < -1.5
    assert greatest > 24.8
    op.erase()


def test_a_function_that_is_constant_on_the_range_keeps_it() -> None:
    op, ctx = HardSwishOp.make(BLOCK.args[0]), make_context()
    element = activation_element(0.0, 10.0, "u8")
    assert distinguished((-9.0, -4.0), op, element, ctx) == (-9.0, -4.0)
    op.erase()
