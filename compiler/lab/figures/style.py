"""How all figures look, and files of them that are the same every time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from compiler.lab.record import write_csv
from dialects.errors import OctetError
from runtime.artifact import replacing

Rows = Sequence[Mapping[str, Any]]

# Okabe and Ito's colours, which the colour-blind can tell apart.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, RED, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
GREY = "#8C8C8C"
CYCLE = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY, BLACK)
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)))

WIDTH = 6.5
"""Inches: one column of a page."""
DPI = 200

SETTINGS: Any = {
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # text stays text
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "octet",
}

METRIC_LABELS: Mapping[str, str] = {
    "sqnr_db": "SQNR (dB)",
    "accuracy": "top-1 accuracy (%)",
    "agreement": "agreement with float",
    "latency_ns": "modelled latency (us)",
    "bytes_moved": "bytes moved",
    "int8_macs": "share of MACs in int8",
    "kernel_calls": "kernel calls",
}


@contextmanager
def styled() -> Any:
    """matplotlib without a display, in the house style. Raises OctetError without matplotlib."""
    try:
        import matplotlib
    except ImportError as error:
        raise OctetError("figures need matplotlib: pip install 'octet[lab]'") from error
    matplotlib.use("Agg")
    with matplotlib.rc_context(SETTINGS):
        yield matplotlib


def panels(models: Sequence[str], width: float, height: float, columns: int = 3) -> Any:
    """A figure with a titled axes for each model; returns it and the axes by model."""
    from matplotlib.figure import Figure

    across = min(columns, len(models))
    down = -(-len(models) // across)
    figure = Figure(figsize=(max(width * across, 4.6), height * down + 0.5))  # the legend below
    axes = figure.subplots(down, across, squeeze=False)
    flat = list(axes.flat)
    for unused in flat[len(models) :]:
        unused.set_axis_off()
    by_model = dict(zip(models, flat, strict=False))
    for model, ax in by_model.items():
        ax.set_title(model)
    return figure, by_model


def write_figure(figure: Any, rows: Rows, stem: Path) -> list[Path]:
    """Writes `STEM.png`, `STEM.pdf` and the rows as `STEM.csv`, without dates."""
    paths = [stem.with_suffix(suffix) for suffix in (".png", ".pdf", ".csv")]
    metadata = {
        ".png": {"Software": None},
        ".pdf": {"CreationDate": None, "ModDate": None, "Producer": None, "Creator": None},
    }
    with styled():
        for path in paths[:2]:
            with replacing(path) as temporary:
                figure.savefig(
                    temporary,
                    format=path.suffix[1:],
                    dpi=DPI,
                    metadata=metadata[path.suffix],
                )
    write_csv([dict(row) for row in rows], paths[2])
    return paths


def short(text: str) -> str:
    """The name of a pass without its options."""
    return text.split("{")[0]


def models_of(rows: Rows) -> list[str]:
    return list(dict.fromkeys(row["model"] for row in rows))


def label_of(metric: str) -> str:
    return METRIC_LABELS.get(metric, metric)
