"""Generated loops beside hand-written kernels: whole chains, and single ops.

    python benchmarks/loops.py              the table of docs/loops.md
    python benchmarks/loops.py gelu norm    only rows whose name contains one of the words

Every row is compiled twice, once without `fuse-loops` (hand-written kernels, one per op) and once
with it (one generated loop); both must give the same bits. Times are the least of many runs on
one thread, the two programs taking turns.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any, cast

import numpy as np
from rich.console import Console
from rich.table import Table
from xdsl.dialects.builtin import ModuleOp, TensorType, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region, SSAValue

from dialects.context import OctetContext, make_context
from dialects.elements import ui8
from dialects.nn import elementwise, normalization, reduction
from dialects.nn.base import NnOp, shape_of
from dialects.nn.constant import ConstantOp
from dialects.quant import QuantizeCastOp, UniformQuantizedType
from passes.base import OctetPass
from passes.kernel.assign_layout import AssignLayoutPass
from passes.kernel.fuse_loops import FuseLoopsPass
from passes.kernel.lower_to_kernel import LowerToKernelPass
from passes.kernel.plan_memory import PlanMemoryPass
from runtime.kernels.isa import best_isa
from runtime.plan import Plan

SECONDS = 0.3
ROWS, FEATURES, HIDDEN = (1, 128, 768), 768, (1, 128, 3072)
SCORES, MASK = (1, 12, 128, 128), (1, 1, 1, 128)
BYTES = UniformQuantizedType(ui8, f32, [0.03], [128])


class Chain:
    """Builds one program; its inputs are float tensors."""

    def __init__(self, *shapes: tuple[int, ...]) -> None:
        self.ctx: OctetContext = make_context()
        self.block = Block(arg_types=[TensorType(f32, shape) for shape in shapes])
        self.inputs = list(self.block.args)

    def __call__(self, kind: type[NnOp], *operands: SSAValue, **options: Any) -> SSAValue:
        op = kind.make(*operands, **options)
        self.block.add_op(op)
        return op.results[0]

    def constant(self, *shape: int) -> SSAValue:
        array = np.random.default_rng(1).uniform(0.5, 1.5, shape).astype(np.float32)
        constant = ConstantOp.of(array, self.ctx.weights)
        self.block.add_op(constant)
        return constant.result

    def quantized(self, x: SSAValue) -> SSAValue:
        cast = QuantizeCastOp(x, TensorType(BYTES, shape_of(x)))
        self.block.add_op(cast)
        return cast.result

    def norm(self, x: SSAValue) -> SSAValue:
        scale, bias = self.constant(FEATURES), self.constant(FEATURES)
        return self(normalization.LayerNormOp, x, scale, bias, axis=-1, epsilon=1e-5)

    def module(self, results: tuple[SSAValue, ...]) -> ModuleOp:
        self.block.add_op(ReturnOp(*results))
        types = ([v.type for v in self.block.args], [v.type for v in results])
        return ModuleOp([FuncOp("main", types, Region(self.block))])

    def lowered(self, module: ModuleOp, *, fuse: bool, single: bool) -> ModuleOp:
        """At stage `kernel`, its memory planned."""
        module = cast(ModuleOp, module.clone())
        passes: list[OctetPass] = [AssignLayoutPass(), LowerToKernelPass()]
        passes += [FuseLoopsPass(single_calls=single)] if fuse else []
        passes.append(PlanMemoryPass())
        for each in passes:
            each.apply(self.ctx, module)
        return module

    def plan(self, module: ModuleOp, *, fuse: bool, single: bool) -> Plan:
        module = self.lowered(module, fuse=fuse, single=single)
        return Plan(module, self.ctx.weights, best_isa(), {})


Body = Callable[[Chain], "SSAValue | tuple[SSAValue, ...]"]


def _unary(kind: type[NnOp], **options: object) -> Body:
    return lambda c: c(kind, c.inputs[0], **options)


def residual_norm(c: Chain) -> tuple[SSAValue, ...]:
    x = c.norm(c(elementwise.AddOp, *c.inputs))
    return x, c.quantized(x)


def masked_softmax(c: Chain) -> SSAValue:
    x = c(elementwise.DivOp, c.inputs[0], c.constant())
    return c(normalization.SoftmaxOp, c(elementwise.AddOp, x, c.inputs[1]), axis=-1)


def root_mean_square_norm(c: Chain) -> SSAValue:
    (x,) = c.inputs
    squares = c(elementwise.MulOp, x, x)
    mean = c(reduction.ReduceMeanOp, squares, axes=[-1], keepdims=True)
    root = c(elementwise.SqrtOp, c(elementwise.AddOp, mean, c.constant()))
    return c(elementwise.MulOp, c(elementwise.DivOp, x, root), c.constant(FEATURES))


def bias_gelu(c: Chain) -> SSAValue:
    x = c(elementwise.AddOp, c.inputs[0], c.constant(HIDDEN[-1]))
    return c(elementwise.GeluOp, x, approximate="none")


def gated(c: Chain) -> SSAValue:
    return c(elementwise.MulOp, c(elementwise.SiluOp, c.inputs[0]), c.inputs[1])


def gated_bytes(c: Chain) -> SSAValue:
    return c.quantized(gated(c))


def hard_swish_residual(c: Chain) -> SSAValue:
    x = c(elementwise.AddOp, c(elementwise.HardSwishOp, c.inputs[0]), c.inputs[1])
    return c(elementwise.ReluOp, x)


CHAINS: dict[str, tuple[tuple[tuple[int, ...], ...], Body]] = {
    "add, layer_norm, quantize": ((ROWS, ROWS), residual_norm),
    "div, add mask, softmax": ((SCORES, MASK), masked_softmax),
    "rms norm (6 ops)": ((ROWS,), root_mean_square_norm),
    "add bias, gelu": ((HIDDEN,), bias_gelu),
    "silu, mul": ((HIDDEN, HIDDEN), gated),
    "silu, mul, quantize": ((HIDDEN, HIDDEN), gated_bytes),
    "hard_swish, add, relu": ((HIDDEN, HIDDEN), hard_swish_residual),
}
SINGLES: dict[str, tuple[tuple[tuple[int, ...], ...], Body]] = {
    "layer_norm": ((ROWS,), lambda c: c.norm(c.inputs[0])),
    "softmax": ((SCORES,), _unary(normalization.SoftmaxOp, axis=-1)),
    "gelu": ((HIDDEN,), _unary(elementwise.GeluOp, approximate="none")),
    "silu": ((HIDDEN,), _unary(elementwise.SiluOp)),
    "tanh": ((HIDDEN,), _unary(elementwise.TanhOp)),
    "hard_swish": ((HIDDEN,), _unary(elementwise.HardSwishOp)),
    "relu": ((HIDDEN,), _unary(elementwise.ReluOp)),
    "add": ((HIDDEN, HIDDEN), lambda c: c(elementwise.AddOp, *c.inputs)),
    "quantize": ((HIDDEN,), lambda c: c.quantized(c.inputs[0])),
}


def least_times(plans: list[Plan], feeds: dict[str, np.ndarray]) -> list[float]:
    """Least seconds of one run of each plan, taking turns."""
    least = [float("inf")] * len(plans)
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        for number, plan in enumerate(plans):
            plan.write_inputs(feeds)  # their memory is used again during a run
            start = time.perf_counter()
            plan.execute()
            least[number] = min(least[number], time.perf_counter() - start)
    return least


def measure(name: str, shapes: tuple[tuple[int, ...], ...], body: Body) -> tuple[float, float]:
    """Seconds of the hand-written kernels and of the loop. Raises ValueError if bits differ."""
    chain = Chain(*shapes)
    results = body(chain)
    results = results if isinstance(results, tuple) else (results,)
    single = name in SINGLES
    module = chain.module(results)
    plans = [chain.plan(module, fuse=fuse, single=single) for fuse in (False, True)]
    random = np.random.default_rng(0)
    feeds = {
        f"arg{i}": random.standard_normal(shape).astype(np.float32)
        for i, shape in enumerate(shapes)
    }
    expected, found = (plan.run(feeds) for plan in plans)
    if any(expected[key].tobytes() != found[key].tobytes() for key in expected):
        raise ValueError(f"{name}: the loop gives other bits")
    hand, loop = least_times(plans, feeds)
    return hand, loop


def main(words: list[str]) -> int:
    table = Table("chain", "elements", "kernels [us]", "loop [us]", "times faster")
    for title, cases in (("one loop for several ops", CHAINS), ("single ops", SINGLES)):
        table.add_section()
        table.add_row(f"[bold]{title}")
        for name, (shapes, body) in cases.items():
            if words and not any(word in name for word in words):
                continue
            hand, loop = measure(name, shapes, body)
            cells = f"{hand * 1e6:.0f}", f"{loop * 1e6:.0f}", f"{hand / loop:.2f}"
            table.add_row(name, f"{int(np.prod(shapes[0])):,}", *cells)
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
