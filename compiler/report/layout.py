"""A drawing of a directed acyclic graph in layers (Sugiyama, Tagawa and Toda, 1981).

1. Every node gets the layer after the last of those before it.
2. Edges over several layers are cut by waypoints; edges from one node share theirs.
3. Sweeps down and up sort each layer by the mean position of its neighbours, and keep the order
   with the fewest crossings.
4. Sweeps move nodes to the mean of their neighbours as far as the order and the gaps allow:
   an isotonic regression, solved by pooling adjacent violators.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Point = tuple[float, float]

ORDER_SWEEPS = 12
MOVE_SWEEPS = 24
STRAIGHT = 4.0
"""How much more a waypoint is drawn to other waypoints than to nodes: long edges run straight."""


@dataclass(frozen=True)
class Box:
    """Width and height of the boxes, all of one size, and the gaps between them."""

    width: float
    height: float
    gap: float
    """Between neighbours in a layer."""
    lane: float
    """Room for an edge that passes through a layer."""
    step: float
    """From one layer to the next."""


@dataclass(frozen=True)
class Drawing:
    """Centres of the nodes; for each edge, points from the lower side of one node to the upper
    side of another."""

    centres: tuple[Point, ...]
    paths: tuple[tuple[Point, ...], ...]
    width: float
    height: float


@dataclass
class Vertex:
    """A node of the graph, or a waypoint of the edges from `node`."""

    node: int
    layer: int
    waypoint: bool
    above: list[int] = field(default_factory=list[int])
    below: list[int] = field(default_factory=list[int])
    x: float = 0.0


def draw(count: int, edges: Sequence[tuple[int, int]], box: Box) -> Drawing:
    """Draws nodes 0 to `count` - 1, which are in topological order: every edge goes upwards in
    number. Raises ValueError for one that does not."""
    for source, target in edges:
        if not 0 <= source < target < count:
            raise ValueError(f"edge {source} -> {target} of {count} nodes in topological order")
    vertices, routes = _with_waypoints(layers_of(count, edges), edges)
    rows = _ordered(vertices)
    _place(vertices, rows, box)
    left = min((v.x for v in vertices), default=0.0) - box.width / 2
    right = max((v.x for v in vertices), default=0.0) + box.width / 2

    def centre(vertex: Vertex) -> Point:
        return vertex.x - left, vertex.layer * box.step + box.height / 2

    return Drawing(
        centres=tuple(centre(vertex) for vertex in vertices[:count]),
        paths=tuple(
            _path([centre(vertices[index]) for index in routes[edge]], box) for edge in edges
        ),
        width=right - left,
        height=(len(rows) - 1) * box.step + box.height if rows else 0.0,
    )


def layers_of(count: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """The layer of each node. Nodes without a predecessor stand right before their first user."""
    layers = [0] * count
    before: list[list[int]] = [[] for _ in range(count)]
    after: list[list[int]] = [[] for _ in range(count)]
    for source, target in edges:
        before[target].append(source)
        after[source].append(target)
    for node in range(count):
        layers[node] = max((layers[other] + 1 for other in before[node]), default=0)
    for node in range(count):
        if not before[node] and after[node]:
            layers[node] = min(layers[other] for other in after[node]) - 1
    return layers


def _with_waypoints(
    layers: Sequence[int], edges: Sequence[tuple[int, int]]
) -> tuple[list[Vertex], dict[tuple[int, int], list[int]]]:
    """Nodes, then waypoints; and the vertices of each edge."""
    vertices = [Vertex(node, layer, False) for node, layer in enumerate(layers)]
    waypoints: dict[tuple[int, int], int] = {}
    routes: dict[tuple[int, int], list[int]] = {}
    linked: set[tuple[int, int]] = set()
    for source, target in edges:
        route = [source]
        for layer in range(layers[source] + 1, layers[target]):
            if (source, layer) not in waypoints:
                waypoints[source, layer] = len(vertices)
                vertices.append(Vertex(source, layer, True))
            route.append(waypoints[source, layer])
        route.append(target)
        routes[source, target] = route
        for upper, lower in pairwise(route):
            if (upper, lower) not in linked:
                linked.add((upper, lower))
                vertices[upper].below.append(lower)
                vertices[lower].above.append(upper)
    return vertices, routes


def _ordered(vertices: Sequence[Vertex]) -> list[list[int]]:
    """The vertices of each layer from left to right."""
    rows: list[list[int]] = [[] for _ in range(max((v.layer for v in vertices), default=-1) + 1)]
    for index, vertex in enumerate(vertices):
        rows[vertex.layer].append(index)
    best, fewest = [list(row) for row in rows], crossings(vertices, rows)
    for sweep in range(ORDER_SWEEPS):
        if fewest == 0:
            break
        _sort_by_neighbours(vertices, rows, upwards=sweep % 2 == 1)
        found = crossings(vertices, rows)
        if found < fewest:
            best, fewest = [list(row) for row in rows], found
    return best


def _sort_by_neighbours(
    vertices: Sequence[Vertex], rows: list[list[int]], *, upwards: bool
) -> None:
    order = range(len(rows) - 2, -1, -1) if upwards else range(1, len(rows))
    position = {vertex: place for row in rows for place, vertex in enumerate(row)}
    for layer in order:
        means: dict[int, float] = {}
        for vertex in rows[layer]:
            near = vertices[vertex].below if upwards else vertices[vertex].above
            places = [position[other] for other in near]
            means[vertex] = sum(places) / len(places) if places else position[vertex]
        rows[layer].sort(key=means.__getitem__)
        position.update((vertex, place) for place, vertex in enumerate(rows[layer]))


def crossings(vertices: Sequence[Vertex], rows: Sequence[Sequence[int]]) -> int:
    """How many pairs of edges between neighbouring layers cross."""
    total = 0
    for upper, lower in pairwise(rows):
        position = {vertex: place for place, vertex in enumerate(lower)}
        seen: list[int] = []
        for vertex in upper:
            ends = sorted(position[other] for other in vertices[vertex].below)
            total += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return total


def _place(vertices: Sequence[Vertex], rows: Sequence[Sequence[int]], box: Box) -> None:
    """Gives every vertex its x: near its neighbours, none over another."""
    offsets = [_offsets([vertices[index] for index in row], box) for row in rows]
    for row, offset in zip(rows, offsets, strict=True):
        middle = (offset[-1] if offset else 0.0) / 2
        for index, start in zip(row, offset, strict=True):
            vertices[index].x = start - middle
    down = list(range(len(rows)))
    for sweep in range(MOVE_SWEEPS):
        for layer in down if sweep % 2 == 0 else down[::-1]:
            row, offset = rows[layer], offsets[layer]
            wanted = [_mean_of_neighbours(vertices, index) for index in row]
            free = isotonic(
                [(x - start, weight) for (x, weight), start in zip(wanted, offset, strict=True)]
            )
            for index, x, start in zip(row, free, offset, strict=True):
                vertices[index].x = x + start


def _offsets(row: Sequence[Vertex], box: Box) -> list[float]:
    """The least distance of each vertex of a layer from the first."""
    offsets = [0.0] if row else []
    for left, right in pairwise(row):
        half = [box.lane / 2 if v.waypoint else (box.width + box.gap) / 2 for v in (left, right)]
        offsets.append(offsets[-1] + sum(half))
    return offsets


def _mean_of_neighbours(vertices: Sequence[Vertex], index: int) -> tuple[float, float]:
    """The weighted mean of the neighbours' x, and the sum of the weights."""
    vertex = vertices[index]
    total = weights = 0.0
    for other in (*vertex.above, *vertex.below):
        weight = STRAIGHT if vertex.waypoint and vertices[other].waypoint else 1.0
        total += weight * vertices[other].x
        weights += weight
    return (total / weights, weights) if weights else (vertex.x, 1.0)


def isotonic(values: Sequence[tuple[float, float]]) -> list[float]:
    """The nondecreasing sequence nearest to (value, weight) pairs, in weighted least squares."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in values:
        size = 1
        while pools and pools[-1][0] > value:
            mean, mass, count = pools.pop()
            value = (mean * mass + value * weight) / (mass + weight)
            weight += mass
            size += count
        pools.append((value, weight, size))
    return [value for value, _, size in pools for _ in range(size)]


def _path(centres: Sequence[Point], box: Box) -> tuple[Point, ...]:
    """From the lower side of the first to the upper side of the last; straight past waypoints."""
    (first_x, first_y), *middle, (last_x, last_y) = centres
    half = box.height / 2
    points = [(first_x, first_y + half)]
    for x, y in middle:
        points += [(x, y - half), (x, y + half)]
    return (*points, (last_x, last_y - half))
