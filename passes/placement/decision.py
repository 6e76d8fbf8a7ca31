"""Who decided where an op runs, and why: what `placed_by` says, taken apart.

`placed_by` is one string, `"who: why"`, so that IR stays easy to read and to write by hand. Whoever
places an op writes one of these:

| kind         | who                         | why, for example                            |
|--------------|-----------------------------|---------------------------------------------|
| `default`    | `default`                   | target host runs conv in int8               |
| `rule`       | the rule as the user put it | user                                        |
| `target`     | `target NAME`; `int8`, ..   | softmax has no int8 form                    |
| `neighbours` | `neighbours`                | no int8 op uses the result of relu          |
| `model`      | `model`                     | Q/DQ in the source                          |
| `movement`   | `movement`                  | the integers of its neighbours pass through |
| `cost model` | `cost model`                | conversions cost more than int8 saves       |
| `strategy`   | `strategy NAME`             | int8 here alone costs 3 dB                  |
| `fallback`   | the pass that could not     | its sums do not provably fit in 32 bits     |

A precision stands for the target where none is given. `prune-islands` speaks for the cost model.
"""

from __future__ import annotations

from dataclasses import dataclass

from dialects.nn.attributes import Precision

KINDS = (
    "default",
    "rule",
    "target",
    "neighbours",
    "model",
    "movement",
    "cost model",
    "strategy",
    "fallback",
    "none",
)
"""What `placed_by` of an explanation may be; `none` for ops that have no precision to decide."""

_OWN_NAMES = ("default", "neighbours", "model", "movement", "cost model", "strategy")
_COST_MODEL = ("prune-islands",)


@dataclass(frozen=True)
class Decision:
    """`kind` is one of `KINDS`, `who` the decider in its own words, `reason` why."""

    kind: str
    who: str
    reason: str


def decision_of(placed_by: str) -> Decision:
    """A `placed_by` taken apart at the first colon and space; text without one is a rule's."""
    who, _, reason = placed_by.partition(": ")
    return Decision(_kind(who), who, reason)


def _kind(who: str) -> str:
    from passes import PASSES

    first = who.split(" ", 1)[0]
    if who in _OWN_NAMES:
        return who
    if first in ("target", "strategy"):
        return first
    if who in list(Precision):
        return "target"
    if who in _COST_MODEL:
        return "cost model"
    return "fallback" if who in PASSES else "rule"
