"""Outliers of activations move into weights: the float program stays, int8 gets better."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.driver import Compilation, CompileRequest
from compiler.module_files import write_module
from dialects.errors import OctetError
from dialects.nn.elementwise import AddOp
from dialects.nn.normalization import LayerNormOp
from dialects.program import range_of
from passes.calibrate.calibrate import CalibratePass
from passes.calibrate.smooth_activations import SMOOTHED, SmoothActivationsPass
from passes.placement.place_precision import PlacePrecisionPass
from passes.quantize.insert_qdq import InsertQdqPass

QUANTIZE = (CalibratePass(), PlacePrecisionPass(), InsertQdqPass())
WIDTH = 24


def encoder(
    network: Callable[..., Any], *, residual: bool, outliers: float = 50.0, seed: int = 0
) -> Any:
    """A layer norm with outliers in two channels, for which a query and a key layer exist, and on
    request a residual."""
    net = network((1, 6, WIDTH), seed)
    scale = net.random.uniform(0.5, 1.5, size=WIDTH)
    scale[[3, 17]] *= outliers
    shift = net.constant(0.1 * net.random.normal(size=WIDTH))
    x = net.op(LayerNormOp, net.x, net.constant(scale), shift, axis=2, epsilon=1e-5, layer="norm")
    q, k = net.dense(x, WIDTH, "q"), net.dense(x, WIDTH, "k")
    results = [q, k, net.op(AddOp, x, q, layer="sum")] if residual else [q, k]
    net.outputs(*results)
    # Enough that new data seldom exceed what each channel reached.
    net.calibrate_on([net.noise(seed, 128) for seed in range(100, 104)])
    return net


@pytest.mark.parametrize("residual", [False, True])
@given(seed=st.integers(0, 1000), alpha=st.floats(0.0, 1.0), outliers=st.floats(1.0, 1e3))
@settings(max_examples=10, deadline=None)
def test_the_float_program_stays(
    network: Callable[..., Any], residual: bool, seed: int, alpha: float, outliers: float
) -> None:
    net = encoder(network, residual=residual, outliers=outliers, seed=seed)
    expected = net.run()
    actual = net.apply(SmoothActivationsPass(alpha=alpha)).run()
    for one, other in zip(expected, actual, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5 * np.abs(one).max())


@pytest.mark.parametrize("residual", [False, True])
@pytest.mark.parametrize("alpha", [0.5, "auto"])
def test_helps_activations_with_outliers(
    network: Callable[..., Any],
    sqnr: Callable[[np.ndarray, np.ndarray], float],
    residual: bool,
    alpha: Any,
) -> None:
    """As in the paper's section 4, on data that was not used."""
    real = encoder(network, residual=residual)
    x = real.noise(7, 64)
    plain = encoder(network, residual=residual).apply(*QUANTIZE)
    smooth = encoder(network, residual=residual)
    smooth.apply(SmoothActivationsPass(alpha=alpha), *QUANTIZE)
    for index, one in enumerate(real.run(x)[:2]):
        assert sqnr(one, smooth.run(x)[index]) > sqnr(one, plain.run(x)[index]) + 4


def test_a_layer_norm_takes_it_up_unless_others_use_it(network: Callable[..., Any]) -> None:
    alone = encoder(network, residual=False).apply(SmoothActivationsPass())
    assert alone.count("nn.mul") == 0
    assert SMOOTHED in alone.layers()["q"].attributes
    shared = encoder(network, residual=True).apply(SmoothActivationsPass())
    assert shared.count("nn.mul") == 1
    layers = shared.layers()
    assert layers["q"].operands[0] is layers["k"].operands[0]
    assert layers["q"].operands[0] is layers["norm/smooth"].results[0]
    assert layers["sum"].operands[0] is layers["norm"].results[0]


def test_the_multiplication_joins_the_loop_of_the_layer_norm(
    network: Callable[..., Any], tmp_path: Path
) -> None:
    net = encoder(network, residual=True)
    write_module(net.module, net.ctx.weights, tmp_path / "encoder.mlir")
    steps = []
    for alpha in ("off", 0.5):
        options = {
            "smooth_activations": alpha,
            "pass_options": {"fuse-loops.min_elements": 1},
        }
        request = CompileRequest(
            tmp_path / "encoder.mlir", calibration_data={"x": net.noise(3, 64)}, options=options
        )
        compilation = Compilation(request)
        compilation.run()
        names = [op.name for op in compilation.module.walk() if op.name.startswith("kernel.")]
        steps.append([name for name in names if name in ("kernel.call", "kernel.reduce")])
    assert steps[0] == steps[1]
    assert "kernel.reduce" in steps[1]


@pytest.mark.parametrize("insert", ["never", "float", "always"])
def test_where_a_multiplication_may_stand(network: Callable[..., Any], insert: Any) -> None:
    net = network((1, 6, WIDTH))
    x = net.dense(net.x, WIDTH, "a")
    y = net.dense(x, WIDTH, "b")
    net.outputs(net.op(AddOp, x, y))
    net.apply(SmoothActivationsPass(insert=insert))
    # The first layer's operand is an input of the program, which no op of ours makes.
    assert net.count("nn.mul") == (insert == "always")


def test_auto_never_picks_what_is_worse_than_nothing(network: Callable[..., Any]) -> None:
    """Without outliers there is little to gain."""
    net = encoder(network, residual=False, outliers=1.0)
    x = net.noise(7, 64)
    expected = net.run(x)
    net.apply(SmoothActivationsPass(alpha="auto"), *QUANTIZE)
    plain = encoder(network, residual=False, outliers=1.0).apply(*QUANTIZE)
    errors = [
        sum(float(np.sum((a - b) ** 2)) for a, b in zip(expected, one.run(x), strict=True))
        for one in (net, plain)
    ]
    assert errors[0] < 1.3 * errors[1]


@pytest.mark.parametrize("alpha", [0.5, "auto"])
def test_twice_is_once(network: Callable[..., Any], alpha: Any) -> None:
    net = encoder(network, residual=True).apply(SmoothActivationsPass(alpha=alpha))
    text = net.text()
    assert net.apply(SmoothActivationsPass(alpha=alpha)).text() == text
    again = encoder(network, residual=True).apply(SmoothActivationsPass(alpha=alpha))
    assert again.text() == text


@pytest.mark.parametrize("residual", [False, True])
def test_calibrated_ranges_follow(network: Callable[..., Any], residual: bool) -> None:
    after = encoder(network, residual=residual)
    calibrate = CalibratePass(method="min-max")
    after.apply(calibrate, PlacePrecisionPass(), SmoothActivationsPass())
    before = encoder(network, residual=residual).apply(SmoothActivationsPass(), calibrate)
    expected, actual = (net.layers()["q"].operands[0] for net in (before, after))
    np.testing.assert_allclose(range_of(actual), range_of(expected), rtol=1e-4, atol=1e-5)
    quantized = after.apply(InsertQdqPass())
    assert quantized.layers()["q"].is_int8


def test_says_what_is_wrong(network: Callable[..., Any]) -> None:
    net = encoder(network, residual=True)
    with pytest.raises(OctetError, match=r"alpha is 0 to 1, auto or off, got 1\.5"):
        net.apply(SmoothActivationsPass(alpha=1.5))
    net.calibrate_on([])
    with pytest.raises(OctetError, match="holds no batch"):
        net.apply(SmoothActivationsPass())
    net.ctx.calibration_data = None
    with pytest.raises(OctetError, match="no calibration data was given"):
        net.apply(SmoothActivationsPass())
