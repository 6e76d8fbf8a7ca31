"""Pass `clip-outliers`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, UnitAttr, f64
from xdsl.ir import BlockArgument, Operation, OpResult, SSAValue
from xdsl.rewriter import InsertPoint, Rewriter

from dialects.context import OctetContext
from dialects.errors import OctetError
from dialects.nn.base import NnOp
from dialects.nn.constant import ConstantOp
from dialects.nn.linear import ConvOp, MatmulOp
from dialects.program import (
    body_of,
    main_function,
    range_of,
    scheme_of,
    set_argument_range,
    sole_user,
)
from dialects.quant import DequantizeCastOp, QuantizeCastOp, UniformQuantizedType
from passes.base import Numerics, OctetPass
from passes.calibrate.rescaling.simulation import product
from passes.dataflow import constant_of, element_of_quantized, stored_behind, varying_operand
from passes.facts import (
    NO_ADJACENT_DCAST_QCAST,
    NO_DUPLICATE_CASTS,
    ON_TENSORS,
    QDQ_INSERTED,
    SCALES_UNIFIED,
)
from passes.quantize.correction.float_program import FloatProgram, first_samples
from passes.quantize.fixed import weight_scheme
from passes.quantize.insert_qdq import accumulator_share, bias_of
from passes.quantize.parameters import element_by_scheme
from passes.quantize.unify_scales import retype
from runtime.reference.evaluate import evaluate_op, one_blas_thread, params_of
from runtime.reference.quantization import dequantize, quantize

CLIPPED = "clipped"
"""Attribute of a cast, or of an integer weight, whose range was chosen: it is not chosen again."""

SHARES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
"""Shares of an end of a range that are tried, widest first."""
WEIGHT_SHARES = (1.0, 0.97, 0.94, 0.91, 0.88, 0.85, 0.8, 0.75)
"""Shares of the scale of a weight channel that are tried."""
LEAST_GAIN = 0.9
"""An error has to shrink to this share of itself before more is cut off: differences below are
those of the sample."""

Linear = ConvOp | MatmulOp
Function = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class ClipOutliersPass(OctetPass):
    """Cut off rare great values where that makes the results of layers more exact.

    Before:

        %xq = quant.qcast %x : .. -> tensor<..x!quant.uniform<u8:f32, 0.1>>     range 0 .. 25.5
        %wq = nn.constant <..> {origin = ..} : tensor<..x!quant.uniform<i8<-127:127>:f32:1, {..}>>

    After:

        %xq = quant.qcast %x : .. -> tensor<..x!quant.uniform<u8:f32, 0.04>>    range 0 .. 10.2
        %wq = nn.constant <..> {origin = ..} : ..          smaller scales, greatest weights saturate

    A range that ends at the greatest value leaves coarse steps to all others. Calibration methods
    weigh one against the other by the error of the tensor (Banner et al., "Post training 4-bit
    quantization of convolutional networks", 2019; Choukroun et al., "Low-bit quantization of neural
    networks for efficient inference", 2019). Here what counts is the squared error of the results
    of the ops that take it, in float on `samples` samples of the calibration data: errors in
    channels with small weights, or where a GELU is flat, do not matter. Of each activation first
    the upper end is shrunk, then the lower one; of each weight the scale of every output channel.
    More is cut off only where that takes a tenth off the error: what is rare is missing in few
    samples, and a range that fits them alone saturates later, so `samples` should be 64 or more.

    It stands after `insert-qdq` (whose proofs of 32-bit sums are repeated for new weight scales)
    and before `correct-bias`, which takes up the shifts of means that cutting off causes.
    `samples=0` turns it off. Values with numbers fixed by a scheme, weights that the model itself
    quantized or that several ops share, and casts that were chosen before are left alone.
    """

    name = "clip-outliers"
    NUMERICS: ClassVar = Numerics.QUANTIZES
    READS_DATA: ClassVar = True
    REQUIRES: ClassVar = frozenset({ON_TENSORS, QDQ_INSERTED})
    INVALIDATES: ClassVar = frozenset({SCALES_UNIFIED, NO_ADJACENT_DCAST_QCAST, NO_DUPLICATE_CASTS})

    samples: int = 64
    weights: bool = True
    activations: bool = True

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        if self.samples < 0:
            raise OctetError(f"clip-outliers: samples is at least 0, got {self.samples}")
        ops = list(body_of(main_function(module)).ops)
        casts = {op for op in ops if _can_clip(op)} if self.activations else set[Operation]()
        linear = {op for op in ops if _has_own_weight(op)} if self.weights else set[Operation]()
        if not self.samples or not (casts or linear):
            return
        if ctx.calibration_data is None:
            raise OctetError(
                "clip-outliers: no calibration data was given; pass the inputs that `calibrate` "
                "used"
            )
        with one_blas_thread():
            program = FloatProgram(ctx, module, first_samples(ctx, self.samples))
            for op in program.steps():
                if op in linear and isinstance(op, Linear):
                    self._clip_weight(ctx, op, program.array(op.operands[0]))
                if op in casts and isinstance(op, QuantizeCastOp):
                    self._clip_activation(ctx, op, program)

    def _clip_activation(
        self, ctx: OctetContext, cast: QuantizeCastOp, program: FloatProgram
    ) -> None:
        bounds = range_of(cast.input)
        assert bounds is not None
        element = element_of_quantized(cast.result)
        functions = consumer_functions(cast, ctx)
        x = program.array(cast.input)
        exact = [function(x) for function in functions]

        def error(low: float, high: float) -> float:
            params = params_of(_activation_type(cast, element, (low, high)))
            rounded = dequantize(quantize(x, params), params)
            return sum(
                relative_error(function(rounded), wanted)
                for function, wanted in zip(functions, exact, strict=True)
            )

        low, high = least_range(bounds, error)
        cast.attributes[CLIPPED] = UnitAttr()
        if (low, high) != bounds:
            retype(cast, _activation_type(cast, element, (low, high)))
            _set_range(cast.input, low, high)
            self.count(ctx, "activations")

    def _clip_weight(self, ctx: OctetContext, op: Linear, x: np.ndarray) -> None:
        stored = stored_behind(op.operands[1])
        assert stored is not None
        constant = stored.owner
        assert isinstance(constant, ConstantOp)
        assert constant.origin is not None
        weight = ctx.weights[constant.origin.digest.data]
        element = element_of_quantized(stored)
        chosen = least_weight_scales(op, x, weight, element)
        integers = quantize(weight, params_of(chosen))
        share = accumulator_share(op, _scale_of_input(op), bias_of(op, ctx), integers, chosen)
        if chosen == element or share > 1.0:
            constant.attributes[CLIPPED] = UnitAttr()
            return
        clipped = ConstantOp.of(integers, ctx.weights, chosen)
        clipped.layer, clipped.origin = constant.layer, constant.origin
        clipped.attributes[CLIPPED] = UnitAttr()
        Rewriter.insert_op(clipped, InsertPoint.before(constant))
        cast = op.operands[1].owner
        assert isinstance(cast, DequantizeCastOp)
        cast.operands[0] = clipped.result
        Rewriter.erase_op(constant)
        self.count(ctx, "weights")


# --- what is chosen -------------------------------------------------------------------------


def least_range(
    bounds: tuple[float, float], error: Callable[[float, float], float]
) -> tuple[float, float]:
    """The upper end, then the lower one, each the share of `bounds` with the least error."""
    low, high = bounds
    best = error(low, high)
    for upper in (True, False):
        end = high if upper else low
        if end == 0.0:
            continue
        for share in SHARES[1:]:
            tried = (low, end * share) if upper else (end * share, high)
            found = error(*tried)
            if found < LEAST_GAIN * best:
                best, low, high = found, *tried
    return low, high


def least_weight_scales(
    op: Linear, x: np.ndarray, weight: np.ndarray, element: UniformQuantizedType
) -> UniformQuantizedType:
    """`element` with the share of each channel's scale at which the products of `x` [batch, ..]
    and the rounded `weight` differ least from those of the weight itself."""
    scales = np.array(element.scales.get_values())
    per_channel = element.channel_axis is not None
    errors: list[np.ndarray] = []
    for share in WEIGHT_SHARES:
        params = params_of(_with_scales(element, scales * share))
        difference = dequantize(quantize(weight, params), params) - weight
        result = product(op, x, difference.astype(np.float32)).astype(np.float64)
        axis = 1 if isinstance(op, ConvOp) else result.ndim - 1
        others = tuple(i for i in range(result.ndim) if i != axis)
        by_channel = np.sum(result * result, axis=others)
        errors.append(by_channel if per_channel else by_channel.sum(keepdims=True))
    table = np.stack(errors)
    best = np.argmin(table, axis=0)
    gains = np.take_along_axis(table, best[None], axis=0)[0] < LEAST_GAIN * table[0]
    shares = np.where(gains, np.array(WEIGHT_SHARES)[best], 1.0)
    return _with_scales(element, scales * shares) if gains.any() else element


def relative_error(actual: np.ndarray, wanted: np.ndarray) -> float:
    """Squared error relative to the squares."""
    difference = actual.astype(np.float64) - wanted
    signal = float(np.sum(wanted.astype(np.float64) ** 2))
    return float(np.sum(difference * difference)) / max(signal, 1e-30)


def consumer_functions(cast: QuantizeCastOp, ctx: OctetContext) -> list[Function]:
    """What each op that takes the dequantized value makes of it alone: products with constant
    weights, unary functions, and for all others the value itself."""
    functions: list[Function] = []
    for pair in cast.result.uses:
        if isinstance(pair.operation, DequantizeCastOp):
            uses = pair.operation.result.uses
            functions += [_function(use.operation, use.index, ctx) for use in uses]
        else:  # an op on integers: whoever takes its result takes other values than these
            functions.append(lambda x: x)
    return functions or [lambda x: x]


def _function(op: Operation, index: int, ctx: OctetContext) -> Function:
    if isinstance(op, Linear) and index == 0:
        constant = constant_of(op.operands[1])
        if constant is not None and constant.origin is not None:
            weight = ctx.weights[constant.origin.digest.data]
            return lambda x: product(op, x, weight)
    if isinstance(op, NnOp) and varying_operand(op) == index:
        operands = [
            None if position == index else _constant_array(value, ctx)
            for position, value in enumerate(op.operands)
        ]

        def unary(x: np.ndarray) -> np.ndarray:
            arrays = [x if array is None else array for array in operands]
            return evaluate_op(op, arrays, ctx.weights)[0]

        return unary
    return lambda x: x


def _constant_array(value: SSAValue, ctx: OctetContext) -> np.ndarray:
    assert isinstance(value.owner, ConstantOp)
    return value.owner.array(ctx.weights)


# --- what may be chosen ---------------------------------------------------------------------


def _can_clip(op: Operation) -> bool:
    if not isinstance(op, QuantizeCastOp) or CLIPPED in op.attributes:
        return False
    element = element_of_quantized(op.result)
    ours = range_of(op.input) is not None and not scheme_of(op.input).is_fixed
    return ours and element.channel_axis is None


def _has_own_weight(op: Operation) -> bool:
    if not isinstance(op, Linear) or not op.is_int8 or weight_scheme(op).is_fixed:
        return False
    stored = stored_behind(op.operands[1])
    constant = None if stored is None else stored.owner
    if not isinstance(constant, ConstantOp) or constant.origin is None:
        return False
    symmetric = not any(element_of_quantized(constant.result).zero_points.get_values())
    alone = sole_user(op.operands[1]) is op and sole_user(constant.result) is not None
    return symmetric and alone and CLIPPED not in constant.attributes


def _activation_type(
    cast: QuantizeCastOp, element: UniformQuantizedType, bounds: tuple[float, float]
) -> UniformQuantizedType:
    """The type for `bounds` of the kind that `insert-qdq` gave the value."""
    storage = "s8" if element.is_signed else "u8"
    low, high = element.limits
    (zero_point,) = element.zero_points.get_values()
    known = range_of(cast.input)
    assert known is not None
    # A zero point where an asymmetric type would not have it: the type is symmetric.
    plain = element_by_scheme(scheme_of(cast.input), known, storage, symmetric=False)
    symmetric = plain != element and zero_point in ((low + high + 1) // 2, max(low, 0))
    return element_by_scheme(scheme_of(cast.input), bounds, storage, symmetric=symmetric)


def _with_scales(element: UniformQuantizedType, scales: np.ndarray) -> UniformQuantizedType:
    return UniformQuantizedType(
        element.storage,
        element.expressed,
        [float(np.float32(scale)) for scale in scales],
        list(element.zero_points.get_values()),
        axis=element.channel_axis,
        storage_range=element.limits,
    )


def _scale_of_input(op: Linear) -> float:
    stored = stored_behind(op.operands[0])
    assert stored is not None
    return element_of_quantized(stored).scales.get_values()[0]


def _set_range(value: SSAValue, low: float, high: float) -> None:
    if isinstance(value, BlockArgument):
        set_argument_range(value, low, high)
    elif isinstance(value, OpResult) and isinstance(op := value.op, NnOp) and op.range is not None:
        bounds = list(op.range.get_values())
        bounds[2 * value.index : 2 * value.index + 2] = low, high
        op.range = DenseArrayBase.from_list(f64, bounds)
