"""The HTML report of a compilation: `compile M --report out.html` (docs/report.md).

recorder.py    watches a compilation: passes, the placed and the quantized program, histograms
document.py    what a report says, as plain values that become JSON
gather.py      the document of a compilation
graph.py       the placed program as nodes and edges
layout.py      where they are drawn: layers, few crossings, straight edges
values.py      ranges, histograms and number formats of values
times.py       the time of every op, measured
bottlenecks.py why the program is not faster
page.py        the document as one HTML file; page/ holds its template, style and script
"""

from __future__ import annotations

from compiler.report.document import Report
from compiler.report.gather import gather
from compiler.report.page import render
from compiler.report.recorder import Recorder

__all__ = ["Recorder", "Report", "gather", "render"]
