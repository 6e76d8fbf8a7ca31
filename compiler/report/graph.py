"""The placed program as a graph: its inputs, ops and outputs, and the values between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from compiler.accuracy.pairs import Placed, unconverted
from compiler.explain import Placement
from compiler.explain.borders import varying_operands
from compiler.report.document import Edge, Graph, Node
from compiler.report.layout import Box, draw
from dialects.kernel.precision import format_of
from dialects.program import (
    body_of,
    input_names,
    main_function,
    output_names,
    return_of,
)

BOX = Box(width=168.0, height=40.0, gap=28.0, lane=20.0, step=74.0)


def graph_of(placed: Placed, rows: Sequence[Placement]) -> Graph:
    """The drawing. `rows` are the ops with the precisions that they ended in."""
    function = main_function(placed.module)
    count = len(body_of(function).args)
    results = [unconverted(value) for value in return_of(function).operands]
    kinds: list[tuple[Literal["op", "input", "output"], int, str]] = [
        *(("input", index, name) for index, name in enumerate(input_names(function))),
        *(("op", index, op.source_name) for index, op in enumerate(placed.ops)),
        *(
            ("output", placed.ids.get(value, -1), name)
            for value, name in zip(results, output_names(function), strict=True)
        ),
    ]
    # A value's node: inputs come first, ops after them.
    owner = {result: count + i for i, op in enumerate(placed.ops) for result in op.results}
    node_of = {**{arg: i for i, arg in enumerate(body_of(function).args)}, **owner}
    first_output = count + len(placed.ops)
    edges = dict.fromkeys(
        [
            (node_of[placed.values[value]], count + index)
            for index, op in enumerate(placed.ops)
            for value in placed.inputs_of(op)
        ]
        + [
            (node_of[value], first_output + index)
            for index, value in enumerate(results)
            if value in node_of
        ]
    )
    converting = {
        (node_of[value], count + index)
        for index, op in enumerate(placed.ops)
        for value in map(unconverted, varying_operands(op))
        if value in node_of
    } | {edge for edge in edges if edge[1] >= first_output}
    drawing = draw(len(kinds), list(edges), BOX)
    formats = [_format(kind, ref, rows, placed) for kind, ref, _ in kinds]
    return Graph(
        width=drawing.width,
        height=drawing.height,
        node_width=BOX.width,
        node_height=BOX.height,
        nodes=tuple(
            Node(kind, ref, label, round(x, 1), round(y, 1))
            for (kind, ref, label), (x, y) in zip(kinds, drawing.centres, strict=True)
        ),
        edges=tuple(
            Edge(
                source,
                target,
                tuple((round(x, 1), round(y, 1)) for x, y in path),
                _conversion(formats[source], formats[target])
                if (source, target) in converting
                else None,
            )
            for (source, target), path in zip(edges, drawing.paths, strict=True)
        ),
    )


def _format(kind: str, ref: int, rows: Sequence[Placement], placed: Placed) -> str | None:
    """The number format of a node: of an op its precision, of inputs and outputs their type's."""
    if kind == "op":
        return rows[ref].precision
    if ref < 0:
        return None
    found = format_of(placed.values[ref])
    return None if found is None else found.value


def _conversion(source: str | None, target: str | None) -> str | None:
    if source is None or target is None or source == target:
        return None
    return f"{source} to {target}"
