"""Small programs with seeded random weights, built op by op."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from xdsl.dialects.builtin import ArrayAttr, DictionaryAttr, ModuleOp, StringAttr, TensorType, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region, SSAValue

from dialects.context import OctetContext, make_context
from dialects.nn.attributes import RELU
from dialects.nn.base import NnOp, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.linear import ConvOp, MatmulOp
from dialects.nn.pooling import AvgPoolOp, MaxPoolOp
from dialects.program import nn_ops
from passes.base import OctetPass
from runtime.reference.evaluate import evaluate


class Network:
    """Builds one program; `x` is its input, `outputs` its results, `apply` runs passes on it."""

    def __init__(self, shape: Sequence[int], seed: int = 0) -> None:
        self.ctx: OctetContext = make_context()
        self.random = np.random.default_rng(seed)
        self.block = Block(arg_types=[TensorType(f32, shape)])
        self.x: SSAValue = self.block.args[0]
        self.module: ModuleOp

    def op(self, op_class: type[NnOp], *operands: SSAValue | None, **options: Any) -> SSAValue:
        op = op_class.make(*operands, **options)
        self.block.add_op(op)
        return op.results[0]

    def constant(self, array: Any) -> SSAValue:
        op = ConstantOp.of(np.asarray(array, np.float32), self.ctx.weights)
        self.block.add_op(op)
        return op.result

    def conv(
        self,
        x: SSAValue,
        channels: int,
        kernel: int,
        layer: str,
        *,
        relu: bool = False,
        groups: int = 1,
        residual: SSAValue | None = None,
        weight: Any = None,
        bias: Any = None,
    ) -> SSAValue:
        """A convolution with He-scaled weights (He et al. 2015) and "same" padding."""
        shape = (channels, shape_of(x)[1] // groups, kernel, kernel)
        if weight is None:
            weight = self.random.normal(size=shape) * np.sqrt(2.0 / np.prod(shape[1:]))
        if bias is None:
            bias = 0.1 * self.random.normal(size=channels)
        return self.op(
            ConvOp,
            x,
            self.constant(weight),
            self.constant(bias),
            residual,
            strides=[1, 1],
            pads=[kernel // 2] * 4,
            dilations=[1, 1],
            groups=groups,
            activation=RELU if relu else None,
            layer=layer,
        )

    def dense(self, x: SSAValue, channels: int, layer: str, **more: Any) -> SSAValue:
        depth = shape_of(x)[-1]
        weight = self.random.normal(size=(depth, channels)) / np.sqrt(depth)
        bias = self.constant(0.1 * self.random.normal(size=channels))
        return self.op(MatmulOp, x, self.constant(weight), bias, layer=layer, **more)

    def pool(self, op_class: type[NnOp], x: SSAValue, layer: str, size: int = 2) -> SSAValue:
        options: dict[str, Any] = {
            "kernel": [size] * 2,
            "strides": [size] * 2,
            "pads": [0] * 4,
            "dilations": [1, 1],
            "ceil_mode": False,
        }
        if op_class is AvgPoolOp:
            options["count_include_pad"] = False
        assert op_class in (AvgPoolOp, MaxPoolOp)
        return self.op(op_class, x, layer=layer, **options)

    def outputs(self, *values: SSAValue) -> Network:
        """Ends the program; calibration data is four batches of normal noise from now on."""
        self.block.add_op(ReturnOp(*values))
        types = [value.type for value in values]
        function = FuncOp("main", ([self.x.type], types), Region(self.block))
        function.arg_attrs = ArrayAttr([DictionaryAttr({"nn.name": StringAttr("x")})])
        self.module = ModuleOp([function])
        self.module.verify()
        self.calibrate_on([self.noise(seed) for seed in range(100, 104)])
        return self

    def noise(self, seed: int, batch: int = 4) -> np.ndarray:
        shape = (batch, *shape_of(self.x)[1:])
        return np.random.default_rng(seed).normal(size=shape).astype(np.float32)

    def calibrate_on(self, batches: Sequence[np.ndarray]) -> None:
        self.ctx.calibration_data = lambda: ({"x": batch} for batch in batches)

    def apply(self, *passes: OctetPass) -> Network:
        for one in passes:
            one.apply(self.ctx, self.module)
            self.module.verify()
        return self

    def run(self, x: np.ndarray | None = None) -> list[np.ndarray]:
        feed = self.noise(7) if x is None else x
        return list(evaluate(self.module, {"x": feed}, self.ctx.weights).values())

    def layers(self) -> dict[str, NnOp]:
        """Ops by every name they answer to."""
        return {name: op for op in nn_ops(self.module) for name in op.names}

    def count(self, name: str) -> int:
        return sum(op.name == name for op in self.module.walk())

    def text(self) -> str:
        return str(self.module)


@pytest.fixture(scope="session")
def network() -> Callable[..., Network]:
    return Network


def sqnr_db(expected: np.ndarray, actual: np.ndarray) -> float:
    """10 log10(sum f^2 / sum (f - q)^2)."""
    noise = np.sum((expected.astype(np.float64) - actual) ** 2)
    return float(10 * np.log10(np.sum(expected.astype(np.float64) ** 2) / max(noise, 1e-300)))


@pytest.fixture(scope="session")
def sqnr() -> Callable[[np.ndarray, np.ndarray], float]:
    return sqnr_db
