"""What ops cost: their work, counted, and how long a core takes for it (a roofline).

    ns = call + max(sum over kinds of  count / rate,  bytes / bandwidth)

after Williams, Waterman and Patterson, "Roofline" (2009), with the work of a kernel split into the
few kinds that differ in speed. The counts follow from shapes; the rates are data (`Rates`). This is
the only estimate of time: the thread scheduler (`runtime.work`), the comparison with measured times
and placement (`passes.placement.cost_model`) all use it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from xdsl.dialects import arith
from xdsl.dialects import math as reals
from xdsl.ir import Operation, SSAValue

from dialects.elements import dtype_of
from dialects.nn.attention import AttentionOp
from dialects.nn.base import NnOp, Quantization, element_of_value, shape_of
from dialects.nn.linear import ConvOp, MatmulOp
from dialects.nn.movement import MOVEMENT_OPS
from dialects.nn.pooling import PoolOp
from dialects.nn.reduction import ReduceOp
from dialects.rates import Rates

ELEMENT_BYTES: Mapping[str, int] = {"int8": 1, "bf16": 2, "f16": 2, "f32": 4}

SCALAR_INSTRUCTIONS: Mapping[type[Operation], int] = {
    arith.DivfOp: 4,
    arith.TruncFOp: 8,
    reals.ErfOp: 30,
    reals.ExpOp: 20,
    reals.ExpM1Op: 25,
    reals.LogOp: 30,
    reals.SqrtOp: 8,
    reals.TanhOp: 30,
}
"""Instructions of a scalar op, roughly; 1 where not listed."""


def instructions_of(op: Operation) -> int:
    """Instructions of a scalar op, roughly."""
    return SCALAR_INSTRUCTIONS.get(type(op), 1)


_EXP, _TANH = SCALAR_INSTRUCTIONS[reals.ExpOp], SCALAR_INSTRUCTIONS[reals.TanhOp]
_ERF, _LOG = SCALAR_INSTRUCTIONS[reals.ErfOp], SCALAR_INSTRUCTIONS[reals.LogOp]
_DIVIDE, _ROOT = SCALAR_INSTRUCTIONS[arith.DivfOp], SCALAR_INSTRUCTIONS[reals.SqrtOp]

_INSTRUCTIONS: Mapping[str, int] = {
    "sigmoid": _EXP + _DIVIDE + 2,
    "silu": _EXP + _DIVIDE + 3,
    "tanh": _TANH,
    "erf": _ERF,
    "gelu": _ERF + 5,
    "exp": _EXP,
    "elu": SCALAR_INSTRUCTIONS[reals.ExpM1Op] + 3,
    "log": _LOG,
    "pow": _LOG + _EXP,
    "sqrt": _ROOT,
    "div": _DIVIDE,
    "reciprocal": _DIVIDE,
    "mod": _DIVIDE + 3,
    "hard_swish": 7,
    "hard_sigmoid": 6,
    "clip": 4,
    "softmax": _EXP + _DIVIDE + 4,
    "log_softmax": _EXP + _LOG,
    "layer_norm": 12,
    "instance_norm": 80,  # channels of interleaved pixels are strided rows
    "lrn": 2 * _LOG,
}
"""Instructions per element of ops that are no products: what their loops' bodies
(`passes/kernel/scalar_bodies.py`) add up to; 2 where not listed."""

LEAST_TABULATED = 20
"""Unary functions on 16-bit floats of at least so many instructions are tables: shorter ones are
vector loops that take less than a look-up per element."""

_SCORE = 15
"""Instructions per score of an attention: its exponential on 16 bits of accuracy, and the sums."""

_REQUANTIZE = 8
"""Instructions around an op on 8-bit integers: widen, scale, round, clamp."""

Bytes = Callable[[SSAValue], float]
"""The bytes of a value, as stored."""


@dataclass(frozen=True)
class Work:
    """What an op asks of a core."""

    precision: str
    counts: Mapping[str, float]
    """By kind: the fields of `Rates` that are rates of work."""
    bytes: float
    """Of operands read and results written, each touched once."""


def nanoseconds(work: Work, rates: Rates) -> float:
    """How long one core takes for `work`."""
    computing = sum(
        count / (rates.instructions if kind == "instructions" else _rate(rates, kind, work))
        for kind, count in work.counts.items()
    )
    moving = work.bytes / rates.bandwidth[rates.level_of(work.bytes)]
    return rates.call_ns + max(computing, moving)


def _rate(rates: Rates, kind: str, work: Work) -> float:
    return getattr(rates, kind)[work.precision]


def elements_of(value: SSAValue) -> int:
    return math.prod(shape_of(value))


def work_of(op: NnOp, precision: str, bytes_of: Bytes, lanes: float) -> Work:
    """The work of a tensor op in a precision.

    `bytes_of` says how values are stored: as their types say, or as they would be if the op were
    placed in `precision`. `lanes` is `Rates.lanes`.
    """
    written = sum(map(bytes_of, op.results))
    # Movement reads what it writes: a gather not its whole table, a slice not its whole operand.
    read = written if isinstance(op, MOVEMENT_OPS) else sum(map(bytes_of, op.operands))
    return Work(precision, _counts(op, precision, lanes), read + written)


def conversion_work(elements: int, narrow: str, moved: float) -> Work:
    """The work of converting elements between `narrow` and a wider precision, moving bytes."""
    return Work(narrow, {"conversions": elements}, moved)


def stored_bytes(value: SSAValue) -> int:
    """Bytes of a tensor as its type stores it."""
    return elements_of(value) * dtype_of(element_of_value(value)).itemsize


def _counts(op: NnOp, precision: str, lanes: float) -> dict[str, float]:
    results = elements_of(op.results[0])
    match op:
        case ConvOp() if op.is_depthwise:
            return _depthwise(op, precision, lanes)
        case ConvOp() | MatmulOp():
            return _product(op, precision, lanes)
        case AttentionOp():
            batch, queries, _ = shape_of(op.q)
            scores = batch * op.heads.value.data * queries * shape_of(op.k)[1]
            return {"products": op.macs(), "instructions": _SCORE * scores}
        case PoolOp():
            return {"windows": results * math.prod(op.kernel.get_values())}
        case ReduceOp():
            # Each element is widened, then added.
            return {"windows": 2 * elements_of(op.operands[0])}
        case _:
            pass
    if op.macs():
        return {"products": op.macs(), "results": results}
    if isinstance(op, MOVEMENT_OPS):
        return {}
    instructions = _INSTRUCTIONS.get(op.mnemonic, 2)
    unary = op.QUANTIZATION is Quantization.TABLE or op.mnemonic == "lookup"
    if unary and (precision == "int8" or (precision != "f32" and instructions >= LEAST_TABULATED)):
        return {"lookups": results}
    if precision == "int8":
        instructions += _REQUANTIZE
    return {"instructions": instructions * max(results, elements_of(op.operands[0]))}


def _product(op: ConvOp | MatmulOp, precision: str, lanes: float) -> dict[str, float]:
    """A product [rows, segments * depth] x [segments * depth, columns] per group, as tiles compute
    it: whole registers of columns, whole steps of four bytes of each segment."""
    groups, rows, columns, segments, depth = _problem(op)
    step = 4 // ELEMENT_BYTES[precision]
    sums = groups * rows * _up(columns, lanes)
    counts = {"products": sums * segments * _up(depth, step), "results": sums}
    if op.residual is not None:
        counts["residuals"] = sums
    return counts


def _problem(op: ConvOp | MatmulOp) -> tuple[int, int, int, int, int]:
    """(groups, rows, columns, segments, depth): segments are runs of adjacent activations."""
    results = elements_of(op.result)
    if isinstance(op, MatmulOp):
        columns = shape_of(op.b)[-1] if len(shape_of(op.b)) > 1 else 1
        return 1, results // max(1, columns), columns, 1, shape_of(op.a)[-1]
    groups = op.groups.value.data
    channels, depth, *kernel = shape_of(op.weight)
    # Pixels of a line are adjacent, unless the window has gaps.
    run = kernel[-1] if op.dilations.get_values()[-1] == 1 else 1
    segments = math.prod(kernel) // run
    return groups, results // max(1, channels), channels // groups, segments, depth * run


def _depthwise(op: ConvOp, precision: str, lanes: float) -> dict[str, float]:
    """One filter per channel. With stride 1 a line of pixels is one run of channels; else the
    channels of each pixel are rounded up to whole registers, and neighbouring results share fewer
    of the columns they read: measured, half as much again."""
    if set(op.strides.get_values()) == {1}:
        return {"taps": op.macs()}
    channels = shape_of(op.weight)[0]
    register = lanes * (4 if precision == "int8" else 1)
    return {"taps": 1.5 * op.macs() * _up(channels, register) / channels}


def _up(size: float, step: float) -> float:
    return math.ceil(size / step) * step
