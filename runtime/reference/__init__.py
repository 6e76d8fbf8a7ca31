"""The one definition of every op's arithmetic, in numpy.

`REFERENCE` maps the mnemonic of an `nn` op to its float function: arrays by position, attributes by
keyword, under the op's own names. `INTEGER_REFERENCE` maps it to the function on stored integers,
which also takes `<operand>_params` and `result_params`. Kernels are tested against these functions,
folding and calibration call them, and the int8 ones are matched to the bit.

A function whose mnemonic is a Python keyword or builtin has a trailing underscore: `and_`, `min_`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from . import (
    attention,
    blocks,
    elementary,
    elementwise,
    linear,
    movement,
    normalization,
    pooling,
    reduction,
    resize,
)
from .elementary import exp_f32, fma_f32, lane_sum
from .integer import arithmetic, dynamic, means, runtime_zero_points, table
from .integer import attention as integer_attention
from .integer import linear as integer_linear
from .integer import movement as integer_movement
from .quantization import (
    QuantParams,
    dequantize,
    dynamic_quantize,
    lookup,
    quantize,
    requantize,
    requantize_table,
)

__all__ = [
    "INTEGER_REFERENCE",
    "REFERENCE",
    "UNARY",
    "QuantParams",
    "dequantize",
    "dynamic_quantize",
    "elementary",
    "exp_f32",
    "fma_f32",
    "lane_sum",
    "lookup",
    "quantize",
    "requantize",
    "requantize_table",
]

UNARY: dict[str, Callable[..., Any]] = {
    "relu": elementwise.relu,
    "leaky_relu": elementwise.leaky_relu,
    "elu": elementwise.elu,
    "hard_swish": elementwise.hard_swish,
    "hard_sigmoid": elementwise.hard_sigmoid,
    "sigmoid": elementwise.sigmoid,
    "silu": elementwise.silu,
    "tanh": elementwise.tanh,
    "erf": elementwise.erf,
    "gelu": elementwise.gelu,
    "sqrt": elementwise.sqrt,
    "exp": elementwise.exp,
    "log": elementwise.log,
    "neg": elementwise.neg,
    "abs": elementwise.abs_,
    "reciprocal": elementwise.reciprocal,
    "floor": elementwise.floor,
    "ceil": elementwise.ceil,
    "round": elementwise.round_,
    "sign": elementwise.sign,
    "clip": elementwise.clip,
}
"""Elementwise float ops of one operand: between 8-bit tensors each is a 256-entry table."""

REFERENCE: dict[str, Callable[..., Any]] = {
    "conv": linear.conv,
    "conv_transpose": linear.conv_transpose,
    "matmul": linear.matmul,
    "matmul_nbits": blocks.matmul_nbits,
    "attention": attention.attention,
    "max_pool": pooling.max_pool,
    "avg_pool": pooling.avg_pool,
    "batch_norm": normalization.batch_norm,
    "layer_norm": normalization.layer_norm,
    "instance_norm": normalization.instance_norm,
    "lrn": normalization.lrn,
    "softmax": normalization.softmax,
    "log_softmax": normalization.log_softmax,
    **UNARY,
    "not": elementwise.not_,
    "add": elementwise.add,
    "sub": elementwise.sub,
    "mul": elementwise.mul,
    "div": elementwise.div,
    "pow": elementwise.pow_,
    "min": elementwise.min_,
    "max": elementwise.max_,
    "mod": elementwise.mod,
    "equal": elementwise.equal,
    "less": elementwise.less,
    "less_equal": elementwise.less_equal,
    "greater": elementwise.greater,
    "greater_equal": elementwise.greater_equal,
    "and": elementwise.and_,
    "or": elementwise.or_,
    "xor": elementwise.xor,
    "prelu": elementwise.prelu,
    "where": elementwise.where,
    "reshape": movement.reshape,
    "transpose": movement.transpose,
    "concat": movement.concat,
    "slice": movement.slice_,
    "pad": movement.pad,
    "expand": movement.expand,
    "crop": movement.crop,
    "tile": movement.tile,
    "gather": movement.gather,
    "resize": resize.resize,
    "depth_to_space": movement.depth_to_space,
    "space_to_depth": movement.space_to_depth,
    "reduce_mean": reduction.reduce_mean,
    "reduce_sum": reduction.reduce_sum,
    "reduce_max": reduction.reduce_max,
    "reduce_min": reduction.reduce_min,
    "reduce_prod": reduction.reduce_prod,
    "argmax": reduction.argmax,
    "argmin": reduction.argmin,
    "topk": reduction.topk,
    "constant": movement.constant,
    "cast": elementwise.cast,
    "lookup": lookup,
    "dynamic_quantize": dynamic_quantize,
    "conv_integer": runtime_zero_points.conv_integer,
    "matmul_integer": runtime_zero_points.matmul_integer,
}
"""nn mnemonic -> function on arrays (float32, half precisions, integers where ONNX has them)."""

INTEGER_REFERENCE: dict[str, Callable[..., Any]] = {
    **{name: partial(table.by_table, function) for name, function in UNARY.items()},
    "relu": integer_movement.relu,
    "clip": integer_movement.clip,
    "conv": integer_linear.conv,
    "conv_transpose": integer_linear.conv_transpose,
    "matmul": integer_linear.matmul,
    "matmul_dynamic": dynamic.matmul_dynamic,
    "attention": integer_attention.attention,
    "add": arithmetic.add,
    "sub": arithmetic.sub,
    "mul": arithmetic.mul,
    "min": integer_movement.min_,
    "max": integer_movement.max_,
    "where": integer_movement.where,
    "avg_pool": means.avg_pool,
    "reduce_mean": means.reduce_mean,
    "max_pool": integer_movement.max_pool,
    "concat": integer_movement.concat,
    "pad": integer_movement.pad,
    "resize": integer_movement.resize,
    **{
        name: integer_movement.moved(name, REFERENCE[name])
        for name in (
            "reshape",
            "transpose",
            "slice",
            "expand",
            "crop",
            "tile",
            "gather",
            "depth_to_space",
            "space_to_depth",
            "reduce_max",
            "reduce_min",
        )
    },
    "argmax": integer_movement.ordered_index(reduction.argmax),
    "argmin": integer_movement.ordered_index(reduction.argmin),
    "topk": integer_movement.topk,
    "lookup": lookup,
}
"""nn mnemonic -> function on stored integers, with `<operand>_params` and `result_params`."""
