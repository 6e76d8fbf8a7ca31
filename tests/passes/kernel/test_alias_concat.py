"""Concatenations without copies: the same results, at every batch size, and a sound plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp, f32
from xdsl.ir import SSAValue

from dialects.elements import ui8
from dialects.errors import OctetError
from dialects.kernel.join import JoinOp
from dialects.nn.base import shape_of
from dialects.nn.elementwise import NegOp, ReluOp
from dialects.nn.movement import ConcatOp
from dialects.nn.pooling import MaxPoolOp
from dialects.quant import DequantizeCastOp, QuantizeCastOp, UniformQuantizedType
from passes.kernel.alias_concat import AliasConcatPass
from passes.kernel.assign_layout import AssignLayoutPass
from passes.kernel.lower_to_kernel import LowerToKernelPass
from passes.kernel.plan_memory import PlanMemoryPass
from runtime.planning.memory import verify_plan
from runtime.program import Program


def lowered(net: Any, alias: bool) -> ModuleOp:
    """A copy of a network's program at the kernel stage, with or without the pass."""
    module = cast(ModuleOp, net.module.clone())
    steps = [AssignLayoutPass(), LowerToKernelPass(), PlanMemoryPass()]
    if alias:
        steps.insert(2, AliasConcatPass())
    for step in steps:
        step.apply(net.ctx, module)
        module.verify()
    return module


def assert_same_results(net: Any) -> ModuleOp:
    """Runs both programs, also at another batch size and with several threads, to the bit."""
    copied, joined = lowered(net, alias=False), lowered(net, alias=True)
    verify_plan(joined)
    programs = [Program.from_module(module, net.ctx.weights, {}) for module in (copied, joined)]
    for batch, threads in ((shape_of(net.x)[0], 1), (3, 2)):
        feed = {"x": net.noise(1, batch)}
        expected, actual = (program.run(feed, threads=threads) for program in programs)
        for name, array in expected.items():
            np.testing.assert_array_equal(actual[name], array)
    return joined


def joins(module: ModuleOp) -> int:
    return sum(isinstance(op, JoinOp) for op in module.walk())


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.booleans())
def test_random_networks(
    network: Callable[..., Any], seed: int, batch: int, quantized: bool
) -> None:
    """Layers and concatenations of any earlier values, read again later."""
    rng = np.random.default_rng(seed)
    net = network((batch, 3, 6, 5), seed)
    start = net.x
    if quantized:
        element = UniformQuantizedType(ui8, f32, [0.03], [100])
        start = add(net, QuantizeCastOp(start, start.type.__class__(element, shape_of(start))))
    values: list[SSAValue] = [start]
    for layer in range(8):
        x = values[rng.integers(len(values))]
        kind = rng.integers(4)
        if kind == 0:
            count = int(rng.integers(1, 5))
            picked = [values[index] for index in rng.integers(len(values), size=count)]
            values.append(net.op(ConcatOp, *picked, axis=1))
        elif kind == 1 and not quantized:
            values.append(
                net.conv(x, int(rng.integers(1, 40)), int(rng.choice([1, 3])), f"c{layer}")
            )
        elif kind == 2 and not quantized:
            values.append(net.op(ReluOp if rng.integers(2) else NegOp, x))
        else:
            options = {"kernel": [3, 3], "strides": [1, 1], "pads": [1] * 4, "dilations": [1, 1]}
            values.append(net.op(MaxPoolOp, x, ceil_mode=False, **options))
    whole = net.op(ConcatOp, *values[1:], axis=1)
    outputs = [whole, values[int(rng.integers(1, len(values)))]]
    if quantized:
        outputs = [
            add(net, DequantizeCastOp(value, net.x.type.__class__(f32, shape_of(value))))
            for value in outputs
        ]
    net.outputs(*outputs)
    assert joins(assert_same_results(net))


def add(net: Any, op: Any) -> SSAValue:
    net.block.add_op(op)
    return op.results[0]


def test_a_dense_block_lies_in_one_buffer(network: Callable[..., Any]) -> None:
    net = network((2, 3, 8, 8))
    parts = [net.conv(net.x, 16, 3, "stem")]
    for index in range(4):
        x = parts[0] if len(parts) == 1 else net.op(ConcatOp, *parts, axis=1)
        parts.append(net.conv(x, 8, 3, f"c{index}", relu=True))
    net.outputs(net.op(ReluOp, net.op(ConcatOp, *parts, axis=1)))
    module = assert_same_results(net)
    assert joins(module) == 4
    assert "concat" not in str(module)


def test_a_window_of_nothing_is_found(network: Callable[..., Any]) -> None:
    net = network((1, 2, 4, 4))
    parts = [net.op(ReluOp, net.x), net.op(NegOp, net.x)]
    net.outputs(net.op(ReluOp, net.op(ConcatOp, *parts, axis=1)))
    module = lowered(net, alias=True)
    (join,) = (op for op in module.walk() if isinstance(op, JoinOp))
    join.result.replace_all_uses_with(join.inputs[0])
    join.detach()
    join.erase()
    with pytest.raises(OctetError, match="is a window of nothing"):
        verify_plan(module)
