"""One row of an explanation: an op of the placed program, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dialects.shapes import Shape


@dataclass(frozen=True)
class Conversion:
    """A change of number format at an operand or result of an op.

    `fused` ones are done by the op's own kernel while it loads or stores; the others are kernels
    of their own, which both neighbours list.
    """

    at: str
    """`operand` or `result`."""
    source: str
    target: str
    fused: bool


@dataclass(frozen=True)
class Kernel:
    """What computes an op, or a part of it, in the program as it stands."""

    name: str
    precision: str | None


@dataclass(frozen=True)
class Placement:
    """An op of the placed program: its precision, who decided that, and what it became.

    - `index`: its position among the ops, as `index:` selectors count.
    - `names`: the layers of the model it answers to.
    - `precision`: what it computes in (of a movement op: what it moves) as far as the program was
      compiled; None for movement ops before that is known, and for ops on indices and booleans.
    - `placed_by`, `decider`, `reason`: the kind of decider, the decider in its own words, and why;
      see `passes.placement.decision`.
    - `moves`: it only moves data.
    - `wanted`: the precision it was placed in, where a later pass could not keep to that.
    - `macs_share`: of the whole program's multiply-accumulates.
    - `kernels`: what computes it; empty if nothing is left of it.
    - `fused_with`: other ops, by index, that the same kernels compute.
    - `modelled_ns`: modelled time by precision, where a cost model was at hand.
    - `gain_ns`: modelled time in f32 less that in `precision` and its share of the conversions.
    """

    index: int
    names: tuple[str, ...]
    op: str
    operand_shapes: tuple[Shape, ...]
    result_shapes: tuple[Shape, ...]
    precision: str | None
    placed_by: str
    decider: str
    reason: str
    moves: bool
    macs: int
    macs_share: float = 0.0
    wanted: str | None = None
    kernels: tuple[Kernel, ...] = ()
    fused_with: tuple[int, ...] = ()
    conversions: tuple[Conversion, ...] = ()
    modelled_ns: Mapping[str, float] = field(default_factory=dict[str, float])
    gain_ns: float | None = None

    @property
    def layer(self) -> str:
        """The first of its names; empty if the model gave none."""
        return self.names[0] if self.names else ""

    @property
    def why(self) -> str:
        """Decider and reason in one line, as `placed_by` in IR."""
        return ": ".join(text for text in (self.decider, self.reason) if text)
