"""Slices without copies: the same results, at every batch size, and a sound plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from dialects.kernel.part import PartOp
from dialects.nn.base import shape_of
from dialects.nn.elementwise import MulOp, NegOp, ReluOp, SigmoidOp
from dialects.nn.movement import ConcatOp, SliceOp
from dialects.nn.pooling import MaxPoolOp
from passes.kernel.alias_concat import AliasConcatPass
from passes.kernel.alias_slice import AliasSlicePass
from passes.kernel.assign_layout import AssignLayoutPass
from passes.kernel.fuse_loops import FuseLoopsPass
from passes.kernel.lower_to_kernel import LowerToKernelPass
from passes.kernel.plan_memory import PlanMemoryPass
from runtime.planning.memory import verify_plan
from runtime.program import Program

WHOLE = 1 << 30


def lowered(net: Any, alias: bool) -> ModuleOp:
    """A copy of a network's program at the kernel stage, with or without aliases."""
    module = cast(ModuleOp, net.module.clone())
    aliasing = [AliasConcatPass(), AliasSlicePass()] if alias else []
    lowering = (AssignLayoutPass(), LowerToKernelPass(), FuseLoopsPass())
    for step in (*lowering, *aliasing, PlanMemoryPass()):
        step.apply(net.ctx, module)
        module.verify()
    return module


def parts_of_same_program(net: Any) -> int:
    """Runs both programs, also at another batch size and with several threads, to the bit; returns
    how many slices move nothing."""
    copied, aliased = lowered(net, alias=False), lowered(net, alias=True)
    verify_plan(aliased)
    programs = [Program.from_module(module, net.ctx.weights, {}) for module in (copied, aliased)]
    for batch, threads in ((shape_of(net.x)[0], 1), (3, 2)):
        feed = {"x": net.noise(1, batch)}
        expected, actual = (program.run(feed, threads=threads) for program in programs)
        for name, array in expected.items():
            np.testing.assert_array_equal(actual[name], array)
    return sum(isinstance(op, PartOp) for op in aliased.walk())


def channels(net: Any, x: SSAValue, start: int, end: int) -> SSAValue:
    """Some channels of x, whatever its batch size."""
    starts, ends = [0, start, 0, 0], [WHOLE, end, WHOLE, WHOLE]
    return net.op(SliceOp, x, starts=starts, ends=ends, steps=[1] * 4)


@settings(max_examples=25, deadline=None, derandomize=True, database=None)
@given(st.integers(0, 10_000), st.integers(1, 3))
def test_random_networks(network: Callable[..., Any], seed: int, batch: int) -> None:
    """Layers, concatenations and slices of any earlier values, read again later."""
    rng = np.random.default_rng(seed)
    net = network((batch, 4, 6, 5), seed)
    values: list[SSAValue] = [net.x]
    for layer in range(10):
        x = values[rng.integers(len(values))]
        count = shape_of(x)[1]
        kind = rng.integers(5)
        if kind <= 1:
            start = int(rng.integers(0, count))
            values.append(channels(net, x, start, int(rng.integers(start + 1, count + 1))))
        elif kind == 2:
            values.append(net.op(ConcatOp, x, values[rng.integers(len(values))], axis=1))
        elif kind == 3:
            kernel = int(rng.choice([1, 3]))
            values.append(net.conv(x, int(rng.integers(1, 40)), kernel, f"c{layer}"))
        else:
            kinds = (ReluOp, NegOp, SigmoidOp)
            values.append(net.op(kinds[rng.integers(len(kinds))], x))
    first, rest = channels(net, values[-1], 0, 1), channels(net, values[-1], -1, WHOLE)
    net.outputs(net.op(ReluOp, first), net.op(NegOp, rest), values[-1])
    assert parts_of_same_program(net) >= 2


def test_a_channel_split_copies_nothing(network: Callable[..., Any]) -> None:
    net = network((2, 3, 8, 8))
    options = {"kernel": [3, 3], "strides": [1, 1], "pads": [1] * 4, "dilations": [1, 1]}
    x = net.conv(net.x, 32, 3, "stem", relu=True)
    left, right = channels(net, x, 0, 16), channels(net, x, 16, 32)
    right = net.op(MaxPoolOp, net.conv(right, 16, 1, "point"), ceil_mode=False, **options)
    net.outputs(net.op(ReluOp, net.op(ConcatOp, left, right, axis=1)))
    assert parts_of_same_program(net) == 1  # the left half is copied into the concatenation


def test_the_halves_of_a_gated_unit_are_read_by_a_loop(network: Callable[..., Any]) -> None:
    net = network((2, 16, 5, 3))
    halves = channels(net, net.x, 0, 8), channels(net, net.x, 8, 16)
    net.outputs(net.op(MulOp, halves[0], net.op(SigmoidOp, halves[1])))
    assert parts_of_same_program(net) == 2
