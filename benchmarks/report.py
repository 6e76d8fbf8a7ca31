"""Tables, markdown and a plot of what peers.py measured.

A result is a dictionary, as it stands in JSON:

    {"settings": {...}, "machine": {...}, "skipped": [...],
     "groups": [{"model", "batch", "threads", "macs", "seconds": {variant: [each round]},
                 "sqnr": {variant: dB}, "errors": {variant: text}, "peaks": {kind: [each round]},
                 "variants": {variant: {"runtime", "precision"}}}],
     "costs": {model: {variant: {"load_seconds", "first_run_seconds", "peak_bytes"}}}}
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rounds import Estimate, median_estimate, ratio_estimate

Result = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One variant of one group; `ratio` is its time divided by Octet's in the same precision."""

    name: str
    runtime: str
    precision: str
    time: Estimate
    ratio: Estimate | None
    shares: dict[str, float]
    sqnr: float


@dataclass(frozen=True)
class Comparison:
    """Octet and the fastest other variant of one model, batch, thread count and precision."""

    model: str
    batch: int
    threads: int
    octet: Row
    peer: Row


def rows_of(group: dict[str, Any]) -> list[Row]:
    """The group's variants by precision, fastest first; Octet's is the one compared with."""
    octet = {
        info["precision"]: group["seconds"][name]
        for name, info in group["variants"].items()
        if info["runtime"] == "octet" and name in group["seconds"]
    }
    rows = []
    for name, seconds in group["seconds"].items():
        info = group["variants"][name]
        own = octet.get(info["precision"])
        rows.append(
            Row(
                name,
                info["runtime"],
                info["precision"],
                median_estimate(seconds),
                None if own is None else ratio_estimate(seconds, own),
                _shares_of_peak(group, info["precision"], seconds),
                group["sqnr"][name],
            )
        )
    order = ["int8", "bf16", "f32"]
    return sorted(rows, key=lambda row: (order.index(row.precision), row.time.value))


def _shares_of_peak(
    group: dict[str, Any], precision: str, seconds: list[float]
) -> dict[str, float]:
    """Percent of what the cores could do at most in the same rounds, by kind of instruction."""
    rates = group["macs"] / np.array(seconds) / group["threads"]
    return {
        unit: 100 * float(np.median(rates / np.array(group["peaks"][f"{precision} {unit}"])))
        for unit in ("vector", "amx")
        if f"{precision} {unit}" in group["peaks"]
    }


def comparisons(result: Result) -> Iterator[Comparison]:
    """For each group and precision that Octet ran, Octet beside its fastest peer."""
    for group in result["groups"]:
        rows = rows_of(group)
        for octet in (row for row in rows if row.runtime == "octet"):
            peers = [
                row for row in rows if row.runtime != "octet" and row.precision == octet.precision
            ]
            if peers:
                yield Comparison(group["model"], group["batch"], group["threads"], octet, peers[0])


def milliseconds(estimate: Estimate) -> str:
    return f"{1e3 * estimate.value:.3f}" if estimate.value < 0.1 else f"{1e3 * estimate.value:.1f}"


def interval(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def decibels(value: float) -> str:
    return "equal" if value >= 400 else f"{value:.1f}"


TABLE_WIDTH = 140

SUMMARY_COLUMNS = (
    "model",
    "batch",
    "threads",
    "precision",
    "Octet ms",
    "SQNR dB",
    "best peer",
    "ms",
    "SQNR dB",
    "best peer / Octet",
)

DETAIL_COLUMNS = (
    "variant",
    "ms",
    "time / Octet",
    "% vector peak",
    "% AMX peak",
    "SQNR dB",
    "load s",
    "first run s",
    "memory MB",
)


def summary_cells(result: Result) -> list[list[str]]:
    return [
        [
            found.model,
            str(found.batch),
            str(found.threads),
            found.octet.precision,
            milliseconds(found.octet.time),
            decibels(found.octet.sqnr),
            found.peer.name,
            milliseconds(found.peer.time),
            decibels(found.peer.sqnr),
            interval(found.peer.ratio),
        ]
        for found in comparisons(result)
    ]


def detail_cells(result: Result, group: dict[str, Any]) -> list[list[str]]:
    costs = result["costs"].get(group["model"], {})
    cells = []
    for row in rows_of(group):
        cost = costs.get(row.name)
        cells.append(
            [
                row.name,
                milliseconds(row.time),
                interval(row.ratio),
                *(
                    f"{row.shares[unit]:.0f}" if unit in row.shares else ""
                    for unit in ("vector", "amx")
                ),
                decibels(row.sqnr),
                *(
                    [
                        f"{cost['load_seconds']:.2f}",
                        f"{cost['first_run_seconds']:.3f}",
                        f"{cost['peak_bytes'] / 1e6:.0f}",
                    ]
                    if cost
                    else [""] * 3
                ),
            ]
        )
    return cells


def group_title(group: dict[str, Any]) -> str:
    peaks = ", ".join(
        f"{name} {np.median(rates) / 1e9:.2f} GHz"
        if name == "clock"
        else f"{name} {np.median(rates) / 1e9:.0f}"
        for name, rates in group["peaks"].items()
    )
    return (
        f"{group['model']}, batch {group['batch']}, {group['threads']} threads, "
        f"{group['macs'] / 1e9:.3f} GMAC; peaks of a core in GMAC/s: {peaks}"
    )


def remarks(result: Result) -> list[str]:
    """What a reader must know beside the tables: the machine, what was held back, what failed."""
    settings, machine = result["settings"], result["machine"]
    lines = [
        f"{machine['cpu']}; "
        + ", ".join(f"{name} {version}" for name, version in machine["versions"].items()),
        f"{settings['rounds']} interleaved rounds, in each the {settings['statistic']} of the "
        "calls; times are medians over rounds, ratios medians over rounds of the ratio within a "
        "round, with 95 % bootstrap intervals.",
    ]
    if settings["isa"]:
        held = settings["onednn_isa"]
        lines.append(
            f"Octet is held to {settings['isa']}; OpenVINO and PyTorch "
            + (f"by ONEDNN_MAX_CPU_ISA={held}" if held else "cannot be held to it")
            + "; ONNX Runtime has no such setting, but is imported on a single core, where "
            "version 1.32 does not use AMX."
        )
    lines += [f"Skipped: {text}" for text in result["skipped"]]
    lines += [
        f"Failed: {group['model']}, batch {group['batch']}, {name}: {text}"
        for group in result["groups"]
        for name, text in group["errors"].items()
    ]
    return lines


def console_for_tables() -> Console:
    """Standard output; at least so wide that the tables fit, also where it is no terminal."""
    console = Console()
    return console if console.width >= TABLE_WIDTH else Console(width=TABLE_WIDTH)


def print_tables(result: Result, console: Console) -> None:
    for group in result["groups"]:
        _print_table(console, group_title(group), DETAIL_COLUMNS, detail_cells(result, group))
    _print_table(console, "Octet and its fastest peer", SUMMARY_COLUMNS, summary_cells(result))
    for line in remarks(result):
        console.print(line, markup=False)


def _print_table(
    console: Console, title: str, columns: tuple[str, ...], cells: list[list[str]]
) -> None:
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", no_wrap=index == 0)
    for line in cells:
        bold = line[0].startswith("octet")
        table.add_row(*line, style="bold" if bold else "")
    console.print(table)


def markdown(result: Result) -> str:
    """The summary, the details of each group and the remarks, to paste into a document."""
    parts = [_markdown_table(SUMMARY_COLUMNS, summary_cells(result))]
    for group in result["groups"]:
        parts += [
            f"**{group_title(group)}**",
            _markdown_table(DETAIL_COLUMNS, detail_cells(result, group)),
        ]
    return "\n\n".join([*parts, "\n".join(f"- {line}" for line in remarks(result))]) + "\n"


def _markdown_table(columns: tuple[str, ...], cells: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plot(result: Result, path: Path) -> None:
    """Bars of best peer / Octet with their intervals; right of the line Octet is faster."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    found = [c for c in comparisons(result) if c.peer.ratio is not None][::-1]
    ratios = [c.peer.ratio for c in found if c.peer.ratio is not None]
    figure, axes = pyplot.subplots(figsize=(8, 1.2 + 0.32 * len(found)), layout="constrained")
    values = np.array([ratio.value for ratio in ratios])
    errors = [
        values - [ratio.low for ratio in ratios],
        np.array([ratio.high for ratio in ratios]) - values,
    ]
    colours = {"int8": "tab:blue", "bf16": "tab:orange", "f32": "tab:green"}
    axes.barh(
        [f"{c.model}, batch {c.batch}, {c.threads} thr., {c.octet.precision}" for c in found],
        values,
        xerr=errors,
        color=[colours[c.octet.precision] for c in found],
        capsize=2,
    )
    for index, comparison in enumerate(found):
        axes.text(0.02, index, comparison.peer.name, va="center", color="white", fontsize=7)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("time of the fastest peer / time of Octet")
    figure.savefig(path, dpi=150)
    pyplot.close(figure)
