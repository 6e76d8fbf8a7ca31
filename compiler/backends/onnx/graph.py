"""Nodes and initializers under unique names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, helper


class GraphWriter:
    """A graph that grows node by node; every name in it is given once."""

    def __init__(self, reserved: Iterable[str]):
        """`reserved` are names that belong to inputs and outputs."""
        self.nodes: list[NodeProto] = []
        self.arrays: dict[str, np.ndarray] = {}
        """The initializers by name, in order of first use."""
        self._values = set(reserved)
        self._node_names: set[str] = set()

    def node(
        self,
        op_type: str,
        inputs: Sequence[str],
        name: str,
        outputs: Sequence[str] = (),
        **attributes: Any,
    ) -> list[str]:
        """Adds a node and gives the names of its results, by default one named after the node.

        Absent optional inputs are empty names; those at the end are left out, as are attributes
        that are None.
        """
        name = _unique(name, self._node_names)
        results = [self.value(output) for output in outputs or (f"{name}_output",)]
        given = list(inputs)
        while given and not given[-1]:
            given.pop()
        present = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(helper.make_node(op_type, given, results, name, **present))
        return results

    def initializer(self, array: np.ndarray, name: str) -> str:
        """Adds a constant and gives its name, `name` if that is free."""
        name = self.value(name)
        self.arrays[name] = array
        return name

    def value(self, name: str) -> str:
        """Claims a name for a value."""
        return _unique(name, self._values)

    def rename(self, names: dict[str, str]) -> None:
        """Gives results of nodes other names, everywhere."""
        for node in self.nodes:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]


def _unique(name: str, taken: set[str]) -> str:
    candidate, count = name, 1
    while candidate in taken:
        candidate, count = f"{name}_{count}", count + 1
    taken.add(candidate)
    return candidate
