"""Small programs built op by op, and both sides of a rewrite run through the reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from xdsl.dialects.builtin import ModuleOp, TensorType, f32
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Block, Region, SSAValue
from xdsl.transforms.canonicalize import CanonicalizePass

from dialects.context import OctetContext, make_context
from dialects.nn.base import NnOp, shape_of
from dialects.nn.constant import ConstantOp
from passes.base import OctetPass
from runtime.reference.evaluate import evaluate


class Network:
    """`n = Network((1, 3)); y = n.apply(ReluOp, n.inputs[0]); n.returns(y)`."""

    def __init__(self, *input_shapes: tuple[int, ...], seed: int = 0):
        self.ctx: OctetContext = make_context()
        self.random = np.random.default_rng(seed)
        self.block = Block(arg_types=[TensorType(f32, shape) for shape in input_shapes])
        self.inputs = self.block.args

    def constant(self, array: np.ndarray | float) -> SSAValue:
        constant = ConstantOp.of(np.asarray(array, np.float32), self.ctx.weights)
        self.block.add_op(constant)
        return constant.result

    def weights(self, *shape: int) -> SSAValue:
        return self.constant(self.random.normal(size=shape))

    def apply(self, kind: type[NnOp], *operands: SSAValue | None, **options: object) -> SSAValue:
        op = kind.make(*operands, **options)
        self.block.add_op(op)
        return op.results[0]

    def returns(self, *values: SSAValue) -> Program:
        self.block.add_op(ReturnOp(*values))
        types = ([value.type for value in self.inputs], [value.type for value in values])
        module = ModuleOp([FuncOp("main", types, Region(self.block))])
        module.verify()
        return Program(self.ctx, module, self.random)


class Program:
    def __init__(self, ctx: OctetContext, module: ModuleOp, random: np.random.Generator):
        self.ctx, self.module = ctx, module
        function = next(op for op in module.ops if isinstance(op, FuncOp))
        self.body = function.body.block
        self.feeds = {
            f"arg{i}": (3 * random.normal(size=shape_of(argument))).astype(np.float32)
            for i, argument in enumerate(self.body.args)
        }

    def run(self) -> list[np.ndarray]:
        return list(evaluate(self.module, self.feeds, self.ctx.weights).values())

    def after(self, *passes: OctetPass | CanonicalizePass) -> Counter[str]:
        """Runs the passes, verifies, and counts the ops that are left, constants aside."""
        for each in passes:
            each.apply(self.ctx, self.module)
            self.module.verify()
        assert_defined_before_use(self.body)
        return Counter(op.mnemonic for op in self.body.ops if isinstance(op, NnOp)) - Counter(
            {"constant": 10**6}
        )


def assert_defined_before_use(block: Block) -> None:
    """xDSL's verifier does not look at the order."""
    known: set[SSAValue] = set(block.args)
    for op in block.ops:
        assert all(operand in known for operand in op.operands), op
        known.update(op.results)


def assert_same(
    before: Sequence[np.ndarray], after: Sequence[np.ndarray], tolerance: float = 0.0
) -> None:
    """Equal, or within `tolerance` of the largest value."""
    assert len(before) == len(after)
    for expected, actual in zip(before, after, strict=True):
        assert expected.shape == actual.shape
        assert expected.dtype == actual.dtype
        if tolerance == 0.0:
            np.testing.assert_array_equal(actual, expected)
        else:
            bound = tolerance * max(1.0, float(np.abs(expected).max(initial=0.0)))
            np.testing.assert_allclose(actual, expected, rtol=0, atol=bound)
