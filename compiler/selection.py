"""`--select`: which ops a selector picks, as a list, for people who write selectors."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from xdsl.dialects.builtin import ModuleOp

from dialects.errors import OctetError
from dialects.nn.base import NnOp
from passes.placement.selectors import quoted, select, selectable_ops

if TYPE_CHECKING:
    from compiler.driver import Compilation


def add_select_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--select",
        metavar="SELECTOR",
        action="append",
        help="print the ops a selector picks, a line each: index, type, names, and end; "
        "may be given several times",
    )


def selection_text(module: ModuleOp, selectors: Sequence[str]) -> str:
    """A line per op that is picked: its index, its type and its names, as selectors write them.

    Of several selectors each stands above its list. Raises OctetError where nothing is picked.
    """
    ops = selectable_ops(module)
    if not ops:
        raise OctetError("--select: the program has no nn ops (any more); select at an early stage")
    index = {op: position for position, op in enumerate(ops)}
    text = ""
    for selector in selectors:
        head = f"{selector}\n" if len(selectors) > 1 else ""
        text += head + _lines([(index[op], op) for op in select(selector, ops)])
    return text


def _lines(rows: Sequence[tuple[int, NnOp]]) -> str:
    indices = [str(index) for index, _ in rows]
    first = max(map(len, indices))
    second = max(len(op.mnemonic) for _, op in rows)
    return "".join(
        f"{index:>{first}}  {op.mnemonic:<{second}}  {', '.join(map(quoted, op.names))}".rstrip()
        + "\n"
        for index, (_, op) in zip(indices, rows, strict=True)
    )


def run_passes_before_placement(compilation: Compilation) -> None:
    """Brings a program at stage `simplify` to what `place-precision` sees: a model's own Q/DQ ops
    are next to the ops they belong to, and indices are those of the placement."""
    from compiler.pipeline import parse_pipeline
    from compiler.stages import STAGES, stage_index

    passes = STAGES[stage_index("place")].passes
    before = passes[: [text.split("{")[0] for text in passes].index("place-precision")]
    compilation.manager.run(compilation.ctx, compilation.module, parse_pipeline(",".join(before)))
