"""Functions that a model defines for itself: inlined, after a look at what that would give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import onnx
import onnx.checker
import onnx.inliner
from onnx import AttributeProto, FunctionProto, ModelProto, NodeProto

from dialects.errors import OctetError

MAX_INLINED_NODES = 100_000
"""Functions that call functions twice grow exponentially: a small file must not fill the memory."""

MAX_CALL_DEPTH = 64

_Key = tuple[str, str]


def inline_functions(model: ModelProto, name: str) -> ModelProto:
    """The model with calls of its own functions replaced by their bodies.

    Raises OctetError for functions that call themselves, or whose bodies are too many nodes.
    """
    functions = {(entry.domain, entry.name): entry for entry in model.functions}
    nodes = _inlined_size(model.graph.node, functions, {}, (), name)
    if nodes > MAX_INLINED_NODES:
        raise OctetError(
            f"{name}: its local functions expand to {nodes} nodes; the limit is {MAX_INLINED_NODES}"
        )
    try:
        return onnx.inliner.inline_local_functions(model)
    except (RuntimeError, ValueError, TypeError, onnx.checker.ValidationError) as error:
        raise OctetError(f"{name}: its local functions cannot be inlined: {error}") from None


def _inlined_size(
    nodes: Iterable[NodeProto],
    functions: Mapping[_Key, FunctionProto],
    sizes: dict[_Key, int],
    callers: tuple[_Key, ...],
    model_name: str,
) -> int:
    """How many nodes a list of nodes becomes; `sizes` remembers that of functions."""
    total = 0
    for node in _with_nested(nodes):
        key = (node.domain, node.op_type)
        if key not in functions:
            total += 1
            continue
        if key in callers or len(callers) >= MAX_CALL_DEPTH:
            chain = " -> ".join(op_type for _, op_type in (*callers, key))
            raise OctetError(f"{model_name}: local functions call themselves: {chain}")
        if key not in sizes:
            body = functions[key].node
            sizes[key] = _inlined_size(body, functions, sizes, (*callers, key), model_name)
        total += sizes[key]
    return total


def _with_nested(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """Nodes, and those in the subgraphs of their attributes."""
    pending = list(nodes)
    while pending:
        node = pending.pop()
        yield node
        for attribute in node.attribute:
            if attribute.type == AttributeProto.GRAPH:
                pending += attribute.g.node
            elif attribute.type == AttributeProto.GRAPHS:
                pending += [inner for graph in attribute.graphs for inner in graph.node]
