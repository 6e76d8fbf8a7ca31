"""Schemes are honored: in the types, and by the kernels as by the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialects.nn.elementwise import AddOp, SigmoidOp
from dialects.nn.movement import ConcatOp
from dialects.nn.pooling import MaxPoolOp
from dialects.nn.scheme import Scheme, SchemeAttr
from dialects.program import nn_ops, scheme_of, set_scheme
from dialects.quant import QuantizeCastOp
from passes.base import OctetPass
from passes.calibrate.assign_scheme import fix_range
from passes.calibrate.calibrate import CalibratePass
from passes.dataflow import element_of_quantized, stored_behind, weight_operand
from passes.integer.fuse_lookup_table import FuseLookupTablePass
from passes.integer.quantize_ops import QuantizeOpsPass
from passes.kernel.assign_layout import AssignLayoutPass
from passes.kernel.lower_to_kernel import LowerToKernelPass
from passes.kernel.plan_memory import PlanMemoryPass
from passes.placement.place_precision import PlacePrecisionPass
from passes.quantize.insert_qdq import InsertQdqPass
from passes.quantize.propagate_qdq import PropagateQdqPass
from passes.quantize.squash_qdq import SquashQdqPass
from passes.quantize.unify_scales import UnifyScalesPass
from runtime.program import Program

Build = Callable[..., Any]

INTEGER: tuple[OctetPass, ...] = (
    UnifyScalesPass(),
    PropagateQdqPass(),
    SquashQdqPass(),
    QuantizeOpsPass(),
    FuseLookupTablePass(),
    PropagateQdqPass(),
    SquashQdqPass(),
)
KERNEL: tuple[OctetPass, ...] = (AssignLayoutPass(), LowerToKernelPass(), PlanMemoryPass())


def small(network: Build) -> Any:
    """Two branches that are concatenated and added, a table, a pool, and a float head."""
    net = network([1, 3, 8, 8])
    stem = net.conv(net.x, 4, 3, "stem", relu=True)
    left = net.conv(stem, 4, 3, "left")
    right = net.op(SigmoidOp, net.conv(stem, 4, 1, "right"), layer="gate")
    both = net.op(ConcatOp, left, right, axis=1, layer="both")
    pooled = net.pool(MaxPoolOp, both, "pool")
    mixed = net.conv(pooled, 8, 1, "mixed")
    total = net.op(AddOp, mixed, pooled, layer="total")
    return net.outputs(net.conv(total, 2, 1, "head"))


def weight_element(op: Any) -> Any:
    stored = stored_behind(op.operands[weight_operand(op)])
    assert stored is not None
    return element_of_quantized(stored)


FORMS = st.fixed_dictionaries(
    {},
    optional={
        "storage": st.sampled_from(["u8", "s8"]),
        "symmetric": st.booleans(),
        "narrow_range": st.booleans(),
        "reduce_range": st.booleans(),
    },
)
FIXED = st.builds(
    lambda storage, scale, zero_point: {
        "storage": storage,
        "scale": scale,
        "zero_point": zero_point - (128 if storage == "s8" else 0),
    },
    st.sampled_from(["u8", "s8"]),
    st.floats(0.002, 0.2),
    st.integers(0, 255),
)
RANGES = st.builds(lambda low, high: {"range": [-low, high]}, st.floats(0, 3), st.floats(0.1, 5))
VALUES = st.one_of(FORMS, FIXED, RANGES)
WEIGHTS = st.one_of(
    st.builds(lambda form, per: {**form, "per_channel": per}, FORMS, st.booleans()), RANGES
)


@given(
    of_values=st.dictionaries(
        st.sampled_from(["stem", "left", "gate", "right", "both", "pool", "mixed", "total"]), VALUES
    ),
    of_weights=st.dictionaries(st.sampled_from(["stem", "left", "right", "mixed"]), WEIGHTS),
    of_input=VALUES,
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_kernels_and_reference_agree_under_any_scheme(
    network: Build, of_values: Any, of_weights: Any, of_input: Any
) -> None:
    net = small(network)
    layers = net.layers()
    for name, scheme in of_values.items():
        set_scheme(layers[name].results[0], Scheme.of(scheme))
    for name, scheme in of_weights.items():
        layers[name].weight_scheme = SchemeAttr(Scheme.of(scheme))
    if of_input:
        set_scheme(net.x, Scheme.of(of_input))
    set_ranges(net)
    net.apply(CalibratePass(), PlacePrecisionPass(), InsertQdqPass())
    for value in (net.x, *(op.results[0] for op in nn_ops(net.module))):
        check_honored(value)
    for op in nn_ops(net.module):
        if op.weight_scheme is not None and op.is_int8:
            check_form(op.weight_scheme.scheme, weight_element(op))
    net.apply(UnifyScalesPass())
    for value in (net.x, *(op.results[0] for op in nn_ops(net.module))):
        check_honored(value)
    net.apply(*INTEGER[1:])
    (expected,) = net.run()
    net.apply(*KERNEL)
    program = Program.from_module(net.module, net.ctx.weights, {})
    (actual,) = program.run({"x": net.noise(7)}).values()
    np.testing.assert_array_equal(actual, expected)


def set_ranges(net: Any) -> None:
    """What `assign-scheme` does after it wrote the schemes."""
    for value in (net.x, *(op.results[0] for op in nn_ops(net.module))):
        fix_range(value, scheme_of(value))


def check_honored(value: Any) -> None:
    scheme = scheme_of(value)
    for use in value.uses:
        if isinstance(use.operation, QuantizeCastOp):
            check_form(scheme, element_of_quantized(use.operation.result))


def check_form(scheme: Scheme, element: Any) -> None:
    storage = "s8" if element.is_signed else "u8"
    assert scheme.storage in (None, storage)
    if scheme.limits_storage:
        low, high = scheme.limits(storage)
        # A symmetric weight does without the least integer besides.
        assert element.limits in ((low, high), (low + 1, high))
    if scheme.symmetric:
        low, high = element.limits
        assert set(element.zero_points.get_values()) <= {(low + high + 1) // 2, max(low, 0)}
    if scheme.scale is not None:
        assert element.scales.get_values() == tuple(float(np.float32(s)) for s in scheme.scale)
        assert element.zero_points.get_values() == scheme.zero_point
