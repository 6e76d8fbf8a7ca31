"""Data movement against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialects.errors import OctetError
from runtime.reference import REFERENCE

RNG = np.random.default_rng(19)
INT64_MAX, INT64_MIN = 2**63 - 1, -(2**63)


def ints(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def counted(*shape: int) -> np.ndarray:
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def test_reshape_decodes_its_shape():
    x = counted(2, 3, 4)
    assert REFERENCE["reshape"](x, shape=[6, -1]).shape == (6, 4)
    assert REFERENCE["reshape"](x, shape=[-2, -1]).shape == (2, 12)
    assert REFERENCE["reshape"](x, shape=[-4, -3, 2]).shape == (4, 3, 2)
    assert REFERENCE["reshape"](counted(0, 3), shape=[3, 0]).shape == (3, 0)
    with pytest.raises(OctetError, match="does not fit"):
        REFERENCE["reshape"](x, shape=[5, -1])
    with pytest.raises(OctetError, match="copies dimension 3"):
        REFERENCE["reshape"](x, shape=[-5, -1])


def test_sizes_of_another_value():
    x, like = np.arange(12).reshape(4, 3), np.zeros((2, 5, 1))
    np.testing.assert_array_equal(REFERENCE["crop"](x, like, shape=[-4, -6]), x[:2, :1])
    np.testing.assert_array_equal(
        REFERENCE["expand"](x[:1], like, shape=[-5, 3]), np.repeat(x[:1], 5, axis=0)
    )
    with pytest.raises(OctetError, match=r"crop: \[4, 3\] has no \[5, 3\] entries"):
        REFERENCE["crop"](x, like, shape=[-5, 3])


def test_expand(run_onnx):
    x = counted(3, 1, 2)
    expected = run_onnx("Expand", [x, ints(2, 1, 4, 1)])
    np.testing.assert_array_equal(REFERENCE["expand"](x, shape=[2, 1, 4, 1]), expected)
    assert REFERENCE["expand"](x, shape=[-2, 5, -4]).shape == (3, 5, 2)
    with pytest.raises(OctetError, match="does not broadcast"):
        REFERENCE["expand"](x, shape=[4, 1, 1])
    with pytest.raises(OctetError, match="cannot be inferred"):
        REFERENCE["expand"](x, shape=[-1, 1, 1])


BOUNDS = st.one_of(st.integers(-9, 9), st.sampled_from([INT64_MAX, INT64_MIN, INT64_MIN + 1]))


@settings(deadline=None, max_examples=150)
@given(
    st.lists(
        st.tuples(st.integers(1, 6), BOUNDS, BOUNDS, st.sampled_from([1, 1, 2, 3, -1, -2, -4])),
        min_size=1,
        max_size=3,
    )
)
def test_slice(run_onnx, axes):
    shape, starts, ends, steps = (list(v) for v in zip(*axes, strict=True))
    # ONNX Runtime reads an end of INT64_MAX with a negative step as "past the first element";
    # the specification clamps it to the last one, so nothing is left.
    ends = [0 if s < 0 and e == INT64_MAX else e for e, s in zip(ends, steps, strict=True)]
    x = counted(*shape)
    expected = run_onnx(
        "Slice", [x, ints(*starts), ints(*ends), ints(*range(x.ndim)), ints(*steps)]
    )
    result = REFERENCE["slice"](x, starts=starts, ends=ends, steps=steps)
    np.testing.assert_array_equal(result, expected)


def test_slice_clamps_bounds_to_the_axis():
    x = counted(4)
    take = REFERENCE["slice"]
    assert take(x, starts=[INT64_MAX], ends=[INT64_MIN], steps=[-1]).tolist() == [3, 2, 1, 0]
    assert take(x, starts=[-9], ends=[INT64_MIN], steps=[-1]).tolist() == [0]
    assert take(x, starts=[2], ends=[INT64_MAX], steps=[-1]).tolist() == []
    with pytest.raises(OctetError, match="step is 0"):
        take(x, starts=[0], ends=[4], steps=[0])


@settings(deadline=None, max_examples=120)
@given(
    st.lists(
        st.tuples(st.integers(5, 7), st.integers(-1, 2), st.integers(-1, 2)),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(["constant", "reflect", "edge", "wrap"]),
)
def test_pad(run_onnx, axes, mode):
    shape, begins, ends = (list(v) for v in zip(*axes, strict=True))
    x = counted(*shape)
    value = np.array(7.5, np.float32)
    expected = run_onnx("Pad", [x, ints(*begins, *ends), value], mode=mode)
    result = REFERENCE["pad"](x, pads=[*begins, *ends], mode=mode, value=7.5)
    np.testing.assert_array_equal(result, expected)


def test_pad_crops_before_it_repeats():
    x = counted(5)
    assert REFERENCE["pad"](x, pads=[-1, 2], mode="edge").tolist() == [1, 2, 3, 4, 4, 4]
    with pytest.raises(OctetError, match="mode 'mirror'"):
        REFERENCE["pad"](x, pads=[0, 1], mode="mirror")


def test_transpose_concat_tile(run_onnx):
    x, y = counted(2, 3, 4), counted(2, 5, 4)
    np.testing.assert_array_equal(
        REFERENCE["transpose"](x, permutation=[2, 0, 1]),
        run_onnx("Transpose", [x], perm=[2, 0, 1]),
    )
    np.testing.assert_array_equal(
        REFERENCE["concat"](x, y, x, axis=1), run_onnx("Concat", [x, y, x], axis=1)
    )
    np.testing.assert_array_equal(
        REFERENCE["tile"](x, repeats=[2, 1, 3]), run_onnx("Tile", [x, ints(2, 1, 3)])
    )


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("shape", [(), (3,), (2, 2)])
def test_gather(run_onnx, axis, shape):
    x = counted(3, 4, 5)
    indices = RNG.integers(-3, 3, shape)
    expected = run_onnx("Gather", [x, np.asarray(indices)], axis=axis)
    result = REFERENCE["gather"](x, np.asarray(indices), axis=axis)
    np.testing.assert_array_equal(result, expected)


def test_gather_outside_the_axis_is_an_error():
    with pytest.raises(OctetError, match="expected -3 to 2"):
        REFERENCE["gather"](counted(3), ints(3), axis=0)


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(run_onnx, mode):
    x = counted(2, 12, 3, 4)
    expected = run_onnx("DepthToSpace", [x], blocksize=2, mode=mode)
    np.testing.assert_array_equal(REFERENCE["depth_to_space"](x, block=2, mode=mode), expected)
    with pytest.raises(OctetError, match="mode 'RCD'"):
        REFERENCE["depth_to_space"](x, block=2, mode="RCD")


def test_space_to_depth(run_onnx):
    x = counted(2, 3, 4, 6)
    expected = run_onnx("SpaceToDepth", [x], blocksize=2)
    result = REFERENCE["space_to_depth"](x, block=2)
    np.testing.assert_array_equal(result, expected)
    np.testing.assert_array_equal(REFERENCE["depth_to_space"](result, block=2, mode="DCR"), x)
