"""Where imported ops go: into the program, or straight into numpy.

Import functions are written once against `Builder`. For a node whose operands are small known
integers, the same function runs on a `FoldingBuilder`, which evaluates instead of building:
shape arithmetic needs no second definition of any op.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from xdsl.dialects.builtin import StringAttr, TensorType
from xdsl.ir import Attribute, Block, Operation, SSAValue
from xdsl.utils.exceptions import VerifyException

from dialects.elements import dtype_of
from dialects.errors import OctetError, SizeLimitError
from dialects.nn.base import NnOp, element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.quant import CastOp, UniformQuantizedType
from dialects.shapes import Shape
from dialects.weights import WeightStore
from runtime.reference.evaluate import evaluate_op

from .coding import column
from .following import materialized
from .tensors import checked_size
from .values import FOLD_LIMIT, Tensor

MAX_GENERATED = 2**30
"""Elements that constants made by nodes (ConstantOfShape, Range) may have in all: a model of a
few bytes must not fill the memory. VGG-19 has 2**27 weights."""

CONSTANT_DEPTH = 32
"""How many ops deep an operand that must be constant may be computed in the graph."""


class TooLargeToFold(Exception):
    """A fold's result is no small constant; the node is built instead."""


class Builder(ABC):
    """Makes ops out of tensors."""

    count: int
    """How many assignments shapes and contents are known at."""
    implied_batch = False
    """A literal 1 in front may mean the batch; see `dims.InputSizes`."""

    @abstractmethod
    def emit(
        self,
        kind: type[NnOp],
        operands: Sequence[Tensor | None],
        layer: str,
        result_elements: Sequence[Attribute] | None = None,
        **options: Any,
    ) -> tuple[Tensor, ...]:
        """One op; its results."""

    @abstractmethod
    def cast(self, kind: type[CastOp], operand: Tensor, element: Attribute, layer: str) -> Tensor:
        """One of the `quant` casts to a tensor of `element`."""

    @abstractmethod
    def fix(self, layer: str, reason: str) -> None:
        """Gives up other sizes than the defaults for this program, for a reason."""

    @abstractmethod
    def claim(self, elements: int) -> None:
        """Called before an array of so many elements is generated. Raises when it is too much."""

    @abstractmethod
    def contents(self, tensor: Tensor) -> np.ndarray | None:
        """The contents at the default sizes, if known or computed from constants alone."""

    @abstractmethod
    def inputs_of(self, tensor: Tensor) -> list[str]:
        """The names of the program's inputs that a value is computed from."""

    def input_with(self, sizes: Sequence[tuple[int, ...]]) -> Tensor | None:
        """The first input of the program that has a dimension of each of these sizes, given at
        every assignment."""
        return None

    def constant(self, *arrays: np.ndarray, layer: str, from_shape: bool = False) -> Tensor:
        """A value with known contents, the same at all sizes or one per assignment."""
        return Tensor.known(arrays, layer, from_shape=from_shape, count=self.count)


class GraphBuilder(Builder):
    """Appends ops to the block of the program's function."""

    def __init__(
        self,
        block: Block,
        input_names: Sequence[str],
        weights: WeightStore,
        count: int,
        implied_batch: bool,
    ):
        self.block = block
        self.input_names = input_names
        self.weights = weights
        self.count = count
        self.implied_batch = implied_batch
        self.fixed: str | None = None
        self.inputs: list[Tensor] = []
        self._generated = 0

    def emit(
        self,
        kind: type[NnOp],
        operands: Sequence[Tensor | None],
        layer: str,
        result_elements: Sequence[Attribute] | None = None,
        **options: Any,
    ) -> tuple[Tensor, ...]:
        values = [None if tensor is None else self.value(tensor, layer) for tensor in operands]
        op = kind.make(*values, layer=layer, result_elements=result_elements, **options)
        _verify(op)
        for result in op.results:
            checked_size(list(shape_of(result)), "its result")
        self.block.add_op(op)
        present = [tensor for tensor in operands if tensor is not None]
        shapes = self._shapes(op, present, layer)
        return tuple(
            Tensor(tuple(at[index] for at in shapes), element_of_value(result), layer, ssa=result)
            for index, result in enumerate(op.results)
        )

    def _shapes(self, op: NnOp, operands: Sequence[Tensor], layer: str) -> list[list[Shape]]:
        """Result shapes at every assignment."""
        defaults = [shape_of(result) for result in op.results]
        if self.fixed is not None:
            return [defaults] * self.count
        try:
            others = [
                _inferred(op, [tensor.shapes[assignment] for tensor in operands])
                for assignment in range(1, self.count)
            ]
        except OctetError as error:
            self.fix(layer, str(error))
            others = [defaults] * (self.count - 1)
        return [defaults, *others]

    def input_with(self, sizes: Sequence[tuple[int, ...]]) -> Tensor | None:
        for tensor in self.inputs:
            if self.fixed is None and all(
                any(column(tensor.shapes, axis) == each for axis in range(tensor.rank))
                for each in sizes
            ):
                return tensor
        return None

    def cast(self, kind: type[CastOp], operand: Tensor, element: Attribute, layer: str) -> Tensor:
        value = self.value(operand, layer)
        op = kind(value, TensorType(element, operand.shape))
        _verify(op)
        self.block.add_op(op)
        return Tensor(operand.shapes, element, operand.source, ssa=op.result)

    def fix(self, layer: str, reason: str) -> None:
        if self.fixed is None:
            self.fixed = f"{layer}: {reason}"

    def claim(self, elements: int) -> None:
        self._generated += elements
        if self._generated > MAX_GENERATED:
            raise OctetError(
                f"generated constants reach {self._generated} elements; the limit is "
                f"{MAX_GENERATED}"
            )

    def value(self, tensor: Tensor, layer: str) -> SSAValue:
        """The tensor in the IR; known contents become a constant when they are first needed."""
        if tensor.ssa is not None:
            return tensor.ssa
        if tensor.varies and self.fixed is None:
            follows = materialized(self, tensor)
            if follows is not None and follows.ssa is not None:
                tensor.ssa = follows.ssa
                return tensor.ssa
            self.fix(layer, f"uses the size '{tensor.source}' computes as data")
        array = tensor.array(0)
        element = tensor.element if isinstance(tensor.element, UniformQuantizedType) else None
        op = ConstantOp.of(array, self.weights, element)
        op.layer = StringAttr(tensor.source)
        self.block.add_op(op)
        tensor.ssa = op.result
        return op.result

    def contents(self, tensor: Tensor) -> np.ndarray | None:
        if tensor.arrays is not None:
            return tensor.array(0)
        return None if tensor.ssa is None else self._evaluated(tensor.ssa, {}, CONSTANT_DEPTH)

    def _evaluated(
        self, value: SSAValue, done: dict[SSAValue, np.ndarray | None], depth: int
    ) -> np.ndarray | None:
        """A value computed from constants alone, by a few small ops; None otherwise."""
        if value in done:
            return done[value]
        done[value] = None
        op = value.owner
        if isinstance(op, Block) or depth == 0 or np.prod(shape_of(value), dtype=object) > 2**20:
            return None
        operands: list[np.ndarray] = []
        for operand in op.operands:
            array = self._evaluated(operand, done, depth - 1)
            if array is None:
                return None
            operands.append(array)
        done.update(zip(op.results, evaluate_op(op, operands, self.weights), strict=True))
        return done[value]

    def inputs_of(self, tensor: Tensor) -> list[str]:
        """The names of the program's inputs that a value is computed from, in order."""
        reached: set[SSAValue] = set()
        pending = [] if tensor.ssa is None else [tensor.ssa]
        while pending:
            value = pending.pop()
            if value not in reached:
                reached.add(value)
                pending += [] if isinstance(value.owner, Block) else value.owner.operands
        return [
            name
            for name, argument in zip(self.input_names, self.block.args, strict=True)
            if argument in reached
        ]


class FoldingBuilder(Builder):
    """Evaluates ops on known operands by the reference arithmetic."""

    count = 1

    def emit(
        self,
        kind: type[NnOp],
        operands: Sequence[Tensor | None],
        layer: str,
        result_elements: Sequence[Attribute] | None = None,
        **options: Any,
    ) -> tuple[Tensor, ...]:
        present = [tensor for tensor in operands if tensor is not None]
        types = [TensorType(tensor.element, tensor.shape) for tensor in present]
        arguments = iter(Block(arg_types=types).args)
        op = kind.make(
            *(None if tensor is None else next(arguments) for tensor in operands),
            result_elements=result_elements,
            **options,
        )
        for result in op.results:
            if np.prod(shape_of(result), dtype=object) > FOLD_LIMIT:
                raise TooLargeToFold
        arrays = evaluate_op(op, [tensor.array(0) for tensor in present], WeightStore())
        return tuple(
            self.constant(np.asarray(array, dtype_of(element_of_value(result))), layer=layer)
            for array, result in zip(arrays, op.results, strict=True)
        )

    def cast(self, kind: type[CastOp], operand: Tensor, element: Attribute, layer: str) -> Tensor:
        raise TooLargeToFold

    def fix(self, layer: str, reason: str) -> None:
        raise TooLargeToFold

    def contents(self, tensor: Tensor) -> np.ndarray | None:
        return tensor.array(0)

    def inputs_of(self, tensor: Tensor) -> list[str]:
        return []

    def claim(self, elements: int) -> None:
        if elements > FOLD_LIMIT:
            raise TooLargeToFold


def _inferred(op: NnOp, shapes: Sequence[Shape]) -> list[Shape]:
    """Shapes of results; those of a table too short for the sizes that symbols are tried with,
    as if it were longer."""
    try:
        return op.infer_shapes(shapes)
    except SizeLimitError as error:
        return [error.shape]


def _verify(op: Operation) -> None:
    try:
        op.verify()
    except VerifyException as error:
        raise OctetError(str(error)) from error
