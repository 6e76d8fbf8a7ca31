from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from xdsl.dialects.builtin import TensorType, f32

from dialects.elements import ui8
from dialects.errors import OctetError
from dialects.nn.elementwise import AddOp, GreaterOp, LogOp, WhereOp
from dialects.nn.scheme import METHODS, Scheme
from dialects.program import range_of, set_scheme
from dialects.quant import DequantizeCastOp, QuantizeCastOp, UniformQuantizedType
from passes.calibrate.calibrate import CalibratePass

Build = Callable[..., Any]


def small(network: Build) -> Any:
    net = network([1, 2, 4, 4])
    return net.outputs(net.conv(net.x, 3, 3, "stem", relu=True))


def test_ranges_are_the_extremes_of_all_batches(network: Build) -> None:
    net = small(network)
    batches = [net.noise(seed) for seed in range(3)]
    net.calibrate_on(batches)
    net.apply(CalibratePass())
    everything = np.concatenate(batches)
    assert range_of(net.x) == (float(everything.min()), float(everything.max()))
    (expected,) = net.run(everything)
    assert range_of(net.layers()["stem"].results[0]) == (0.0, float(expected.max()))


def test_a_watcher_sees_what_ranges_are_measured_on(network: Build) -> None:
    net = small(network)
    net.calibrate_on([net.noise(seed) for seed in range(3)])
    seen: dict[Any, list[np.ndarray]] = {}
    net.ctx.watch = lambda value, array: seen.setdefault(value, []).append(array.copy())
    net.apply(CalibratePass())
    assert set(seen) == {net.x, net.layers()["stem"].results[0]}
    for value, arrays in seen.items():
        low, high = min(map(np.min, arrays)), max(map(np.max, arrays))
        assert range_of(value) == (min(low, 0.0), max(high, 0.0))


@pytest.mark.parametrize("method", ["min-max", "moving-average", "percentile"])
def test_runs_twice_alike_and_changes_no_result(network: Build, method: Any) -> None:
    net = small(network)
    before = net.run()
    net.apply(CalibratePass(method=method))
    text = net.text()
    net.apply(CalibratePass(method=method))
    assert net.text() == text
    assert np.array_equal(before[0], net.run()[0])


def test_constants_and_values_the_model_quantizes_get_no_range(network: Build) -> None:
    net = network([1, 2, 4, 4])
    y = net.conv(net.x, 3, 3, "stem")
    element = UniformQuantizedType(ui8, f32, [0.1], [3])
    cast = QuantizeCastOp(y, TensorType(element, [1, 3, 4, 4]))
    back = DequantizeCastOp(cast.result, TensorType(f32, [1, 3, 4, 4]))
    net.block.add_ops([cast, back])
    z = net.conv(back.result, 3, 3, "head")
    net.outputs(z).apply(CalibratePass())
    assert range_of(y) is None
    assert range_of(z) is not None
    assert not [op for op in net.block.ops if op.name == "nn.constant" and op.range]


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ([], "holds no batch"),
        ([{}], "batch 0 lacks input 'x'"),
        ([{"x": np.zeros((1, 2, 4, 4), "f4"), "y": np.zeros(1)}], "unknown input 'y'"),
        ([{"x": np.zeros((1, 2, 4, 4))}], "should be float32, got float64"),
        ([{"x": np.zeros((1, 2, 4, 5), "f4")}], "should have shape .'any', 2, 4, 4., got"),
        ([{"x": np.zeros((1, 2, 4), "f4")}], "should have shape"),
        ([{"x": np.zeros((0, 2, 4, 4), "f4")}], "is empty"),
        (
            [{"x": np.zeros((1, 2, 4, 4), "f4")}, {"x": np.full((1, 2, 4, 4), np.nan, "f4")}],
            "batch 1: input 'x' holds NaN or Inf",
        ),
    ],
)
def test_wrong_data_is_named(network: Build, feeds: list[Any], message: str) -> None:
    net = small(network)
    net.ctx.calibration_data = lambda: iter(feeds)
    with pytest.raises(OctetError, match=message):
        net.apply(CalibratePass())


def test_no_data(network: Build) -> None:
    net = small(network)
    net.ctx.calibration_data = None
    with pytest.raises(OctetError, match="no calibration data was given"):
        net.apply(CalibratePass())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("value", "what"), [(-1.0, "NaN"), (0.0, "Inf")])
def test_a_layer_that_leaves_the_reals_is_named(network: Build, value: float, what: str) -> None:
    net = network([1, 2])
    net.outputs(net.op(LogOp, net.x, layer="logarithm"))
    net.calibrate_on([np.full((1, 2), value, np.float32)])
    with pytest.raises(OctetError, match=f"layer 'logarithm' gives {what} on calibration batch 0"):
        net.apply(CalibratePass())


def test_an_inherited_infinity_is_no_error_but_gets_no_range(network: Build) -> None:
    net = network([1, 2])
    mask = net.op(GreaterOp, net.x, net.constant([0.0]))
    masked = net.op(WhereOp, mask, net.x, net.constant([-np.inf]), layer="mask")
    shifted = net.op(AddOp, masked, net.x, layer="add")
    net.outputs(shifted)
    net.calibrate_on([np.array([[1.0, -1.0]], np.float32)])
    net.apply(CalibratePass())
    assert range_of(net.x) == (-1.0, 1.0)
    assert range_of(masked) is None
    assert range_of(shifted) is None


@pytest.mark.parametrize("options", [{"percentile": 0}, {"momentum": 1.0}, {"bins": 2}])
def test_options_out_of_range(network: Build, options: Any) -> None:
    with pytest.raises(OctetError, match=next(iter(options))):
        small(network).apply(CalibratePass(**options))


def test_values_are_measured_by_their_own_schemes(network: Build) -> None:
    """One by percentile, one averaged, one not at all, the rest by the pass's method."""

    def ranges(schemes: dict[str, Scheme]) -> dict[str, Any]:
        net = network([1, 2, 4, 4])
        x = net.x
        for name in ("a", "b", "c", "d"):
            x = net.op(AddOp, x, net.constant([1.0]), layer=name)
        net.outputs(x)
        for name, scheme in schemes.items():
            set_scheme(net.layers()[name].results[0], scheme)
        net.apply(CalibratePass())
        return {name: range_of(op.results[0]) for name, op in net.layers().items()}

    plain = ranges({})
    schemed = ranges(
        {
            "a": Scheme(calibration_method="percentile", percentile=80.0),
            "b": Scheme(calibration_method="moving-average", momentum=0.5),
            "c": Scheme(range=(-9.0, 9.0)),
        }
    )
    assert plain["a"][1] > schemed["a"][1] > 0.0
    assert plain["b"][1] > schemed["b"][1] > 0.0
    assert schemed["c"] is None  # `assign-scheme` writes it
    assert schemed["d"] == plain["d"]


def test_a_scheme_may_name_every_method() -> None:
    hints = get_type_hints(CalibratePass)
    assert get_args(hints["method"]) == METHODS
