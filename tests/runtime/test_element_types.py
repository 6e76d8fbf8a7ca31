"""Which element types programs compute in: integers run, other floats are refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from xdsl.ir import SSAValue

from dialects.context import make_context
from dialects.elements import bfloat16, element_of
from dialects.errors import OctetError
from dialects.nn import elementwise, linear, movement, reduction
from passes.kernel.lower_to_kernel import LowerToKernelPass
from tests.runtime.test_emission import RESIZE, check, normal, program_module

UNSIGNED = [np.uint16, np.uint32, np.uint64]
WIDE_FLOATS = [np.dtype(np.float16), bfloat16, np.dtype(np.float64)]


@pytest.mark.parametrize("dtype", [np.int16, *UNSIGNED])
def test_integers_in_every_family(dtype: Any) -> None:
    rng = np.random.default_rng(1)
    limits = np.iinfo(dtype)
    a, b = rng.integers(limits.min, limits.max, (2, 2, 3, 5), dtype, endpoint=True)

    def build(_c: Any, v: list[SSAValue], add: Any) -> list[SSAValue]:
        x, y = v
        less = add(elementwise.LessOp.make(x, y))
        clipped = add(elementwise.ClipOp.make(x, min=1.0, max=float("inf")))
        return [
            add(elementwise.AddOp.make(x, y)),
            add(elementwise.DivOp.make(x, clipped)),
            add(elementwise.WhereOp.make(less, x, y)),
            add(reduction.ReduceMaxOp.make(x, axes=[1], keepdims=False)),
            add(reduction.ArgMaxOp.make(x, axis=2, keepdims=True, select_last_index=False)),
            add(movement.TransposeOp.make(x, permutation=[2, 0, 1])),
        ]

    check([a, b], build)


@pytest.mark.parametrize("dtype", WIDE_FLOATS, ids=str)
def test_other_floats_can_be_moved_and_cast(dtype: np.dtype) -> None:
    x = normal(2, 3, 4, 5).astype(dtype)
    condition = np.random.default_rng(2).random((4, 1)) > 0.5

    def build(_c: Any, v: list[SSAValue], add: Any) -> list[SSAValue]:
        x, condition = v
        wide = add(elementwise.CastOp.make(x, result_elements=[element_of(np.dtype(np.float32))]))
        halved = add(elementwise.MulOp.make(wide, wide))
        return [
            wide,
            add(elementwise.CastOp.make(halved, result_elements=[element_of(dtype)])),
            add(elementwise.WhereOp.make(condition, x, x)),
            add(movement.TransposeOp.make(x, permutation=[3, 1, 0, 2])),
            add(movement.PadOp.make(x, pads=[0, 0, 1, 1] * 2, mode="constant", value=1.5)),
        ]

    check([x, condition], build)


@pytest.mark.parametrize("dtype", [np.dtype(np.float64)], ids=str)
@pytest.mark.parametrize(
    ("op", "options"),
    [
        (elementwise.MaxOp, {}),
        (elementwise.SigmoidOp, {}),
        (reduction.ReduceSumOp, {"axes": [1], "keepdims": True}),
        (linear.MatmulOp, {}),
        (movement.ResizeOp, {**RESIZE, "mode": "linear", "coordinate_transformation": "asymmetric",
                             "scales": [2.0, 2.0]}),
    ],
)  # fmt: skip
def test_arithmetic_on_other_floats_is_refused(op: Any, options: Any, dtype: np.dtype) -> None:
    x = np.zeros((3, 3), dtype)
    ctx = make_context()
    count = 2 if op in (elementwise.MaxOp, linear.MatmulOp) else 1

    def build(_c: Any, v: list[SSAValue], add: Any) -> SSAValue:
        return add(op.make(*v[:count], *([None] * 2 if op is linear.MatmulOp else []),
                           layer="here", **options))  # fmt: skip

    module = program_module(ctx, [x, x], build)
    with pytest.raises(OctetError) as error:
        LowerToKernelPass().apply(ctx, module)
    assert str(error.value) == f"here: {op.name} on {dtype.name} has no kernel; cast to float32"


def test_the_error_names_the_operand_that_does_not_fit() -> None:
    ctx = make_context()
    x, where = np.zeros((3, 3), np.float32), np.zeros((3, 3), np.float32)
    module = program_module(
        ctx, [where, x], lambda _c, v, add: add(elementwise.WhereOp.make(v[0], v[1], v[1]))
    )
    with pytest.raises(OctetError, match="on float32 has no kernel; operand 'condition' can be bo"):
        LowerToKernelPass().apply(ctx, module)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_antialiased_resize(mode: str) -> None:
    options = {"mode": mode, "coordinate_transformation": "half_pixel", **RESIZE, "antialias": True}
    check(
        [normal(1, 3, 9, 11)],
        lambda _c, v, add: add(movement.ResizeOp.make(v[0], sizes=[1, 3, 4, 3], **options)),
        1e-5,
    )


NARROW = [np.int8, np.int16, np.uint8, np.uint16, np.uint32]


@pytest.mark.parametrize("dtype", NARROW)
def test_narrow_integers_wrap_around_as_their_own_type(dtype: Any) -> None:
    """Kernels compute on wider copies: extremes, and sums and products that do not fit."""
    rng = np.random.default_rng(3)
    limits = np.iinfo(dtype)
    extremes = [limits.min, limits.max, 0, 1, limits.max - 1]
    a = rng.choice([*extremes, *range(2, 90)], (3, 4, 6)).astype(dtype)
    b = np.where((drawn := rng.permuted(a)) == 0, 1, drawn).astype(dtype)

    def build(_c: Any, v: list[SSAValue], add: Any) -> list[SSAValue]:
        x, y = v
        pairs = (
            elementwise.AddOp, elementwise.SubOp, elementwise.MulOp, elementwise.DivOp,
            elementwise.ModOp, elementwise.MinOp, elementwise.MaxOp, elementwise.LessOp,
            elementwise.LessEqualOp, elementwise.GreaterOp, elementwise.EqualOp,
        )  # fmt: skip
        reductions = (
            reduction.ReduceSumOp, reduction.ReduceProdOp, reduction.ReduceMaxOp,
            reduction.ReduceMinOp, reduction.ReduceMeanOp,
        )  # fmt: skip
        return [
            *(add(op.make(x, y)) for op in pairs),
            *(add(op.make(x, axes=[0, 2], keepdims=False)) for op in reductions),
        ]

    check([a, b], build)


@pytest.mark.parametrize("dtype", [*NARROW, np.int32])
@pytest.mark.parametrize("op", [reduction.ReduceMaxOp, reduction.ReduceMinOp])
def test_extremes_of_nothing_are_those_of_the_type(op: Any, dtype: Any) -> None:
    x = np.zeros((3, 0), dtype)
    check([x], lambda _c, v, add: add(op.make(v[0], axes=[1], keepdims=False)))
