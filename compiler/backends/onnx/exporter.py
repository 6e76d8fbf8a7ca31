"""Walks a program and builds the graph."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import StringStringEntryProto, TensorAnnotation, TensorProto, ValueInfoProto, helper
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.dialects.func import ReturnOp
from xdsl.ir import Attribute, Operation, SSAValue

from compiler.frontends.onnx.tensors import code_of_dtype
from compiler.stages import TARGET
from compiler.version import __version__
from dialects.elements import HALVES, dtype_of
from dialects.errors import OctetError
from dialects.nn.base import NnOp, element_of_value
from dialects.nn.constant import ConstantOp
from dialects.nn.quantized_linear import MatmulDynamicOp, MatmulNBitsOp
from dialects.program import HISTORY, body_of, input_names, main_function, output_names, return_of
from dialects.quant import (
    DequantizeCastOp,
    QuantizeCastOp,
    StorageCastOp,
    UniformQuantizedType,
    storage_limits,
)
from dialects.weights import WeightStore
from passes.dataflow import quantized_element
from runtime.reference.evaluate import params_of
from runtime.reference.quantization import dequantize

from . import ops as _ops  # noqa: F401 - importing the package registers every emit function
from .dims import Sizes, symbolic_sizes
from .graph import GraphWriter
from .model import ExportedModel
from .node import OpContext
from .registry import emitter_of

STORAGES = (np.dtype(np.int8), np.dtype(np.uint8), np.dtype(np.int32))
"""What QuantizeLinear and DequantizeLinear of the opset take."""
NO_FORM: dict[type[Operation], str] = {
    MatmulNBitsOp: " for weights of few bits with a scale per group; compile without --weight-only "
    "and recipe rules of 'weights'",
    MatmulDynamicOp: " for activations with a scale per row, found when it runs; compile without "
    "--dynamic-quantization and recipe rules of 'activations'",
}
"""Ops of stage `quantize` that QDQ models cannot hold: why, and what to do about it."""


class GraphExporter:
    """One export: the ONNX name of every value, and a list of what could not be exported.

    A quantized value is, in ONNX, the tensor of its stored integers; scale and zero point are
    operands of the nodes that quantize and dequantize it.
    """

    def __init__(self, module: ModuleOp, weights: WeightStore):
        self.module = module
        self.weights = weights
        self.function = main_function(module)
        self.input_names = input_names(self.function)
        self.output_names = output_names(self.function)
        self.graph = GraphWriter([*self.input_names, *self.output_names])
        self.problems: list[str] = []
        self.names: dict[SSAValue, str] = dict(
            zip(body_of(self.function).args, self.input_names, strict=True)
        )
        self._parameters: dict[tuple[str, UniformQuantizedType], tuple[str, str]] = {}
        self._dequantized: dict[tuple[str, UniformQuantizedType], str] = {}
        self._widened: dict[str, str] = {}

    def run(self) -> ExportedModel:
        """The model. Raises one OctetError that lists everything that cannot be exported."""
        for op in body_of(self.function).ops:
            if not isinstance(op, ReturnOp):
                self._export(op)
        if self.problems:
            listed = "\n".join(f"  {problem}" for problem in self.problems)
            raise OctetError(f"{len(self.problems)} thing(s) cannot be exported to ONNX:\n{listed}")
        self._name_outputs()
        inputs, outputs = symbolic_sizes(self.module)
        arguments, results = body_of(self.function).args, return_of(self.function).operands
        return ExportedModel(
            self.graph.nodes,
            _declared(self.input_names, arguments, inputs),
            _declared(self.output_names, results, outputs),
            self.graph.arrays,
            [
                *self._annotations(self.input_names, arguments),
                *self._annotations(self.output_names, results),
            ],
            self._metadata(),
        )

    # --- ops --------------------------------------------------------------------------------

    def _export(self, op: Operation) -> None:
        if isinstance(op, ConstantOp):
            return  # written where it is first used
        try:
            results = self._results(op)
        except OctetError as error:
            self.problems.append(f"{_described(op)}: {error}")
            # Named, so that the walk goes on and finds what else is missing.
            results = [self.graph.value(_described(op)) for _ in op.results]
        self.names.update(zip(op.results, results, strict=True))

    def _results(self, op: Operation) -> Sequence[str]:
        if isinstance(op, QuantizeCastOp):
            return [self._quantize(self._real(op.input), _element(op.result))]
        if isinstance(op, DequantizeCastOp):
            return [self._narrowed(self._real(op.input), element_of_value(op.result))]
        if isinstance(op, StorageCastOp):
            return [self._name(op.input)]
        emit = emitter_of(type(op)) if isinstance(op, NnOp) else None
        if not isinstance(op, NnOp) or emit is None:
            reason = NO_FORM.get(type(op), "; export the stage 'quantize'")
            raise OctetError(f"standard ONNX has no such operator{reason}")
        produced = emit(op, OpContext(op, self.graph, self.weights, self._real))
        names = produced if isinstance(produced, tuple) else (produced,)
        return [
            self._narrowed(name, element_of_value(result))
            for name, result in zip(names, op.results, strict=True)
        ]

    # --- values -----------------------------------------------------------------------------

    def _name(self, value: SSAValue) -> str:
        """The ONNX name of a value as it is stored."""
        if value not in self.names:
            constant = value.owner
            assert isinstance(constant, ConstantOp), f"{value} is used before it is defined"
            self.names[value] = self.graph.initializer(
                constant.array(self.weights), _constant_name(constant)
            )
        return self.names[value]

    def _real(self, value: SSAValue) -> str:
        """The name of a value as numbers that an op may compute with: quantized values are
        dequantized, 16-bit floats widened; each once, however many ops use it."""
        name, element = self._name(value), element_of_value(value)
        if isinstance(element, UniformQuantizedType):
            return self._dequantize(name, element)
        if element not in HALVES:
            return name
        if name not in self._widened:
            (self._widened[name],) = self.graph.node(
                "Cast", [name], f"{name}_Cast", [f"{name}_f32"], to=TensorProto.FLOAT
            )
        return self._widened[name]

    def _narrowed(self, name: str, element: Attribute) -> str:
        """A real result as what the program stores: quantized, or rounded to 16 bits."""
        if isinstance(element, UniformQuantizedType):
            return self._quantize(name, element)
        if element not in HALVES:
            return name
        code = code_of_dtype(dtype_of(element))
        kind = TensorProto.DataType.Name(code).lower()  # type: ignore[arg-type]
        (rounded,) = self.graph.node("Cast", [name], f"{name}_Cast", [f"{name}_{kind}"], to=code)
        return rounded

    def _quantize(self, name: str, element: UniformQuantizedType) -> str:
        scale, zero_point = self._scale_and_zero_point(name, element)
        if element.limits != storage_limits(element.storage):
            name = self._clip_to_limits(name, element)
        (stored,) = self.graph.node(
            "QuantizeLinear",
            [name, scale, zero_point],
            f"{name}_QuantizeLinear",
            [f"{name}_QuantizeLinear_Output"],
            axis=element.channel_axis,
        )
        self._parameters[stored, element] = (scale, zero_point)
        return stored

    def _clip_to_limits(self, name: str, element: UniformQuantizedType) -> str:
        """ONNX clamps at the ends of the storage type; a narrower range is a clamp before it."""
        if element.channel_axis is not None:
            raise OctetError(
                f"{element}: a range narrower than its storage type, with a scale per channel"
            )
        low, high = dequantize(np.array(element.limits), params_of(element))
        bounds = [
            self.graph.initializer(np.array(bound, np.float32), f"{name}_{what}")
            for bound, what in ((low, "min"), (high, "max"))
        ]
        (clipped,) = self.graph.node("Clip", [name, *bounds], f"{name}_Clip", [f"{name}_clipped"])
        return clipped

    def _dequantize(self, name: str, element: UniformQuantizedType) -> str:
        key = (name, element)
        if key not in self._dequantized:
            scale, zero_point = self._scale_and_zero_point(name, element)
            (self._dequantized[key],) = self.graph.node(
                "DequantizeLinear",
                [name, scale, zero_point],
                f"{name}_DequantizeLinear",
                [f"{name}_DequantizeLinear_Output"],
                axis=element.channel_axis,
            )
        return self._dequantized[key]

    def _scale_and_zero_point(self, name: str, element: UniformQuantizedType) -> tuple[str, str]:
        """The operands that stand for `element`, named after the value they belong to."""
        key = (name, element)
        if key not in self._parameters:
            dtype = dtype_of(element)
            if dtype not in STORAGES:
                raise OctetError(
                    f"values stored as {dtype}; QuantizeLinear and DequantizeLinear take "
                    + ", ".join(map(str, STORAGES))
                )
            scales = np.array(element.scales.get_values(), np.float32)
            zero_points = np.array(element.zero_points.get_values(), dtype)
            shape = () if element.channel_axis is None else scales.shape
            self._parameters[key] = (
                self.graph.initializer(scales.reshape(shape), f"{name}_scale"),
                self.graph.initializer(zero_points.reshape(shape), f"{name}_zero_point"),
            )
        return self._parameters[key]

    # --- inputs and outputs -----------------------------------------------------------------

    def _name_outputs(self) -> None:
        """Results of nodes take the names of the outputs; all else is copied to them."""
        made = {name for node in self.graph.nodes for name in node.output}
        renamed: dict[str, str] = {}
        for value, output in zip(return_of(self.function).operands, self.output_names, strict=True):
            name = self._name(value)
            if name in made and name not in renamed:
                renamed[name] = output
            else:
                self.graph.node("Identity", [name], f"{output}/Identity")
                renamed[self.graph.nodes[-1].output[0]] = output
        self.graph.rename(renamed)

    def _annotations(
        self, names: Sequence[str], values: Sequence[SSAValue]
    ) -> list[TensorAnnotation]:
        """Scale and zero point of quantized inputs and outputs, where tools look for them."""
        annotations: list[TensorAnnotation] = []
        for name, value in zip(names, values, strict=True):
            element = quantized_element(value)
            if element is None:
                continue
            scale, zero_point = self._scale_and_zero_point(self._name(value), element)
            annotations.append(
                TensorAnnotation(
                    tensor_name=name,
                    quant_parameter_tensor_names=[
                        StringStringEntryProto(key="SCALE_TENSOR", value=scale),
                        StringStringEntryProto(key="ZERO_POINT_TENSOR", value=zero_point),
                    ],
                )
            )
        return annotations

    def _metadata(self) -> dict[str, str]:
        recorded = {"pipeline": HISTORY, "target": TARGET}
        found = {key: self.module.attributes.get(name) for key, name in recorded.items()}
        return {
            "octet.version": __version__,
            **{
                f"octet.{key}": value.data
                for key, value in found.items()
                if isinstance(value, StringAttr)
            },
        }


def _element(value: SSAValue) -> UniformQuantizedType:
    element = quantized_element(value)
    assert element is not None
    return element


def _described(op: Operation) -> str:
    if not isinstance(op, NnOp):
        return op.name
    return f"{op.mnemonic} '{op.source_name}'"


def _constant_name(constant: ConstantOp) -> str:
    """Its name in the model it came from, or that of its first user and what it is to it."""
    if constant.layer is not None:
        return constant.layer.data
    for use in constant.result.uses:
        user, index = use.operation, use.index
        if isinstance(user, DequantizeCastOp) and user.result.uses:
            first = next(iter(user.result.uses))
            user, index = first.operation, first.index
        if isinstance(user, NnOp):
            layer = user.layer.data if user.layer is not None else user.mnemonic
            return f"{layer}.{user.operand_names()[index]}"
    return "constant"


def _declared(
    names: Sequence[str], values: Sequence[SSAValue], shapes: Sequence[Sizes]
) -> list[ValueInfoProto]:
    return [
        helper.make_tensor_value_info(
            name, code_of_dtype(dtype_of(element_of_value(value))), list(sizes)
        )
        for name, value, sizes in zip(names, values, shapes, strict=True)
    ]
