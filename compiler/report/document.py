"""What a report says: plain values that become JSON.

Times are in microseconds, sizes in bytes, shares from 0 to 1, signal-to-noise ratios in decibels.
A fact that could not be had is None, and `notes` of the report says why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from compiler.accuracy.decibels import Decibels


@dataclass(frozen=True)
class Histogram:
    """Counts of values in bins of equal width between `low` and `high`."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Stored:
    """How the numbers of a value are stored where they are quantized.

    `low` and `high` are the real numbers at the ends of the storage type; `clipped` is the share
    of the calibration values beyond them, to within a bin of the histogram.
    """

    type: str
    low: float
    high: float
    scale: float
    zero_point: int
    clipped: float | None


@dataclass(frozen=True)
class Value:
    """An input of the program or a result of an op."""

    id: int
    name: str
    type: str
    range: tuple[float, float] | None
    histogram: Histogram | None
    stored: Stored | None
    sqnr_db: Decibels = None


@dataclass(frozen=True)
class Op:
    """An op of the placed program. See `compiler.explain.Placement` for the fields they share.

    - `inputs`, `outputs`: ids of values; `constants`: the types of constant operands.
    - `ir`: the op as it was placed; `final_ir`: the kernels that compute it.
    - `sqnr_db`: of its first result as deployed; `alone_sqnr_db`: if all ops before had no error;
      `cause`: what that error comes from; `rule`: what to add to a recipe against it.
    - `measured_us`: of its kernels; those of several ops are counted with the op `timed_with`.
    - `peak_share`: how near its slowest kernel comes to what a core can do.
    """

    index: int
    names: tuple[str, ...]
    op: str
    precision: str | None
    wanted: str | None
    placed_by: str
    decider: str
    reason: str
    moves: bool
    macs: int
    macs_share: float
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    constants: tuple[str, ...]
    kernels: tuple[str, ...]
    fused_with: tuple[int, ...]
    conversions: tuple[str, ...]
    ir: str
    final_ir: tuple[str, ...]
    sqnr_db: Decibels
    alone_sqnr_db: Decibels
    cause: str | None
    rule: str | None
    modelled_us: Mapping[str, float]
    gain_us: float | None
    measured_us: float | None
    measured_share: float | None
    peak_share: float | None
    timed_with: int | None


@dataclass(frozen=True)
class Node:
    """A box of the drawing. `kind` is op, input or output; `ref` an op's index or a value's id."""

    kind: Literal["op", "input", "output"]
    ref: int
    label: str
    x: float
    y: float


@dataclass(frozen=True)
class Edge:
    """A line from node to node through `points`; `conversion` is "f32 to int8" where the two
    hold numbers differently."""

    source: int
    target: int
    points: tuple[tuple[float, float], ...]
    conversion: str | None


@dataclass(frozen=True)
class Graph:
    """The drawing: positions are centres of boxes, all of one size."""

    width: float
    height: float
    node_width: float
    node_height: float
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


@dataclass(frozen=True)
class PassRecord:
    """One pass: what it did to the numbers of ops, its rewrites and its wall time."""

    stage: str
    name: str
    options: str
    seconds: float
    ops_before: int
    ops_after: int
    deltas: Mapping[str, int]
    rewrites: Mapping[str, int]


@dataclass(frozen=True)
class StageRecord:
    """The time of a stage, checks included, and the ops of the program after it."""

    name: str
    afterwards: str
    seconds: float
    counts: Mapping[str, int]


@dataclass(frozen=True)
class Share:
    """What a precision, or the work between ops, has of the whole."""

    name: str
    ops: int
    macs: int
    macs_share: float
    time_us: float | None
    time_share: float | None


@dataclass(frozen=True)
class Island:
    """Float ops that are connected, in a program that has others."""

    ops: tuple[int, ...]
    time_us: float | None
    time_share: float | None
    borders: int
    """Edges to ops in other precisions."""
    reasons: Mapping[str, int]


@dataclass(frozen=True)
class Conversion:
    """A kernel that only changes how numbers are stored or laid out, and the ops around it."""

    kernel: str
    change: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    bytes: int
    time_us: float | None
    time_share: float | None


@dataclass(frozen=True)
class Cause:
    """A reason for ops not to be in the lowest precision, and what these ops cost."""

    precision: str
    reason: str
    ops: tuple[int, ...]
    macs_share: float
    time_us: float | None
    time_share: float | None


@dataclass(frozen=True)
class Bottlenecks:
    """Why the program is not faster. `basis` says which times this section goes by."""

    basis: Literal["measured", "modelled", "macs"]
    shares: tuple[Share, ...]
    islands: tuple[Island, ...]
    conversions: tuple[Conversion, ...]
    fused_conversions: int
    dominating: tuple[int, ...]
    """The ops that take most, slowest first, until they have 80 % of the whole."""
    causes: tuple[Cause, ...]


@dataclass(frozen=True)
class Timing:
    """How times were measured, and their sums."""

    threads: int
    runs: int
    isa: str
    total_us: float
    run_us: float
    peaks: Mapping[str, float]
    """Multiply-accumulates per second of a core, by precision."""


@dataclass(frozen=True)
class Summary:
    """The program as a whole."""

    model: str
    target: str
    isa: str
    stage: str
    octet: str
    versions: Mapping[str, str]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    ops: int
    macs: int
    weight_bytes: int
    float_weight_bytes: int
    activation_bytes: int | None
    calibration_batches: int
    sqnr_samples: int
    output_sqnr_db: Mapping[str, Decibels]
    pipeline: str


@dataclass(frozen=True)
class Report:
    """One compilation."""

    summary: Summary
    timing: Timing | None
    ops: tuple[Op, ...]
    values: tuple[Value, ...]
    graph: Graph
    bottlenecks: Bottlenecks
    stages: tuple[StageRecord, ...]
    passes: tuple[PassRecord, ...]
    notes: Mapping[str, str] = field(default_factory=dict[str, str])
    """Why something is missing: by `histograms`, `sqnr`, `measured`, `modelled`, `final`."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def share_of(part: float | None, whole: Sequence[float]) -> float | None:
    """`part` of the sum of `whole`; None if there is no part, or the whole is nothing."""
    total = sum(whole)
    return None if part is None or total <= 0 else part / total
