"""Reductions of a row of floats in the fixed order of 16 lanes.

Lane j takes elements j, j + 16, ... in order; then lanes j and j + 8 are combined, then j and j +
4, j + 2, j + 1.  It is the order of `runtime.reference.elementary.lane_sum`, independent of the
CPU's vector width. Each lane starts with the reduction's neutral element, which a missing tail
leaves as it is.  16-bit floats are widened first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types

from runtime.kernels.half import element_access, has_vectors
from runtime.kernels.intrinsics import intrinsic
from runtime.kernels.strided import device
from runtime.translation.marks import rolled

LANES = 16
_F32 = ir.FloatType()
_I32 = ir.IntType(32)
_I64 = ir.IntType(64)
_VECTOR = ir.VectorType(_F32, LANES)
_ZERO = np.float32(0)
_INFINITY = np.float32(np.inf)


def scratch(element: types.Type, count: int) -> Any:
    """An intrinsic without arguments: the pointer to `count` elements on the calling kernel's
    stack.

    One place per call site, not cleared.  LLVM knows that nothing else points there, which is what
    lets loops that accumulate into it vectorize.
    """

    @intrinsic
    def pointer(typingctx: Any) -> Any:
        signature = types.CPointer(element)()

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return cgutils.alloca_once(builder, context.get_value_type(element), size=count)

        return signature, generate

    return pointer


# --- what is combined: once for one element (numba), once for 16 (LLVM) --------------------------


@device
def add(a: Any, b: Any) -> Any:
    """a + b."""
    return a + b


@device
def larger(a: Any, b: Any) -> Any:
    """The larger of two; NaN wins."""
    return b if b > a or b != b else a


@device
def smaller(a: Any, b: Any) -> Any:
    """The smaller of two; NaN wins."""
    return b if b < a or b != b else a


@device
def multiply(a: Any, b: Any) -> Any:
    """a * b."""
    return a * b


@device
def itself(x: Any, c: Any) -> Any:
    """x."""
    return x


@device
def squared_deviation(x: Any, c: Any) -> Any:
    """(x - c)^2."""
    return (x - c) * (x - c)


def _vector_select(order: str) -> Callable[[Any, Any, Any], Any]:
    def build(builder: Any, a: Any, b: Any) -> Any:
        wins = builder.or_(builder.fcmp_ordered(order, b, a), builder.fcmp_unordered("uno", b, b))
        return builder.select(wins, b, a)

    return build


_VECTOR_COMBINE: dict[Any, Callable[[Any, Any, Any], Any]] = {
    add: lambda builder, a, b: builder.fadd(a, b),
    multiply: lambda builder, a, b: builder.fmul(a, b),
    larger: _vector_select(">"),
    smaller: _vector_select("<"),
}


def _vector_squared_deviation(builder: Any, x: Any, c: Any) -> Any:
    difference = builder.fsub(x, c)
    return builder.fmul(difference, difference)


_VECTOR_TERM: dict[Any, Callable[[Any, Any, Any], Any]] = {
    itself: lambda builder, x, c: x,
    squared_deviation: _vector_squared_deviation,
}


def _widened(builder: Any, pointer: Any, dtype: str) -> Any:
    """16 elements of a float type at `pointer`, as float32."""
    element = _F32 if dtype == "float32" else ir.IntType(16)
    value = builder.load(builder.bitcast(pointer, ir.VectorType(element, LANES).as_pointer()))
    value.align = 4 if dtype == "float32" else 2
    if dtype == "float32":
        return value
    if dtype == "float16":
        halves = builder.bitcast(value, ir.VectorType(ir.HalfType(), LANES))
        return builder.fpext(halves, _VECTOR)
    words = ir.VectorType(ir.IntType(32), LANES)
    return builder.bitcast(builder.shl(builder.zext(value, words), words([16] * LANES)), _VECTOR)


def _whole_steps(combine: Any, term: Any, dtype: str) -> Any:
    """Intrinsic (x, n, lanes, c): combines lanes with term(x[i : i + 16], c), i = 0, 16 ... < n."""

    @intrinsic
    def run(typingctx: Any, x: Any, n: Any, lanes: Any, c: Any) -> Any:
        signature = types.void(x, types.int64, lanes, types.float32)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            x, n, lanes, c = arguments
            place = builder.bitcast(lanes, _VECTOR.as_pointer())
            start = builder.load(place)
            start.align = 4
            constant = ir.Constant(_VECTOR, ir.Undefined)
            for lane in range(LANES):
                constant = builder.insert_element(constant, c, _I32(lane))
            entry = builder.block
            loop = builder.append_basic_block("lanes.loop")
            body = builder.append_basic_block("lanes.body")
            done = builder.append_basic_block("lanes.done")
            builder.branch(loop)
            builder.position_at_end(loop)
            index, total = builder.phi(_I64), builder.phi(_VECTOR)
            index.add_incoming(_I64(0), entry)
            total.add_incoming(start, entry)
            builder.cbranch(builder.icmp_signed("<", index, n), body, done)
            builder.position_at_end(body)
            value = _widened(builder, builder.gep(x, [index]), dtype)
            value = _VECTOR_TERM[term](builder, value, constant)
            total.add_incoming(_VECTOR_COMBINE[combine](builder, total, value), body)
            index.add_incoming(builder.add(index, _I64(LANES)), body)
            builder.branch(loop)
            builder.position_at_end(done)
            builder.store(total, place).align = 4
            return context.get_dummy_value()

        return signature, generate

    return run


def _combined(combine: Any) -> Any:
    """Intrinsic (lanes): the 16 lanes combined: j with j + 8, then j + 4, j + 2, j + 1."""

    @intrinsic
    def finish(typingctx: Any, lanes: Any) -> Any:
        signature = types.float32(lanes)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = builder.bitcast(arguments[0], _VECTOR.as_pointer())
            vector = builder.load(place)
            vector.align = 4
            width = LANES // 2
            while width > 0:
                low, high = (
                    ir.Constant(ir.VectorType(_I32, width), [first + j for j in range(width)])
                    for first in (0, width)
                )
                halves = [builder.shuffle_vector(vector, vector, part) for part in (low, high)]
                vector = _VECTOR_COMBINE[combine](builder, *halves)
                width //= 2
            return builder.extract_element(vector, _I32(0))

        return signature, generate

    return finish


@dataclass(frozen=True)
class LaneFold:
    """A reduction in three parts, for rows that come piece by piece.

    `start(lanes)` sets 16 float32 to the neutral element; `steps(x, stride, n, lanes, c)` combines
    `term(x[i * stride], c)` into them, every n but the last a multiple of 16; `finish(lanes)` is
    the result.
    """

    start: Any
    steps: Any
    finish: Any

    @staticmethod
    def of(combine: Any, term: Any, neutral: np.float32, dtype: str = "float32") -> LaneFold:
        """The reduction of elements of a float type (16-bit ones as their bits)."""
        whole_steps = _whole_steps(combine, term, dtype)
        vectors = has_vectors(dtype)
        _, load, _ = element_access(dtype)

        @device
        def start(lanes: Any) -> None:
            for j in range(LANES):
                lanes[j] = neutral

        @device
        def steps(x: Any, stride: int, n: int, lanes: Any, c: Any) -> None:
            whole = n // LANES * LANES
            if vectors and stride == 1:
                whole_steps(x, whole, lanes, c)
            else:
                for i in range(0, whole, LANES):
                    for j in rolled(LANES):
                        lanes[j] = combine(lanes[j], term(load(x[(i + j) * stride]), c))
            for i in range(whole, n):
                lanes[i - whole] = combine(lanes[i - whole], term(load(x[i * stride]), c))

        return LaneFold(start, steps, _combined(combine))


FOLDS: dict[str, LaneFold] = {
    "add": LaneFold.of(add, itself, _ZERO),
    "max": LaneFold.of(larger, itself, -_INFINITY),
    "min": LaneFold.of(smaller, itself, _INFINITY),
}
"""The folds of `kernel.fold`; their `c` has no meaning."""


@cache
def lane_reduction(combine: Any, term: Any, neutral: np.float32, dtype: str = "float32") -> Any:
    """A function (x, stride, n, c) -> f32: `term(x[i * stride], c)` combined over n elements of a
    float type (16-bit ones as their bits)."""
    fold = LaneFold.of(combine, term, neutral, dtype)
    start, steps, finish = fold.start, fold.steps, fold.finish
    place = scratch(types.float32, LANES)

    @device
    def reduce(x: Any, stride: int, n: int, c: Any) -> Any:
        lanes = place()
        start(lanes)
        steps(x, stride, n, lanes, c)
        return finish(lanes)

    return reduce


def sums_of(dtype: str) -> tuple[Any, Any]:
    """Functions (x, stride, n, c) -> f32 on a float type: the sum of n elements, and that of their
    (x - c)^2."""
    plain = lane_reduction(add, itself, _ZERO, dtype)
    return plain, lane_reduction(add, squared_deviation, _ZERO, dtype)


_sum = lane_reduction(add, itself, _ZERO)
_max = lane_reduction(larger, itself, -_INFINITY)


@device
def lane_sum(x: Any, stride: int, n: int) -> Any:
    """Sum of n float32."""
    return _sum(x, stride, n, _ZERO)


@device
def lane_max(x: Any, stride: int, n: int) -> Any:
    """The largest of n float32; NaN wins."""
    return _max(x, stride, n, _ZERO)
