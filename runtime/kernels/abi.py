"""What a kernel is, and how a plan calls it.

A plan is a table of calls.  Every kernel is one compiled C function

    void kernel(intp row, intp thread, intp threads)

where `row` is the address of an int64 row: word 0 is the function's own address, words 1... are the
arguments (addresses, sizes, strides; float32 scalars as their bit pattern).  A kernel splits its
outer loop over `(thread, threads)` and every thread writes its own part of the output.

How to write one: a plain function, made a `Kernel` by a decorator and compiled (once, cached on
disk) when its address is first asked for, and a *planner* that turns `View`s into `Call`s:

    @kernel
    def add_f32(row, thread, threads):
        n = argument(row, 1)
        a, b = f32_pointer(argument(row, 2)), f32_pointer(argument(row, 3))
        y = f32_pointer(argument(row, 4))
        for i in range(n * thread // threads, n * (thread + 1) // threads):
            y[i] = a[i] + b[i]

    def add_calls(a: View, b: View, y: View) -> list[Call]:
        return [Call(add_f32, (y.size, a.address, b.address, y.address))]

`run_calls([...])` in `runtime.executor` runs them.  A family of kernels (one per dtype, instruction
set, ...) is a function that builds the inner function and returns `Kernel.of(function,
*parameters)`; everything the function closes over must follow from the parameters, because they are
its identity in the cache.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from runtime.kernels.vector_ir import GeneratedFunction

_CACHE_LINE = 64  # a 64-byte load that crosses a line runs at half rate


@dataclass(frozen=True)
class View:
    """A strided window onto memory, without ownership; `strides` are in elements."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype

    @staticmethod
    def of(array: np.ndarray) -> View:
        """The window onto a numpy array, which the caller must keep alive."""
        itemsize = array.dtype.itemsize
        if any(stride % itemsize for stride in array.strides):
            raise ValueError(f"array strides {array.strides} are no multiples of {itemsize} bytes")
        strides = tuple(stride // itemsize for stride in array.strides)
        return View(array.ctypes.data, array.shape, strides, array.dtype)

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def byte_strides(self) -> tuple[int, ...]:
        return tuple(stride * self.dtype.itemsize for stride in self.strides)

    @property
    def is_contiguous(self) -> bool:
        """Whether elements lie densely in C order (axes of size 1 may have any stride)."""
        expected = 1
        for size, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if size != 1 and stride != expected:
                return False
            expected *= size
        return True

    def slice(self, axis: int, start: int, size: int, step: int = 1) -> View:
        """Elements `start, start + step, ...` (`size` of them) along one axis."""
        axis %= self.rank
        address = self.address + start * self.byte_strides[axis]
        shape = (*self.shape[:axis], size, *self.shape[axis + 1 :])
        strides = (*self.strides[:axis], self.strides[axis] * step, *self.strides[axis + 1 :])
        return View(address, shape, strides, self.dtype)

    def transpose(self, permutation: tuple[int, ...]) -> View:
        """Axis `i` of the result is axis `permutation[i]` of this view."""
        shape = tuple(self.shape[axis] for axis in permutation)
        strides = tuple(self.strides[axis] for axis in permutation)
        return View(self.address, shape, strides, self.dtype)

    def expand_dims(self, axis: int) -> View:
        """A new axis of size 1 at position `axis` (numpy's meaning of negative ones)."""
        if axis < 0:
            axis += self.rank + 1
        shape = (*self.shape[:axis], 1, *self.shape[axis:])
        strides = (*self.strides[:axis], 0, *self.strides[axis:])
        return View(self.address, shape, strides, self.dtype)

    def broadcast_to(self, shape: tuple[int, ...]) -> View:
        """numpy broadcasting: repeated axes get stride 0."""
        missing = len(shape) - self.rank
        if missing < 0 or any(
            have not in (1, want)
            for have, want in zip(self.shape, shape[max(missing, 0) :], strict=True)
        ):
            raise ValueError(f"cannot broadcast shape {self.shape} to {shape}")
        strides = (0,) * missing + tuple(
            stride if have == want else 0
            for have, want, stride in zip(self.shape, shape[missing:], self.strides, strict=True)
        )
        return View(self.address, tuple(shape), strides, self.dtype)

    def reshape(self, shape: tuple[int, ...]) -> View:
        """The same elements in another shape; only contiguous views can."""
        if not self.is_contiguous or prod(shape) != self.size:
            raise ValueError(f"cannot view shape {self.shape} as {shape}")
        return View(self.address, tuple(shape), contiguous_strides(shape), self.dtype)


def contiguous_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Element strides of a dense C-order array."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


KernelFunction = Callable[[int, int, int], None]


@dataclass(frozen=True)
class Kernel:
    """A function to compile, `function(row, thread, threads)`.

    `key` is its canonical identity: qualified name and parameters.  Two kernels are equal if their
    keys are.
    """

    key: str
    function: KernelFunction | GeneratedFunction = field(compare=False, repr=False)

    @staticmethod
    def of(function: KernelFunction | GeneratedFunction, *parameters: object) -> Kernel:
        """The kernel `function`, told apart from its siblings by the text of `parameters`."""
        name = f"{function.__module__}.{function.__qualname__}"
        return Kernel(f"{name}({', '.join(str(p) for p in parameters)})", function)

    @property
    def address(self) -> int:
        """Address of the compiled function; compiles it or loads it from the cache on first use."""
        from runtime.kernels import (
            cache,  # numba and LLVM are needed only when something is run
        )

        return cache.address_of(self)


def kernel(function: KernelFunction) -> Kernel:
    """Decorator: makes a function without parameters a `Kernel`."""
    return Kernel.of(function)


@dataclass(frozen=True)
class Call:
    """One row of a plan: a kernel and its arguments.

    `keep` holds arrays (packed weights, offset tables) that the arguments point to. `work` is
    about how many nanoseconds it takes on one thread; calls without a figure are shared by all
    threads. An `independent` call touches nothing that the calls since the last one that is not
    independent write, and writes nothing that they touch: it may run at the same time as they.
    """

    kernel: Kernel
    arguments: tuple[int, ...]
    keep: tuple[np.ndarray, ...] = field(default=(), compare=False, repr=False)
    work: float | None = field(default=None, compare=False)
    independent: bool = field(default=False, compare=False)


def f32_bits(value: float) -> int:
    """The argument word that passes a float32 (read back by `f32_argument`)."""
    return struct.unpack("<i", struct.pack("<f", np.float32(value)))[0]


def aligned(array: np.ndarray) -> np.ndarray:
    """A C-order copy of `array` whose data starts at a cache line."""
    memory = np.empty(array.nbytes + _CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy
