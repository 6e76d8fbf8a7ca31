"""What an emitter sees of one kernel call, and the registry of emitters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from xdsl.dialects.builtin import MemRefType
from xdsl.ir import Attribute, SSAValue

from dialects.elements import dtype_of
from dialects.errors import OctetError
from dialects.kernel.ops import (
    CallOp,
    ConstantOp,
    buffer_element,
    buffer_shape,
    layout_of,
)
from dialects.nn.attributes import ActivationAttr, WeightAttr
from dialects.quant import UniformQuantizedType
from dialects.weights import WeightStore
from runtime.kernels.abi import Call, View, aligned
from runtime.kernels.isa import Isa
from runtime.kernels.quantized_elementwise import Quantization
from runtime.planning.arena import ALIGNMENT
from runtime.reference.evaluate import params_of
from runtime.reference.quantization import QuantParams, activation_bounds

Emitter = Callable[["CallSite"], list[Call]]

EMITTERS: dict[str, Emitter] = {}
"""Emitters by callee; filled by the modules of this package when they are imported."""

TAKES_HALVES: dict[str, Callable[[CallSite], bool]] = {}
"""By callee: whether its emitter has kernels that load and store the 16-bit floats of a call."""

TAKES_NARROW: dict[str, Callable[[CallSite], bool]] = {}
"""By callee: whether its emitter has kernels for the integers of 8 and 16 bits, and unsigned ones
of 32, of a call."""


def always(_site: CallSite) -> bool:
    """`halves` or `narrow` of an emitter that takes such elements in every call."""
    return True


def never(_site: CallSite) -> bool:
    """`halves` or `narrow` of an emitter that takes such elements in no call."""
    return False


def emits(
    *callees: str,
    halves: Callable[[CallSite], bool] = never,
    narrow: Callable[[CallSite], bool] = always,
) -> Callable[[Emitter], Emitter]:
    """Registers the emitter of one or more callees; `halves` and `narrow` say which calls on 16-bit
    floats and on narrow integers it takes as they are. The others reach it widened: to float32, and
    to int64."""

    def register(emitter: Emitter) -> Emitter:
        for callee in callees:
            EMITTERS[callee] = emitter
            TAKES_HALVES[callee] = halves
            TAKES_NARROW[callee] = narrow
        return emitter

    return register


class Scratch:
    """Memory that one op's calls use among themselves. Ops run one after another: they share it."""

    def __init__(self) -> None:
        self._arrays: list[np.ndarray] = []
        self._free: list[np.ndarray] = []

    def reuse(self) -> None:
        """Begins another op: everything is free again."""
        self._free = list(self._arrays)

    def take(self, size: int) -> int:
        """The address of `size` bytes that nothing else of this op has."""
        needed = size + 2 * ALIGNMENT  # kernels may read, never write, a little past a buffer
        fitting = [array for array in self._free if array.nbytes >= needed]
        if fitting:
            found = min(fitting, key=lambda array: array.nbytes)
            self._free = [array for array in self._free if array is not found]
        else:
            found = aligned(np.zeros(needed, np.uint8))
            self._arrays.append(found)
        return found.ctypes.data + ALIGNMENT


@dataclass
class Memory:
    """Where buffers are: the arena's address, and constants with their aligned arrays."""

    arena: int
    weights: WeightStore
    constants: dict[str, np.ndarray]
    """Aligned copies of constants that kernels read in place, by digest."""
    scratch: Scratch = field(default_factory=Scratch)

    def view(self, value: SSAValue) -> View:
        """The window onto a buffer's interior."""
        shape = buffer_shape(value)
        dtype = dtype_of(buffer_element(value))
        if isinstance(value.owner, ConstantOp):
            return View.of(self.constant(value.owner))
        layout = layout_of(value)
        if layout.offset is None:
            raise OctetError("a buffer has no place in the arena; run plan-memory")
        address = self.arena + layout.offset + layout.interior(shape) * dtype.itemsize
        return View(address, shape, layout.strides(shape), dtype)

    def constant(self, op: ConstantOp) -> np.ndarray:
        digest = op.value.digest.data
        if digest not in self.constants:
            self.constants[digest] = aligned(self._checked(op))
        return self.constants[digest]

    def widened(self, op: ConstantOp, dtype: np.dtype) -> np.ndarray:
        """A constant as elements of a wider type."""
        key = f"{op.value.digest.data} as {dtype}"
        if key not in self.constants:
            self.constants[key] = aligned(self._checked(op).astype(dtype))
        return self.constants[key]

    def array(self, value: SSAValue) -> np.ndarray | None:
        """The contents of a constant; None for a buffer in the arena."""
        return self._checked(value.owner) if isinstance(value.owner, ConstantOp) else None

    def _checked(self, op: ConstantOp) -> np.ndarray:
        array = self.weights[op.value.digest.data]
        expected = dtype_of(buffer_element(op.result))
        if array.dtype != expected or array.shape != buffer_shape(op.result):
            raise OctetError(
                f"weight {op.value.digest.data[:12]}...: the program says {op.result.type}, the "
                f"weight store holds {array.dtype} {list(array.shape)}"
            )
        return array


@dataclass
class CallSite:
    """One kernel call: operands and results as views, options as plain values."""

    op: CallOp
    memory: Memory
    isa: Isa

    @property
    def name(self) -> str:
        return self.op.source_name

    @property
    def options(self) -> Mapping[str, Any]:
        return self.op.values()

    def value(self, name: str) -> SSAValue:
        value = self.op.operand(name)
        if value is None:
            raise OctetError(f"{self.name}: operand '{name}' is missing")
        return value

    def view_of(self, value: SSAValue) -> View:
        """The buffer of one of the call's operands."""
        return self.memory.view(value)

    def view(self, name: str) -> View:
        """An operand's buffer."""
        return self.view_of(self.value(name))

    def optional_view(self, name: str) -> View | None:
        value = self.op.operand(name)
        return None if value is None else self.view_of(value)

    def views(self) -> list[View]:
        """The buffers of all operands, in order."""
        return [self.view_of(value) for value in self.op.inputs]

    def constant(self, name: str) -> np.ndarray | None:
        """A constant operand's contents; None for a buffer in the arena."""
        return self.memory.array(self.value(name))

    def array(self, name: str) -> np.ndarray:
        """A constant operand's contents. Raises OctetError if it is not constant."""
        array = self.constant(name)
        if array is None:
            raise OctetError(
                f"{self.name}: operand '{name}' of kernel {self.op.callee.data} must be a "
                "constant, because it is packed when the program is loaded; bind it with "
                "--constant if it is an input of the model"
            )
        return array

    def optional_array(self, name: str) -> np.ndarray | None:
        return None if self.op.operand(name) is None else self.array(name)

    def result(self, index: int = 0) -> View:
        return self.memory.view(self.op.results[index])

    def element(self, name: str) -> Attribute:
        return buffer_element(self.value(name))

    def params(self, name: str) -> QuantParams | None:
        """The quantization of an operand; None for a float or raw integer operand."""
        value = self.op.operand(name)
        return None if value is None else quantization_of(value)

    def result_params(self, index: int = 0) -> QuantParams | None:
        return quantization_of(self.op.results[index])

    def required_params(self, name: str) -> QuantParams:
        params = self.params(name)
        if params is None:
            raise OctetError(f"{self.name}: operand '{name}' should be quantized")
        return params

    @property
    def is_quantized(self) -> bool:
        """Any operand or result is quantized."""
        return any(
            quantization_of(value) is not None for value in (*self.op.inputs, *self.op.results)
        )

    @property
    def activation(self) -> tuple[float, float]:
        """The bounds of the fused clamp in real numbers; infinite without one."""
        attribute = self.op.options.data.get("activation")
        return attribute.bounds if isinstance(attribute, ActivationAttr) else (-np.inf, np.inf)

    def stored_bounds(self, params: QuantParams) -> tuple[int, int]:
        """The least and greatest integer of a result: its range, narrowed by the clamp."""
        attribute = self.op.options.data.get("activation")
        activation = ("clip", *attribute.bounds) if isinstance(attribute, ActivationAttr) else None
        return activation_bounds(params, activation)

    def table(self) -> np.ndarray:
        attribute = self.op.options.data.get("table")
        if not isinstance(attribute, WeightAttr):
            raise OctetError(f"{self.name}: option 'table' should be a weight handle")
        return self.memory.weights[attribute.digest.data]


def quantization_of(value: SSAValue) -> QuantParams | None:
    """The quantization of a buffer's elements; None if they are not quantized."""
    type = value.type
    if isinstance(type, MemRefType) and isinstance(type.element_type, UniformQuantizedType):
        return params_of(type.element_type)
    return None


def per_tensor(site: CallSite, params: QuantParams) -> Quantization:
    """The one scale and zero point of a tensor, for kernels that know no channels."""
    scale, zero_point = params.scalars(f"{site.name}: a tensor")
    return Quantization(float(scale), zero_point)
