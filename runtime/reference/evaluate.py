"""Runs a program in numpy, op by op: the meaning of the IR at every stage before `kernel`.

The arithmetic is that of the other modules of this package; this one only finds the function
of each op and hands it the operands, the options and, where values are quantized, their
parameters.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache, lru_cache
from typing import Any, cast

import numpy as np
from threadpoolctl import ThreadpoolController
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.dialects.func import ReturnOp
from xdsl.ir import Attribute, Operation, SSAValue

from dialects.elements import HALVES, dtype_of, is_quantized
from dialects.errors import OctetError
from dialects.nn.attributes import ActivationAttr, WeightAttr
from dialects.nn.base import NnOp, element_of_value, shape_of
from dialects.nn.constant import ConstantOp
from dialects.program import body_of, input_names, main_function, output_names
from dialects.quant import (
    DequantizeCastOp,
    QuantizeCastOp,
    StorageCastOp,
    UniformQuantizedType,
)
from dialects.weights import WeightStore
from runtime.reference import INTEGER_REFERENCE, REFERENCE
from runtime.reference.precision import narrow
from runtime.reference.quantization import QuantParams, dequantize, quantize

REFERENCE_NAMES = {"lhs": "a", "rhs": "b"}
"""Operands of binary ops are sides in the IR and plain letters in the formulas."""

Observer = Callable[[SSAValue, np.ndarray], None]
"""Called with every value of a program as it is computed."""


@lru_cache(maxsize=4096)
def params_of(element: UniformQuantizedType) -> QuantParams:
    """The numpy form of a quantized element type; scales are rounded to float32."""
    scales = np.array(element.scales.get_values(), np.float32)
    zero_points = np.array(element.zero_points.get_values(), np.int32)
    low, high = element.limits
    return QuantParams(
        dtype=dtype_of(element),
        qmin=low,
        qmax=high,
        scale=scales if element.channel_axis is not None else scales[0],
        zero_point=zero_points if element.channel_axis is not None else zero_points[0],
        axis=element.channel_axis,
    )


def evaluate(
    module: ModuleOp,
    feeds: Mapping[str, np.ndarray],
    weights: WeightStore,
    observe: Observer | None = None,
) -> dict[str, np.ndarray]:
    """Outputs by name for inputs by name. Inputs may have another batch size than the types say.

    Every value is dropped after its last use, so memory is that of the live values.
    Raises OctetError for missing or wrong inputs.
    """
    with one_blas_thread():
        return _evaluate(module, feeds, weights, observe)


def one_blas_thread() -> AbstractContextManager[object]:
    """Sums then do not depend on the number of cores, and OpenBLAS's spinning threads cost far more
    than they gain when the machine is busy (40 times, seen on two cores)."""
    return _blas().limit(limits=1, user_api="blas")


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()


def _evaluate(
    module: ModuleOp,
    feeds: Mapping[str, np.ndarray],
    weights: WeightStore,
    observe: Observer | None,
) -> dict[str, np.ndarray]:
    function = main_function(module)
    block = body_of(function)
    values: dict[SSAValue, np.ndarray] = {}
    for name, argument in zip(input_names(function), block.args, strict=True):
        values[argument] = _checked_input(name, argument, feeds)
        if observe is not None:
            observe(argument, values[argument])
    last_use = last_uses(block.ops)
    for op in block.ops:
        operands = [values[operand] for operand in op.operands]
        if isinstance(op, ReturnOp):
            return dict(zip(output_names(function), operands, strict=True))
        for result, array in zip(op.results, evaluate_op(op, operands, weights), strict=True):
            values[result] = array
            if observe is not None:
                observe(result, array)
        for operand in {*op.operands, *op.results}:
            if last_use.get(operand, op) is op:
                values.pop(operand, None)
    raise OctetError("the program's function does not end in func.return")


def evaluate_op(
    op: Operation, operands: Sequence[np.ndarray], weights: WeightStore
) -> list[np.ndarray]:
    """The results of one op for given operands."""
    match op:
        case ConstantOp():
            return [op.array(weights)]
        case QuantizeCastOp():
            return [quantize(operands[0], _params(op.result))]
        case DequantizeCastOp():
            real = dequantize(operands[0], _params(op.input))
            return [narrow(real, dtype_of(element_of_value(op.result)))]
        case StorageCastOp():
            return [operands[0]]
        case NnOp():
            return _evaluate_nn(op, operands, weights)
        case _:
            raise OctetError(f"{op.name} has no reference arithmetic; it cannot be evaluated")


def _evaluate_nn(
    op: NnOp, operands: Sequence[np.ndarray], weights: WeightStore
) -> list[np.ndarray]:
    options = {name: _plain(value, weights) for name, value in op.values().items()}
    quantized = any(is_quantized(element_of_value(v)) for v in (*op.operands, *op.results))
    table = INTEGER_REFERENCE if quantized else REFERENCE
    function = table.get(op.mnemonic)
    if function is None:
        kind = "integer" if quantized else "float"
        raise OctetError(f"{op.source_name}: {op.name} has no {kind} reference")
    accepted = _parameters_of(function)
    if "dtype" in accepted:
        options["dtype"] = dtype_of(element_of_value(op.results[0]))
    positional: list[np.ndarray] = []
    params: dict[str, Any] = {}
    for name, array, value in zip(op.operand_names(), operands, op.operands, strict=True):
        name = REFERENCE_NAMES.get(name, name)
        if name in op.optional_operand_names():
            options[name] = array
        else:
            positional.append(array)
        if "operand_params" in accepted:
            params.setdefault("operand_params", []).append(_optional_params(value))
        elif f"{name}_params" in accepted:
            params[f"{name}_params"] = _optional_params(value)
    if "result_params" in accepted:
        params["result_params"] = _optional_params(op.results[0])
    with np.errstate(invalid="ignore"):  # a NaN among bfloat16 numbers is no mistake
        result = function(*positional, **options, **params)
    results = list(result) if isinstance(result, tuple) else [result]
    if quantized and element_of_value(op.results[0]) in HALVES:
        results[0] = narrow(results[0], dtype_of(element_of_value(op.results[0])))
    return results


@lru_cache(maxsize=1024)
def _parameters_of(function: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


def _plain(value: Any, weights: WeightStore) -> Any:
    if isinstance(value, ActivationAttr):
        return ("clip", *value.bounds)
    if isinstance(value, WeightAttr):
        return weights[value.digest.data]
    return value


def _params(value: SSAValue) -> QuantParams:
    return params_of(cast(UniformQuantizedType, element_of_value(value)))


def _optional_params(value: SSAValue) -> QuantParams | None:
    element: Attribute = element_of_value(value)
    return params_of(element) if isinstance(element, UniformQuantizedType) else None


def last_uses(ops: Iterable[Operation]) -> dict[SSAValue, Operation]:
    """The last of `ops`, in order, that takes each value."""
    last: dict[SSAValue, Operation] = {}
    for op in ops:
        for operand in op.operands:
            last[operand] = op
    return last


def _checked_input(name: str, argument: SSAValue, feeds: Mapping[str, np.ndarray]) -> np.ndarray:
    if name not in feeds:
        raise OctetError(f"input '{name}' is missing; got {sorted(feeds)}")
    array = np.asarray(feeds[name])
    dtype = dtype_of(cast(TensorType, argument.type).element_type)
    if array.dtype != dtype:
        raise OctetError(f"input '{name}' should be {dtype}, got {array.dtype}")
    if array.ndim != len(shape_of(argument)):
        raise OctetError(
            f"input '{name}' should have {len(shape_of(argument))} dimensions like "
            f"{list(shape_of(argument))}, got {list(array.shape)}"
        )
    return array
