"""Selectors: how a user names ops. docs/selectors.md has the grammar and all forms.

    type:conv                    every op of that type
    name:stem.conv               the op that came from that layer of the model, fused or not
    glob:block1.*   re:.*_[12]   ops with a source name that the pattern matches
    index:conv[0]   index:[3:17] by position in the program
    first(2)  last(2, type:conv) the first or last ops that compute, or of a selector
    between(a, b)                everything on a path from a to b
    pattern(conv->relu->conv)[1:]  chains of types
    users(x)  producers(x)  pdl:file.mlir  and or not ( )

Selectors bind to source names, so fusing and renaming do not break them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xdsl.dialects.builtin import ModuleOp

from dialects.nn.base import NnOp
from dialects.program import placeable_ops
from passes.placement.selectors.errors import SelectorError
from passes.placement.selectors.evaluation import Evaluation, Unmatched
from passes.placement.selectors.hints import near
from passes.placement.selectors.parser import parse
from passes.placement.selectors.types import canonical_type
from passes.placement.selectors.words import quoted, split_names, split_selectors


def select(
    selector: str,
    ops: Sequence[NnOp],
    *,
    folder: Path | None = None,
    unmatched: Unmatched | None = None,
) -> list[NnOp]:
    """The ops that `selector` names, in program order.

    Parameters
    - ops: what can be selected, in program order: see `selectable_ops`.
    - folder: what the path of a `pdl:` file is relative to; by default the working directory.
    - unmatched: called with the error for every part of the selector that matches no op, in place
      of raising it; that part then stands for no ops.

    Raises SelectorError when the selector is malformed or a part of it names nothing; the message
    lists what comes near. A PDL file at fault is an OctetError.
    """
    evaluation = Evaluation(selector, ops, folder, unmatched or _raise)
    return evaluation.chosen(evaluation.of(parse(selector)))


def selectable_ops(module: ModuleOp) -> list[NnOp]:
    """What selectors choose from and `index:` counts: the `nn` ops in order, without constants."""
    return list(placeable_ops(module))


def _raise(error: SelectorError) -> None:
    raise error


__all__ = [
    "SelectorError",
    "canonical_type",
    "near",
    "parse",
    "quoted",
    "select",
    "selectable_ops",
    "split_names",
    "split_selectors",
]
