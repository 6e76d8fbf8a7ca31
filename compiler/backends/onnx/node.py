"""What an emit function sees of one op: operands as ONNX names, and ways to add nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from xdsl.dialects.builtin import f32
from xdsl.ir import SSAValue

from dialects.elements import HALVES, dtype_of, is_quantized
from dialects.nn.base import NnOp, element_of_value
from dialects.nn.constant import ConstantOp
from dialects.shapes import INFER, copied_dimension
from dialects.weights import WeightStore
from passes.dataflow import constant_of

from .graph import GraphWriter


class OpContext:
    """One op during its export. All arithmetic is written on 32-bit floats: quantized operands
    are given dequantized, operands of 16-bit floats cast."""

    def __init__(
        self,
        op: NnOp,
        graph: GraphWriter,
        weights: WeightStore,
        real: Callable[[SSAValue], str],
    ):
        """`real` gives the name of a value as real numbers an op may compute with."""
        self.graph = graph
        self.layer = op.layer.data if op.layer is not None else op.mnemonic
        self._op = op
        self._weights = weights
        self._real = real

    # --- operands ---------------------------------------------------------------------------

    def operand(self, value: SSAValue | None) -> str:
        """The ONNX name of an operand; the empty name for an absent one."""
        return "" if value is None else self._real(value)

    @property
    def dtype(self) -> np.dtype:
        """The numpy type that the op's first operand is computed with."""
        element = element_of_value(self._op.operands[0])
        return dtype_of(f32 if is_quantized(element) or element in HALVES else element)

    def contents(self, value: SSAValue | None) -> np.ndarray | None:
        """The elements of a float constant; None for anything else."""
        constant = None if value is None else constant_of(value)
        if value is None or not isinstance(constant, ConstantOp) or constant.result is not value:
            return None
        return constant.array(self._weights)

    # --- nodes ------------------------------------------------------------------------------

    def emit(self, op_type: str, *inputs: str, part: str = "", **attributes: Any) -> str:
        """A node with one result.

        The one without a `part` has the name of the layer; the others, `layer/part`.
        """
        return self.emit_all(op_type, *inputs, part=part, count=1, **attributes)[0]

    def emit_all(
        self, op_type: str, *inputs: str, count: int, part: str = "", **attributes: Any
    ) -> tuple[str, ...]:
        """A node with `count` results."""
        name = f"{self.layer}/{part}" if part else self.layer
        outputs = [f"{name}_output_{index}" for index in range(count)] if count > 1 else []
        return tuple(self.graph.node(op_type, inputs, name, outputs, **attributes))

    def constant(self, array: np.ndarray, what: str) -> str:
        """An initializer; `what` says what it is to the op."""
        return self.graph.initializer(array, f"{self.layer}.{what}")

    def number(self, value: float, what: str) -> str:
        """A scalar of the type the op computes with."""
        return self.constant(np.array(value, self.dtype), what)

    def integers(self, values: Sequence[int], what: str) -> str:
        """A list of 64-bit integers."""
        return self.constant(np.array(values, np.int64), what)

    # --- shapes -----------------------------------------------------------------------------

    def sizes(self, x: str, codes: Sequence[int], what: str, like: str = "") -> str:
        """A shape of literal sizes and of sizes of `x`, then `like` (`dialects.shapes`), known at
        run time."""
        shape = self.emit("Shape", x, part=f"{what}/Shape")
        if like:
            other = self.emit("Shape", like, part=f"{what}/Like")
            shape = self.emit("Concat", shape, other, part=f"{what}/Shapes", axis=0)
        parts: list[str] = []
        for start, end in _runs(codes):
            dimensions = [copied_dimension(code) for code in codes[start:end]]
            if dimensions[0] is None:
                parts.append(self.integers(codes[start:end], what))
            else:
                indices = self.integers([d for d in dimensions if d is not None], f"{what}.dims")
                parts.append(self.emit("Gather", shape, indices, part=f"{what}/Gather", axis=0))
        return self.emit("Concat", *parts, part=f"{what}/Concat", axis=0)

    def reshape_target(self, x: str, codes: Sequence[int]) -> tuple[str, int | None]:
        """The shape operand of a Reshape of `x`, and its attribute allowzero.

        ONNX copies only the size at the same place (0). One size of another place may be left
        to infer; several are read from the shape of `x`.
        """
        copies = [copied_dimension(code) for code in codes]
        if 0 in codes:
            if any(dimension is not None for dimension in copies):
                return self.sizes(x, codes, "shape"), 1
            return self.integers(codes, "shape"), 1
        moved = [i for i, dimension in enumerate(copies) if dimension not in (None, i)]
        if len(moved) > 1 or (moved and INFER in codes):
            return self.sizes(x, codes, "shape"), None
        target = [0 if dimension is not None else code
                  for code, dimension in zip(codes, copies, strict=True)]  # fmt: skip
        for index in moved:
            target[index] = INFER
        return self.integers(target, "shape"), None


def _runs(codes: Sequence[int]) -> list[tuple[int, int]]:
    """Where copied sizes and other sizes take turns: [start, end) of each."""
    starts = [
        index
        for index, code in enumerate(codes)
        if index == 0
        or (copied_dimension(code) is None) != (copied_dimension(codes[index - 1]) is None)
    ]
    return list(zip(starts, [*starts[1:], len(codes)], strict=True))
