"""Walks the graph of a model and builds the program."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from onnx import NodeProto, ValueInfoProto
from xdsl.dialects.builtin import (
    ArrayAttr,
    FunctionType,
    ModuleOp,
    StringAttr,
    TensorType,
    UnrealizedConversionCastOp,
)
from xdsl.dialects.func import FuncOp, ReturnOp
from xdsl.ir import Attribute, Block, Region, SSAValue
from xdsl.utils.exceptions import VerifyException

from dialects.context import OctetContext
from dialects.elements import element_of, is_float
from dialects.errors import OctetError
from dialects.nn.base import element_of_value
from dialects.program import (
    DIMS,
    FIXED_SHAPE,
    NAME,
    QUANTIZED,
    set_argument_attributes,
    set_result_attributes,
)
from dialects.quant import StorageCastOp, UniformQuantizedType

from . import ops as _ops  # noqa: F401 - importing the package registers every import function
from .annotations import annotated_types
from .builder import FoldingBuilder, GraphBuilder, TooLargeToFold
from .dims import DeclaredInput, InputSizes, resolve_inputs
from .graph import ordered_nodes
from .loader import LoadedModel
from .node import NodeContext
from .registry import Importer, importer_of
from .tensors import MAX_ELEMENTS, dtype_of_code, to_array
from .values import Tensor

_NO_RESULT: tuple[Tensor | None, ...] = ()


class GraphImporter:
    """One import: a table of values by name, and a list of what could not be imported."""

    def __init__(
        self,
        model: LoadedModel,
        context: OctetContext,
        shapes: Mapping[str, Sequence[int]],
        constants: Mapping[str, np.ndarray],
        *,
        default: int = 1,
        only_batch: bool = False,
    ):
        self.model = model
        self.graph = model.proto.graph
        self.context = context
        self.problems: list[str] = []
        self.values: dict[str, Tensor | None] = {}
        self._placeholders: dict[str, Tensor] | None = None
        self._constants = constants
        nodes = ordered_nodes(self.graph, model.name)
        self.nodes = nodes
        self._used = {name for _, node in nodes for name in node.input if name}
        self._used.update(entry.name for entry in self.graph.output)
        initialized = {tensor.name for tensor in self.graph.initializer}
        self.inputs = [
            entry
            for entry in self.graph.input
            if entry.name not in initialized and entry.name not in constants
        ]
        self.sizes = self._input_sizes(shapes, default, only_batch)
        self.quantized = annotated_types(model)
        self.block = Block(arg_types=[self._input_type(entry) for entry in self.inputs])
        self.builder = GraphBuilder(
            self.block,
            [entry.name for entry in self.inputs],
            context.weights,
            len(self.sizes.assignments),
            self.sizes.implied_batch,
        )

    @property
    def has_other_symbols(self) -> bool:
        """Sizes other than the batch may vary."""
        return self.sizes.has_other_symbols

    @property
    def is_fixed(self) -> bool:
        """The program runs only at its default sizes."""
        return self.builder.fixed is not None

    # --- inputs -----------------------------------------------------------------------------

    def _input_sizes(
        self, given: Mapping[str, Sequence[int]], default: int, only_batch: bool
    ) -> InputSizes:
        declared = [_declared(entry, given, self.model.name) for entry in self.inputs]
        try:
            return resolve_inputs(declared, given, default=default, only_batch=only_batch)
        except OctetError as error:
            raise OctetError(f"{self.model.name}: {error}") from None

    def _input_type(self, entry: ValueInfoProto) -> TensorType:
        dtype = dtype_of_code(
            entry.type.tensor_type.elem_type, f"{self.model.name}: input '{entry.name}'"
        )
        element = self.quantized.get(entry.name, element_of(dtype))
        return TensorType(element, self.sizes.shapes(entry.name)[0])

    def _define_inputs(self) -> None:
        for entry, argument in zip(self.inputs, self.block.args, strict=True):
            element = self._input_type(entry).element_type
            tensor = Tensor(self.sizes.shapes(entry.name), element, entry.name, ssa=argument)
            self.values[entry.name] = tensor
            self.builder.inputs.append(tensor)
        names = {entry.name for entry in self.graph.input}
        for name, array in self._constants.items():
            if name not in names:
                raise OctetError(
                    f"{self.model.name}: a constant is given for '{name}', but the inputs are "
                    f"{sorted(names)}"
                )
            try:
                self.values[name] = self.builder.constant(np.asarray(array), layer=name)
            except OctetError as error:
                raise OctetError(
                    f"{self.model.name}: the constant given for '{name}': {error}"
                ) from None

    def _define_initializers(self) -> None:
        for tensor in self.graph.sparse_initializer:
            self.problems.append(
                f"initializer '{tensor.values.name}': sparse tensors are not supported"
            )
        for tensor in self.graph.initializer:
            if tensor.name in self._constants:
                continue
            what = f"initializer '{tensor.name}'"
            try:
                array = to_array(tensor, what, self.model.folder)
            except OctetError as error:
                self.problems.append(str(error))
                self.values[tensor.name] = None
                continue
            self.values[tensor.name] = self.builder.constant(array, layer=tensor.name)

    # --- nodes ------------------------------------------------------------------------------

    def run(self) -> ModuleOp:
        """The program. Raises one OctetError that lists everything that cannot be imported."""
        self._define_initializers()
        self._define_inputs()
        for layer, node in self.nodes:
            self._import_node(layer, node)
        outputs = None if self.problems else self._outputs()
        if self.problems or outputs is None:
            listed = "\n".join(f"  {problem}" for problem in self.problems)
            raise OctetError(
                f"{self.model.name}: {len(self.problems)} thing(s) cannot be imported:\n{listed}"
            )
        return self._module(outputs)

    def _import_node(self, layer: str, node: NodeProto) -> None:
        domain = "" if node.domain == "ai.onnx" else node.domain
        version = self.model.opsets.get(domain)
        where = f"{node.op_type} '{layer}'" if not domain else f"{domain}.{node.op_type} '{layer}'"
        function = None if version is None else importer_of(domain, node.op_type, version)
        if version is None:
            self.problems.append(f"{where}: the model imports no opset of domain '{domain}'")
        elif function is None:
            self.problems.append(f"{where}: this operator is not supported")
        operands = [self.values[name] if name else None for name in node.input]
        missing = any(
            name and value is None for name, value in zip(node.input, operands, strict=True)
        )
        results = _NO_RESULT
        if function is not None and version is not None and not missing:
            try:
                results = self._results(function, node, layer, version, operands, where)
            except OctetError as error:
                self.problems.append(f"{where}: {error}")
        for index, name in enumerate(node.output):
            if not name:
                continue
            value = results[index] if index < len(results) else None
            self.values[name] = self._placeholder(name) if value is None else value

    def _results(
        self,
        function: Importer,
        node: NodeProto,
        layer: str,
        version: int,
        operands: Sequence[Tensor | None],
        where: str,
    ) -> tuple[Tensor, ...]:
        folded = self._folded(function, node, layer, version, operands)
        if folded is not None:
            return folded
        node_context = NodeContext(
            node, layer, version, operands, self.builder, self.model.folder, self._used
        )
        produced = function(node_context)
        results = produced if isinstance(produced, tuple) else (produced,)
        unread = node_context.unread_attributes()
        if unread:
            # A result there is: later nodes can be looked at too.
            self.problems.append(f"{where}: {_not_supported(unread)}")
        for index, name in enumerate(node.output):
            if name in self._used and index >= len(results):
                raise OctetError(f"result {index} ('{name}') is not supported")
        return results

    @staticmethod
    def _check_attributes(node_context: NodeContext) -> None:
        unread = node_context.unread_attributes()
        if unread:
            raise OctetError(_not_supported(unread))

    def _folded(
        self,
        function: Importer,
        node: NodeProto,
        layer: str,
        version: int,
        operands: Sequence[Tensor | None],
    ) -> tuple[Tensor, ...] | None:
        """Results of integer arithmetic on small known values; None if this is no such node."""
        present = [tensor for tensor in operands if tensor is not None]
        if not present or not all(tensor.is_foldable for tensor in present):
            return None
        from_shape = any(tensor.from_shape for tensor in present)
        if not from_shape and any(is_float(tensor.element) for tensor in present):
            return None
        if any(isinstance(tensor.element, UniformQuantizedType) for tensor in present):
            return None
        count = self.builder.count if any(tensor.varies for tensor in present) else 1
        evaluated: list[tuple[Tensor, ...]] = []
        folding = FoldingBuilder()
        try:
            for assignment in range(count):
                constants = [
                    None
                    if tensor is None
                    else folding.constant(tensor.array(assignment), layer=tensor.source)
                    for tensor in operands
                ]
                node_context = NodeContext(
                    node, layer, version, constants, folding, self.model.folder, self._used
                )
                try:
                    produced = function(node_context)
                except OctetError:
                    if assignment == 0:
                        raise
                    # Small enough to compute with at the default sizes, but not at all others.
                    return None
                self._check_attributes(node_context)
                evaluated.append(produced if isinstance(produced, tuple) else (produced,))
        except TooLargeToFold:
            return None
        results = tuple(
            self.builder.constant(
                *(tensor.array(0) for tensor in tensors), layer=layer, from_shape=from_shape
            )
            for tensors in zip(*evaluated, strict=True)
        )
        if not from_shape and any(is_float(tensor.element) for tensor in results):
            return None
        tables = [t for t in present if is_float(t.element) and not t.from_shape]
        if tables and any(len({a.shape for a in t.arrays or ()}) > 1 for t in results):
            # Part of a table, as much as an input is long: no arithmetic on sizes.
            return None
        if any(name in self._used for name in node.output[len(results) :]):
            return None
        return results

    def _placeholder(self, name: str) -> Tensor | None:
        """A stand-in for a result that could not be imported, so that the walk can go on."""
        if self._placeholders is None:
            self._placeholders = self._declared_values()
        return self._placeholders.get(name)

    def _declared_values(self) -> dict[str, Tensor]:
        """Stand-ins by the shapes that the model itself notes for its values.

        ONNX's own shape inference would know more, but on forged sizes it may never return.
        """
        values: dict[str, Tensor] = {}
        for entry in self.graph.value_info:
            tensor = entry.type.tensor_type
            try:
                element = element_of(dtype_of_code(tensor.elem_type, entry.name))
            except OctetError:
                continue
            if not tensor.HasField("shape"):
                continue
            shape = tuple(max(size.dim_value, 1) for size in tensor.shape.dim)
            if math.prod(shape) > MAX_ELEMENTS:
                continue
            op = UnrealizedConversionCastOp(
                operands=[[]], result_types=[[TensorType(element, shape)]]
            )
            self.block.add_op(op)
            values[entry.name] = Tensor(
                (shape,) * self.builder.count, element, entry.name, ssa=op.results[0]
            )
        return values

    # --- the program ------------------------------------------------------------------------

    def _outputs(self) -> list[SSAValue]:
        outputs: list[SSAValue] = []
        for entry in self.graph.output:
            tensor = self.values[entry.name]
            if tensor is None:
                self.problems.append(f"output '{entry.name}' could not be computed")
                continue
            annotated = self.quantized.get(entry.name)
            if isinstance(tensor.element, UniformQuantizedType) and tensor.element != annotated:
                tensor = self.builder.cast(
                    StorageCastOp, tensor, tensor.element.storage, entry.name
                )
            outputs.append(self.builder.value(tensor, f"output '{entry.name}'"))
        return outputs

    def _module(self, outputs: Sequence[SSAValue]) -> ModuleOp:
        self.block.add_op(ReturnOp(*outputs))
        function = FuncOp(
            "main",
            FunctionType.from_lists(
                [argument.type for argument in self.block.args],
                [value.type for value in outputs],
            ),
            Region(self.block),
        )
        set_argument_attributes(
            function,
            [
                {**self._argument(entry.name), **_quantized_as(argument)}
                for entry, argument in zip(self.inputs, self.block.args, strict=True)
            ],
        )
        set_result_attributes(
            function,
            [
                {NAME: StringAttr(entry.name), **_quantized_as(value)}
                for entry, value in zip(self.graph.output, outputs, strict=True)
            ],
        )
        module = ModuleOp([function])
        if self.builder.fixed is not None:
            module.attributes[FIXED_SHAPE] = StringAttr(self.builder.fixed)
        try:
            module.verify()
        except VerifyException as error:
            message = f"{self.model.name}: the imported program does not verify: {error}"
            raise OctetError(message) from error
        return module

    def _argument(self, name: str) -> dict[str, Attribute]:
        symbols = [
            StringAttr(size if isinstance(size, str) else "") for size in self.sizes.by_name[name]
        ]
        return {NAME: StringAttr(name), DIMS: ArrayAttr(symbols)}


def _quantized_as(value: SSAValue) -> dict[str, Attribute]:
    element = element_of_value(value)
    return {QUANTIZED: element} if isinstance(element, UniformQuantizedType) else {}


def _not_supported(attributes: Sequence[str]) -> str:
    return f"attribute(s) {', '.join(attributes)} are not supported"


def _declared(
    entry: ValueInfoProto, given: Mapping[str, Sequence[int]], model_name: str
) -> DeclaredInput:
    """An input as declared; where the model gives no shape at all, as many sizes as given."""
    if entry.type.WhichOneof("value") != "tensor_type":
        raise OctetError(f"{model_name}: input '{entry.name}' is not a tensor")
    tensor = entry.type.tensor_type
    if not tensor.HasField("shape"):
        if entry.name not in given:
            raise OctetError(
                f"{model_name}: input '{entry.name}' has no shape in the model; give one "
                f"(--shape {entry.name}=1x3x224x224)"
            )
        return DeclaredInput(entry.name, (None,) * len(given[entry.name]))
    sizes: list[int | str | None] = []
    for size in tensor.shape.dim:
        if size.HasField("dim_value"):
            sizes.append(int(size.dim_value))
        else:
            sizes.append(size.dim_param or None)
    if any(isinstance(size, int) and size < 0 for size in sizes):
        raise OctetError(f"{model_name}: input '{entry.name}' has a negative size in {sizes}")
    return DeclaredInput(entry.name, tuple(sizes))
