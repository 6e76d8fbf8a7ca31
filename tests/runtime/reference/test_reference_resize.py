"""Every mode of Resize against ONNX Runtime and, where they differ, ONNX's own implementation."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from dialects.errors import OctetError
from runtime.reference import REFERENCE

resize = REFERENCE["resize"]
X = np.random.default_rng(23).standard_normal((2, 3, 7, 5), dtype=np.float32)
TRANSFORMATIONS = [
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "asymmetric",
    "align_corners",
]
SCALES = [(2.0, 2.0), (1.7, 0.6), (0.3, 2.3), (0.25, 0.25)]
SIZES = [(14, 10), (9, 3), (1, 1)]


def targets(transformation):
    """Targets whose coordinates ONNX Runtime computes like ONNX: it rounds lengths first, and
    "align_corners" depends on them."""
    kept = [
        scales
        for scales in SCALES
        if transformation != "align_corners"
        or all((size * np.float32(s)).is_integer() for size, s in zip((7, 5), scales, strict=True))
    ]
    return [{"scales": (1, 1, *s)} for s in kept] + [{"sizes": (2, 3, *s)} for s in SIZES]


def of_the_standard(op_type, inputs, **attributes):
    """The result of ONNX's reference implementation; a stand-in for `run_onnx`."""
    names = [f"in{i}" if value is not None else "" for i, value in enumerate(inputs)]
    given = {name: value for name, value in zip(names, inputs, strict=True) if value is not None}
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(op_type, names, ["out"], **attributes)],
        "one_node",
        [
            onnx.helper.make_tensor_value_info(
                name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape
            )
            for name, value in given.items()
        ],
        [onnx.helper.make_empty_tensor_value_info("out")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 19)])
    return ReferenceEvaluator(model).run(None, given)[0]


def onnx_resize(run_onnx, x=X, scales=None, sizes=None, roi=None, **attributes):
    inputs = [
        x,
        None if roi is None else np.array(roi, np.float32),
        None if scales is None else np.array(scales, np.float32),
        None if sizes is None else np.array(sizes, np.int64),
    ]
    while inputs[-1] is None:
        inputs.pop()
    names = {
        "coordinate_transformation": "coordinate_transformation_mode",
        "cubic_coeff": "cubic_coeff_a",
    }
    return run_onnx("Resize", inputs, **{names.get(k, k): v for k, v in attributes.items()})


@pytest.mark.parametrize("nearest", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
def test_nearest(run_onnx, transformation, nearest):
    attributes = {
        "mode": "nearest",
        "coordinate_transformation": transformation,
        "nearest_mode": nearest,
    }
    # With an odd size, half_pixel_symmetric puts its middle sample exactly on a pixel's centre:
    # floor and ceil then follow the last bit of the coordinate. Even sizes have no such sample.
    tied = transformation == "half_pixel_symmetric" and nearest in ("floor", "ceil")
    x = X[:, :, :6, :4] if tied else X
    for target in targets(transformation):
        expected = onnx_resize(run_onnx, x, **target, **attributes)
        np.testing.assert_array_equal(resize(x, **target, **attributes), expected, str(target))


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
def test_interpolation(run_onnx, transformation, mode):
    attributes = {"mode": mode, "coordinate_transformation": transformation}
    for target in targets(transformation):
        expected = onnx_resize(run_onnx, **target, **attributes)
        result = resize(X, nearest_mode="round_prefer_floor", **target, **attributes)
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5, err_msg=str(target))


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_align_corners_uses_the_length_before_rounding(mode):
    attributes = {"mode": mode, "coordinate_transformation": "align_corners"}
    for scales in [(1, 1, *s) for s in SCALES]:
        expected = onnx_resize(of_the_standard, scales=scales, **attributes)
        result = resize(X, nearest_mode="floor", scales=scales, **attributes)
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5, err_msg=str(scales))


@pytest.mark.parametrize("exclude_outside", [0, 1])
@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("transformation", TRANSFORMATIONS)
def test_antialias(transformation, mode, exclude_outside):
    attributes = {
        "mode": mode,
        "coordinate_transformation": transformation,
        "exclude_outside": exclude_outside,
        "antialias": 1,
    }
    for target in ({"scales": (1, 1, 0.6, 0.5)}, {"sizes": (2, 3, 2, 9)}):
        expected = onnx_resize(of_the_standard, **target, **attributes)
        result = resize(X, nearest_mode="floor", **target, **attributes)
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5, err_msg=str(target))


@pytest.mark.parametrize("exclude_outside", [0, 1])
@pytest.mark.parametrize("cubic_coeff", [-0.5, -0.75])
def test_cubic_options(run_onnx, cubic_coeff, exclude_outside):
    attributes = {
        "mode": "cubic",
        "coordinate_transformation": "half_pixel",
        "cubic_coeff": cubic_coeff,
        "exclude_outside": exclude_outside,
    }
    scales = (1, 1, 1.6, 0.7)
    expected = onnx_resize(run_onnx, scales=scales, **attributes)
    result = resize(X, nearest_mode="floor", scales=scales, **attributes)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_crop_and_resize(run_onnx, mode):
    attributes = {
        "mode": mode,
        "coordinate_transformation": "tf_crop_and_resize",
        "extrapolation_value": 10.0,
    }
    target = {"sizes": (2, 3, 6, 4), "roi": (0, 0, 0.4, -0.3, 1, 1, 1.2, 0.7)}
    expected = onnx_resize(run_onnx, **target, **attributes)
    result = resize(X, nearest_mode="round_prefer_floor", **target, **attributes)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)
    assert (result == 10).any()


def test_what_cannot_be_resized_is_an_error():
    plain = {"coordinate_transformation": "half_pixel", "nearest_mode": "floor"}
    with pytest.raises(OctetError, match="neither scales nor sizes"):
        resize(X, mode="nearest", **plain)
    with pytest.raises(OctetError, match="needs floats"):
        resize(X.astype(np.uint8), mode="linear", sizes=(2, 3, 8, 8), **plain)
    with pytest.raises(OctetError, match="mode 'area'"):
        resize(X, mode="area", sizes=(2, 3, 8, 8), **plain)
    with pytest.raises(OctetError, match="antialias needs mode linear or cubic"):
        resize(X, mode="nearest", sizes=(2, 3, 4, 4), antialias=True, **plain)
    with pytest.raises(OctetError, match="needs a roi"):
        resize(
            X,
            mode="nearest",
            sizes=(2, 3, 8, 8),
            coordinate_transformation="tf_crop_and_resize",
            nearest_mode="floor",
        )
