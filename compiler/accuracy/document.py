"""A comparison with float: one row per layer, the one that adds most noise first."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from compiler.accuracy.causes import Cause, cause_of
from compiler.accuracy.decibels import Decibels
from compiler.accuracy.measure import Accuracy, ValueErrors
from compiler.accuracy.pairs import Placed, quantized_values
from compiler.version import __version__
from dialects.nn.base import NnOp
from passes.placement.rules import toml_value

if TYPE_CHECKING:
    from rich.table import Table
    from xdsl.dialects.builtin import ModuleOp
    from xdsl.ir import SSAValue

SCHEMA = "octet-float-comparison"
VERSION = 1


@dataclass(frozen=True)
class LayerError:
    """One layer, or one input of the program (`op` is then "input" and `index` None).

    - deployed_db, deployed_cosine: its result in the quantized program as it runs, beside float.
    - alone_db, alone_cosine: the same if all layers before it had no error.
    - saturated: share of the float result that its type cannot hold; levels: the part of the
      type's levels that the result uses. None for results that are not 8 bits.
    """

    index: int | None
    name: str
    op: str
    precision: str
    deployed_db: Decibels
    deployed_cosine: float | None
    alone_db: Decibels
    alone_cosine: float | None
    saturated: float | None
    levels: float | None
    cause: Cause | None

    @property
    def harm(self) -> float:
        """For sorting: the greater, the more noise the layer adds relative to its result."""
        if self.alone_db == "exact":
            return -math.inf
        return math.inf if self.alone_db is None else -self.alone_db

    @property
    def rule(self) -> str | None:
        """What to add to a recipe, in TOML."""
        if self.cause is None or self.cause.rule is None:
            return None
        lines = [f"{key} = {toml_value(value)}" for key, value in self.cause.rule.table().items()]
        return "\n".join(["[[rule]]", *lines])

    def as_dict(self) -> dict[str, Any]:
        return {
            "index": self.index,
            "layer": self.name,
            "op": self.op,
            "precision": self.precision,
            "sqnr_db": self.deployed_db,
            "cosine": self.deployed_cosine,
            "alone_sqnr_db": self.alone_db,
            "alone_cosine": self.alone_cosine,
            "saturated": self.saturated,
            "levels": self.levels,
            "cause": None if self.cause is None else self.cause.kind,
            "why": None if self.cause is None else self.cause.why,
            "rule": self.rule,
        }


@dataclass(frozen=True)
class Comparison:
    """All layers, the worst first, and the outputs."""

    samples: int
    outputs: dict[str, Decibels]
    layers: tuple[LayerError, ...]

    def as_json(self) -> str:
        """The document that `--compare-float=json` prints."""
        document = {
            "schema": SCHEMA,
            "version": VERSION,
            "octet": __version__,
            "samples": self.samples,
            "outputs": self.outputs,
            "layers": [layer.as_dict() for layer in self.layers],
        }
        return json.dumps(document, indent=2, ensure_ascii=False)

    def as_table(self) -> Table:
        """The table that `--compare-float` prints, for `rich`."""
        from rich.table import Table
        from rich.text import Text

        outputs = ", ".join(f"{name} {decibels_text(db)}" for name, db in self.outputs.items())
        table = Table(
            title="beside float, the layer that adds most noise first",
            caption=f"outputs: {outputs}; {self.samples} samples. alone: its own error; "
            "deployed: with those of all layers before.",
        )
        table.add_column("#", justify="right")
        table.add_column("layer", overflow="fold", ratio=3)
        table.add_column("op")
        table.add_column("precision")
        table.add_column("alone", justify="right")
        table.add_column("deployed", justify="right")
        table.add_column("cosine", justify="right")
        table.add_column("saturated", justify="right")
        table.add_column("levels", justify="right")
        table.add_column("likely cause", overflow="fold", ratio=4)
        for layer in self.layers:
            cells = (
                "" if layer.index is None else str(layer.index),
                layer.name,
                layer.op,
                layer.precision,
                decibels_text(layer.alone_db),
                decibels_text(layer.deployed_db),
                "" if layer.deployed_cosine is None else f"{layer.deployed_cosine:.6f}",
                "" if layer.saturated is None else f"{layer.saturated:.2%}",
                "" if layer.levels is None else f"{layer.levels:.0%}",
                "" if layer.cause is None else f"{layer.cause.kind}: {layer.cause.why}",
            )
            table.add_row(*map(Text, cells))
        return table

    def rules_text(self, most: int = 3) -> str:
        """The rules for the worst layers that one would help."""
        rules = [layer.rule for layer in self.layers if layer.rule is not None]
        return "\n\n".join(rules[:most])


def decibels_text(db: Decibels) -> str:
    if db is None:
        return ""
    return db if isinstance(db, str) else f"{db:.1f} dB"


def comparison_of(placed: Placed, quantized: ModuleOp, accuracy: Accuracy) -> Comparison:
    """The rows of what was measured. Layers that were fused into a later one have none."""
    pairs = quantized_values(placed, quantized)
    rows = [
        _row(placed, index, errors, cause_at(placed, pairs, index, errors))
        for index, errors in accuracy.values.items()
        if _is_first_result(placed, index)
    ]
    return Comparison(
        samples=accuracy.samples,
        outputs={name: error.decibels for name, error in accuracy.outputs.items()},
        layers=tuple(sorted(rows, key=lambda row: -row.harm)),
    )


def cause_at(
    placed: Placed, pairs: Mapping[int, SSAValue], index: int, errors: ValueErrors
) -> Cause | None:
    """The cause of the error of value `index`; `pairs` are `quantized_values`."""
    value = placed.values[index]
    op = value.owner if isinstance(value.owner, NnOp) else None
    return cause_of(
        value,
        errors,
        name=placed.names[index] if op is None else op.names[-1],
        is_input=op is None,
        quantized=pairs[index],
    )


def _is_first_result(placed: Placed, index: int) -> bool:
    owner = placed.values[index].owner
    return not isinstance(owner, NnOp) or owner.results[0] is placed.values[index]


def _row(placed: Placed, index: int, errors: ValueErrors, cause: Cause | None) -> LayerError:
    value = placed.values[index]
    op = value.owner if isinstance(value.owner, NnOp) else None
    storage = errors.storage
    return LayerError(
        index=None if op is None else placed.ops.index(op),
        name=placed.names[index] if op is None else ", ".join(op.names),
        op="input" if op is None else op.mnemonic,
        precision="" if op is None or op.precision is None else op.precision.data.value,
        deployed_db=errors.deployed.decibels,
        deployed_cosine=errors.deployed.cosine,
        alone_db=errors.alone.decibels,
        alone_cosine=errors.alone.cosine,
        saturated=None if storage is None else storage.saturated,
        levels=None if storage is None else storage.span(1.0),
        cause=cause,
    )
