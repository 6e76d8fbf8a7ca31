"""Explaining: what each op computes in, who decided that and why (`--explain`, `compile diff`).

placement.py    a row: an op of the placed program, and what became of it
rows.py         rows from IR at any stage, followed to where they ended
borders.py      conversions of number formats around an op
document.py     all rows with target and summary, as JSON (docs/explain.md)
table.py        the same as a table
difference.py   two explanations compared
"""

from __future__ import annotations

from compiler.explain.document import Explanation, as_json, explanation_of
from compiler.explain.placement import Conversion, Kernel, Placement
from compiler.explain.rows import followed, placements_of
from compiler.explain.table import as_table

__all__ = [
    "Conversion",
    "Explanation",
    "Kernel",
    "Placement",
    "as_json",
    "as_table",
    "explanation_of",
    "followed",
    "placements_of",
]
