"""A profile as a table for people."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from runtime.profiling.comparison import Comparison
from runtime.profiling.profile import OpProfile, Profile


def as_table(profile: Profile, comparison: Comparison | None = None) -> Table:
    """The ops, slowest first, and their sum; with what the cost model says, if that is given."""
    table = Table(title=_title(profile), caption=_machine(profile), show_footer=True)
    table.add_column("layer", "total", overflow="fold")
    table.add_column("kernel", overflow="fold")
    table.add_column("precision")
    macs = sum(op.macs for op in profile.ops)
    footers = (f"{1e6 * profile.seconds:.1f}", "100.0%", _rate(macs, 0, profile.seconds, profile))
    for heading, footer in zip(("us", "share", "rate"), footers, strict=True):
        table.add_column(heading, footer, justify="right")
    table.add_column("of peak", justify="right")
    predicted = [] if comparison is None else comparison.predicted
    if comparison is not None:
        total = sum(predicted)
        table.add_column("model us", f"{1e6 * total:.1f}", justify="right")
        table.add_column("model / time", _ratio(total, profile.seconds), justify="right")
        table.caption = f"{_correlation(comparison)}\n{table.caption}"
    for index in sorted(range(len(profile.ops)), key=lambda i: -profile.ops[i].seconds):
        op = profile.ops[index]
        cells = _cells(op, profile)
        if comparison is not None:
            seconds = predicted[index]
            cells = (*cells, f"{1e6 * seconds:.1f}", _ratio(seconds, op.seconds))
        table.add_row(*map(Text, cells))
    return table


def _ratio(predicted: float, measured: float) -> str:
    return f"{predicted / measured:.2f}" if measured else ""


def _correlation(comparison: Comparison) -> str:
    return f"rank correlation of model and times (Spearman): {comparison.rank_correlation:.3f}"


def _cells(op: OpProfile, profile: Profile) -> tuple[str, ...]:
    return (
        op.layer,
        op.kernel,
        op.precision,
        f"{1e6 * op.seconds:.1f}",
        f"{op.share:.1%}",
        _rate(op.macs, op.bytes, op.seconds, profile),
        "" if op.peak_share is None else f"{op.peak_share:.0%}",
    )


def _rate(macs: int, bytes: int, seconds: float, profile: Profile) -> str:
    if not seconds or not (macs or bytes):
        return ""
    if macs:
        return f"{macs / (seconds * profile.machine.hertz):.1f} MAC/cycle"
    return f"{bytes / seconds / 1e9:.1f} GB/s"


def _title(profile: Profile) -> str:
    threads = f"{profile.threads} thread{'s' if profile.threads > 1 else ''}"
    whole = f"whole run {1e3 * profile.run_seconds:.3f} ms"
    return f"profile: {threads}, medians of {profile.runs} runs, {whole}"


def _machine(profile: Profile) -> str:
    machine = profile.machine
    peaks = [
        f"{precision} {rate / 1e9:.0f} GMAC/s ({rate / machine.hertz:.0f} MAC/cycle)"
        for precision, rate in machine.macs_per_second.items()
    ]
    copy = f"copying in cache {machine.bytes_per_second / 1e9:.0f} GB/s"
    clock = f"{machine.hertz / 1e9:.2f} GHz"
    return f"peak of a core ({machine.isa}): " + ", ".join([*peaks, copy, clock])
