"""Kernels made from the bodies of loop ops (`kernel.map`, `kernel.reduce`).

The text that `loop_source` generates is compiled by Python's own `compile` and then like other
kernels, as if it stood in this module. That is safe although programs come from files: the text is
put together from a fixed table of expressions and from numbers, out of verified IR; no name, string
or code of a program is part of it.

A kernel's identity is the digest of its text, beside the sources of this module and those it
imports (see `cache`). Structures cannot be listed beforehand, because programs make them up: this
is the one family without `every_kernel`.
"""

from __future__ import annotations

import hashlib
import linecache
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import types

from dialects.kernel.loops import MAX_RESULTS, LoopOp, row_values
from runtime.kernels import scalar_math
from runtime.kernels.abi import Call, Kernel, KernelFunction, View, f32_bits
from runtime.kernels.half import NARROW, WIDEN
from runtime.kernels.intrinsics import POINTERS, f32_argument, intrinsic, rint
from runtime.kernels.lanes import FOLDS, LANES, scratch
from runtime.kernels.loop_source import TILE, Advance, Buffer, loop_source
from runtime.kernels.quantize_pixels import (
    divides_by_reciprocal,
    quantized,
    quantized_by_reciprocal,
    reciprocal_words,
)
from runtime.kernels.scalar_functions import binary_function
from runtime.kernels.strided import (
    advance,
    argument,
    inner_part,
    inner_stride,
    middle_stride,
    nest_arguments,
    parameters_at,
    row_address,
    row_part,
    rows_left,
)
from runtime.reference.quantization import QuantParams

# --- memory that does not overlap ----------------------------------------------------------------


def _scopes(module: ir.Module) -> list[Any]:
    """An alias scope per result. Buffers of one op never overlap (the memory plan is proved), and
    LLVM, told so, needs no checks at run time, which would keep loops with many pointers scalar."""
    domain = module.add_metadata(["octet.loop"])
    return [module.add_metadata([f"octet.result{i}", domain]) for i in range(MAX_RESULTS)]


def _mark(instruction: Any, module: ir.Module, result: int | None) -> None:
    """Says of a load or store that it touches this result (None: an operand) and no other."""
    scopes = _scopes(module)
    others = [scope for number, scope in enumerate(scopes) if number != result]
    instruction.set_metadata("noalias", module.add_metadata(others))
    if result is not None:
        instruction.set_metadata("alias.scope", module.add_metadata([scopes[result]]))


def _loader(result: int | None) -> Any:
    @intrinsic
    def load(typingctx: Any, pointer: Any, index: Any) -> Any:
        """pointer[index]."""
        signature = pointer.dtype(pointer, types.int64)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            value = builder.load(builder.gep(arguments[0], [arguments[1]]))
            _mark(value, builder.module, result)
            return value

        return signature, generate

    return load


def _storer(result: int) -> Any:
    @intrinsic
    def store(typingctx: Any, pointer: Any, index: Any, value: Any) -> Any:
        """pointer[index] = value."""
        signature = types.void(pointer, types.int64, pointer.dtype)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            place = builder.gep(arguments[0], [arguments[1]])
            _mark(builder.store(arguments[2], place), builder.module, result)
            return context.get_dummy_value()

        return signature, generate

    return store


@intrinsic
def use_wide_vectors(typingctx: Any) -> Any:
    """Lets LLVM vectorize the calling kernel with the widest registers the CPU has.

    For most CPUs with 512-bit registers it prefers 256 bits, which pays in loops of a few
    elements. These loops are long, and their functions too.
    """
    signature = types.void()

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        attributes = builder.function.attributes
        # llvmlite knows no attributes with values; they print like the others. Inlined into
        # numba's wrapper, which has no such attribute, the kernel would lose it.
        set.add(attributes, '"prefer-vector-width"="512"')
        attributes.add("noinline")
        return context.get_dummy_value()

    return signature, generate


# --- from text to kernel -------------------------------------------------------------------------

NAMES: dict[str, Any] = {
    "argument": argument,
    "f32_argument": f32_argument,
    "inner_part": inner_part,
    "row_part": row_part,
    "rows_left": rows_left,
    "row_address": row_address,
    "inner_stride": inner_stride,
    "middle_stride": middle_stride,
    "advance": advance,
    "use_wide_vectors": use_wide_vectors,
    "load": _loader(None),
    "new_tile": scratch(types.float32, TILE),
    "new_lanes": scratch(types.float32, LANES),
    "nothing": np.float32(0),
    "quantized": quantized,
    "quantized_by_reciprocal": quantized_by_reciprocal,
    "float32": np.float32,
    "int32": np.int32,
    "inf": np.inf,
    "nan": np.nan,
    "maximum": binary_function("max", "float32"),
    "minimum": binary_function("min", "float32"),
    "ceil": np.ceil,
    "floor": np.floor,
    "sqrt": np.sqrt,
    "rint": rint,
    **{name: getattr(scalar_math, name) for name in ("erf", "exp", "expm1", "log", "select")},
    "tanh": scalar_math.tanh,
    **{
        f"{name}_pointer": POINTERS[name] for name in ("bool", "float32", "int8", "uint8", "uint16")
    },
    **{f"widen_{dtype}": function for dtype, function in WIDEN.items()},
    **{f"narrow_{dtype}": function for dtype, function in NARROW.items()},
    **{f"start_{kind}": fold.start for kind, fold in FOLDS.items()},
    **{f"fold_{kind}": fold.steps for kind, fold in FOLDS.items()},
    **{f"finish_{kind}": fold.finish for kind, fold in FOLDS.items()},
    **{f"store{number}": _storer(number) for number in range(MAX_RESULTS)},
    **{f"again{number}": _loader(number) for number in range(MAX_RESULTS)},
}
"""What generated text may name, besides its own variables and Python's `abs`, `min`, `range`."""


@cache
def loop_kernel(text: str) -> Kernel:
    """The kernel of a generated text."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    space: dict[str, Any] = dict(NAMES)
    file = f"<generated loop {digest[:16]}>"
    exec(compile(text, file, "exec"), space)
    linecache.cache[file] = len(text), None, text.splitlines(keepends=True), file
    function: Callable[..., Any] = space["kernel"]
    function.__module__ = __name__
    function.__qualname__ = "loop_kernel"
    checked: KernelFunction = function
    return Kernel.of(checked, digest)


# --- planning ------------------------------------------------------------------------------------


class Operand(NamedTuple):
    """A buffer of a loop; `params` where it is quantized."""

    view: View
    params: QuantParams | None = None


class Loop(NamedTuple):
    """The text of a loop, and the words of its call."""

    text: str
    words: tuple[int, ...]


def plan_loop(op: LoopOp, inputs: Sequence[Operand], results: Sequence[Operand]) -> Loop | None:
    """The loop of an op on buffers; None if there is nothing to compute."""
    if any(result.view.size == 0 for result in results):
        return None
    operands = (*inputs, *results)
    whole = op.iteration_shape([operand.view.shape for operand in inputs])
    advances: list[Advance]
    if op.row_axis is None:
        words, advances = _plan_elements(operands, whole, len(inputs))
    else:
        words, advances = _plan_rows(op, inputs, results, whole, op.row_axis)
    words += tuple(f32_bits(value) for value in op.scalar_values)
    for number, operand in enumerate(operands):
        words += _quantization_words(operand.params, number >= len(inputs))
    buffers = [
        Buffer(
            operand.view.dtype.name,
            operand.params is not None,
            kind,
            by_reciprocal=number >= len(inputs) and _by_reciprocal(operand.params),
        )
        for number, (operand, kind) in enumerate(zip(operands, advances, strict=True))
    ]
    return Loop(loop_source(op, buffers), words)


def _plan_elements(
    operands: Sequence[Operand], whole: tuple[int, ...], inputs: int
) -> tuple[tuple[int, ...], list[Advance]]:
    """The words of a nest over all elements, and how each buffer advances in its inner loop."""
    words = nest_arguments([operand.view.broadcast_to(whole) for operand in operands])
    # Words are counted from 1: this is the one behind the operand's address.
    strides = [words[parameters_at(number)] for number in range(len(operands))]
    return words, [_advance(stride, number >= inputs) for number, stride in enumerate(strides)]


def _plan_rows(
    op: LoopOp,
    inputs: Sequence[Operand],
    results: Sequence[Operand],
    whole: tuple[int, ...],
    axis: int,
) -> tuple[tuple[int, ...], list[Advance]]:
    """The words of a nest over rows, and how each buffer advances within a row."""
    rows = row_values(op)
    views = [_row_starts(operand.view, whole, axis) for operand in inputs]
    views += [_result_row_starts(operand.view, whole, axis) for operand in results]
    size = int(np.prod(whole[axis:], dtype=np.int64))
    advances: list[Advance] = [_row_advance(operand.view, whole, axis) for operand in inputs]
    of_results: list[Advance] = [_result_advance(value in rows) for value in op.yielded]
    return (*nest_arguments(views), size), [*advances, *of_results]


def loop_calls(op: LoopOp, inputs: Sequence[Operand], results: Sequence[Operand]) -> list[Call]:
    """The call that computes a loop op; results overlap neither operands nor one another."""
    loop = plan_loop(op, inputs, results)
    return [] if loop is None else [Call(loop_kernel(loop.text), loop.words)]


def _advance(stride: int, is_result: bool) -> Advance:
    if stride == 1:
        return "contiguous"
    return "uniform" if stride == 0 and not is_result else "strided"


def _row_advance(view: View, whole: tuple[int, ...], axis: int) -> Advance:
    shape = (1,) * (len(whole) - view.rank) + view.shape
    return "contiguous" if shape[axis:] == whole[axis:] else "uniform"


def _result_advance(is_row_value: bool) -> Advance:
    return "uniform" if is_row_value else "contiguous"


def _row_starts(view: View, whole: tuple[int, ...], axis: int) -> View:
    """The first element of each row, in one shape for all buffers."""
    while view.rank < len(whole):
        view = view.expand_dims(0)
    for dimension in range(axis, len(whole)):
        view = view.slice(dimension, 0, 1)
    return view.broadcast_to((*whole[:axis], *(1 for _ in whole[axis:])))


def _result_row_starts(view: View, whole: tuple[int, ...], axis: int) -> View:
    """`_row_starts` of a result, which may be without the dimensions of the row."""
    while view.rank < len(whole):
        view = view.expand_dims(view.rank)
    return _row_starts(view, whole, axis)


def _quantization_words(params: QuantParams | None, is_result: bool) -> tuple[int, ...]:
    if params is None:
        return ()
    scale, zero_point = params.scalars("a buffer of a loop")
    words = (f32_bits(float(scale)), zero_point)
    if not is_result:
        return words
    low, high = params.qmin - zero_point, params.qmax - zero_point
    if _by_reciprocal(params):
        reciprocal, *bounds = reciprocal_words(float(scale), low, high)
        return (*words, *bounds, reciprocal)
    return (*words, f32_bits(low), f32_bits(high))


def _by_reciprocal(params: QuantParams | None) -> bool:
    if params is None:
        return False
    scale, _ = params.scalars("a buffer of a loop")
    return divides_by_reciprocal(float(scale))
