"""Checks that a graph is one: every name defined once, before it is used, without cycles."""

from __future__ import annotations

from collections import deque
from collections.abc import Set as AbstractSet

from onnx import GraphProto, NodeProto

from dialects.errors import OctetError


def layer_name(node: NodeProto, index: int) -> str:
    """The name a node goes by: its own, or `<OpType>_<index>`."""
    return node.name or f"{node.op_type}_{index}"


def ordered_nodes(graph: GraphProto, model_name: str) -> list[tuple[str, NodeProto]]:
    """The nodes with their layer names, each after the nodes it takes values from.

    A sound file is already in that order and stays in it. Raises OctetError for names that are
    defined twice or never, and for cycles.
    """
    nodes = [(layer_name(node, index), node) for index, node in enumerate(graph.node)]
    defined = _outer_names(graph, model_name)
    producer: dict[str, int] = {}
    for index, (name, node) in enumerate(nodes):
        for output in node.output:
            if not output:
                continue
            if output in defined or output in producer:
                raise OctetError(
                    f"{model_name}: value '{output}', a result of node '{name}', is defined twice"
                )
            producer[output] = index
    known = defined | producer.keys()
    for name, node in nodes:
        for operand in node.input:
            if operand and operand not in known:
                raise OctetError(
                    f"{model_name}: node '{name}' uses value '{operand}', which nothing defines"
                )
    for output in graph.output:
        if output.name not in known:
            raise OctetError(f"{model_name}: output '{output.name}' is not defined by any node")
    return _topological(nodes, producer, model_name)


def _outer_names(graph: GraphProto, model_name: str) -> AbstractSet[str]:
    """Names of inputs and initializers; an initializer may be the default of an input."""
    names: set[str] = set()
    for kind, entries in (("input", graph.input), ("initializer", graph.initializer)):
        seen: set[str] = set()
        for entry in entries:
            if not entry.name:
                raise OctetError(f"{model_name}: an {kind} has no name")
            if entry.name in seen:
                raise OctetError(f"{model_name}: {kind} '{entry.name}' is defined twice")
            seen.add(entry.name)
        names |= seen
    outputs = [output.name for output in graph.output]
    if len(set(outputs)) != len(outputs):
        raise OctetError(f"{model_name}: an output is listed twice in {outputs}")
    return names


def _topological(
    nodes: list[tuple[str, NodeProto]], producer: dict[str, int], model_name: str
) -> list[tuple[str, NodeProto]]:
    """Kahn's algorithm, stable: file order wherever that is possible."""
    waiting = [0] * len(nodes)
    users: list[list[int]] = [[] for _ in nodes]
    for index, (_, node) in enumerate(nodes):
        for source in {producer[name] for name in node.input if name in producer}:
            waiting[index] += 1
            users[source].append(index)
    if all(
        producer[name] < index
        for index, (_, node) in enumerate(nodes)
        for name in node.input
        if name in producer
    ):
        return nodes
    ready = deque(index for index, count in enumerate(waiting) if count == 0)
    order: list[int] = []
    while ready:
        index = ready.popleft()
        order.append(index)
        for user in users[index]:
            waiting[user] -= 1
            if waiting[user] == 0:
                ready.append(user)
    if len(order) != len(nodes):
        stuck = sorted(set(range(len(nodes))) - set(order))
        names = ", ".join(f"'{nodes[index][0]}'" for index in stuck[:8])
        raise OctetError(f"{model_name}: the graph has a cycle through or before node(s) {names}")
    return [nodes[index] for index in order]
