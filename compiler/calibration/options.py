"""What calibration is asked for beside data and methods, checked; and its flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dialects.errors import OctetError

if TYPE_CHECKING:
    import argparse

NAMES = (
    "calibration_table",
    "save_calibration_table",
    "calibration_report",
    "calibration_workers",
    "calibration_scheduler",
)
"""Keyword arguments of `compiler.compile` and, with dashes, flags of `compile`."""

TABLE_REPORT = "table"
"""`--calibration-report` without a file: a table on stderr."""


@dataclass(frozen=True)
class CalibrationOptions:
    """
    - tables: table files whose ranges are taken as they are.
    - save_table: where the ranges in use are written.
    - report: `table`, or a `.json` file.
    - workers: processes that measure; 1 measures in this one.
    - scheduler: the address of a Dask scheduler whose workers measure.
    - progress: draw a bar and give advice on stderr.
    """

    tables: tuple[Path, ...] = ()
    save_table: Path | None = None
    report: str | None = None
    workers: int = 1
    scheduler: str | None = None
    progress: bool = False

    def check_sources(self, has_data: bool) -> None:
        """Raises OctetError for a table or a report of nothing."""
        if self.report is not None and not has_data:
            raise OctetError("--calibration-report is about what was measured: give "
                             "--calibration-data")  # fmt: skip
        if self.save_table is not None and not has_data and not self.tables:
            raise OctetError(
                "--save-calibration-table writes ranges: give --calibration-data to measure them, "
                "or --calibration-table"
            )

    @property
    def quiet(self) -> CalibrationOptions:
        """The same ranges, with nothing written or said: for compilations on the way to another."""
        return CalibrationOptions(self.tables, workers=self.workers, scheduler=self.scheduler)


def split_options(options: Mapping[str, Any]) -> tuple[CalibrationOptions, dict[str, Any]]:
    """The options of `NAMES` that are not None, and the others. Raises OctetError for a value that
    is not of the kind an option takes."""
    given = {name: value for name in NAMES if (value := options.get(name)) is not None}
    rest = {name: value for name, value in options.items() if name not in NAMES}
    tables = given.get("calibration_table", ())
    if isinstance(tables, str | Path):
        tables = (tables,)
    report, save = given.get("calibration_report"), given.get("save_calibration_table")
    report = TABLE_REPORT if report is True else None if report is False else report
    return CalibrationOptions(
        tables=tuple(map(Path, tables)),
        save_table=None if save is None else _output(save, "--save-calibration-table"),
        report=_report(report),
        workers=_workers(given.get("calibration_workers", 1), "calibration_scheduler" in given),
        scheduler=given.get("calibration_scheduler"),
    ), rest


def _report(value: Any) -> str | None:
    if value in (None, TABLE_REPORT):
        return value
    return str(_output(value, "--calibration-report"))


def _output(value: Any, flag: str) -> Path:
    path = Path(value)
    if path.suffix != ".json":
        raise OctetError(f"{flag} {path}: expected a .json file")
    if not path.parent.is_dir():
        raise OctetError(f"{flag} {path}: there is no folder {path.parent}")
    return path


def _workers(value: Any, scheduled: bool) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise OctetError(f"--calibration-workers: expected a number of at least 1, got {value!r}")
    if scheduled and value > 1:
        raise OctetError(
            "--calibration-workers starts processes here, --calibration-scheduler uses those of a "
            "Dask cluster: give one of them"
        )
    return value


def add_calibration_arguments(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Adds the flags that `options_from` reads as a group of their own, and returns it."""
    group = parser.add_argument_group("calibration")
    group.add_argument(
        "--calibration-table",
        metavar="T.json",
        action="append",
        help="take ranges from a table, as --save-calibration-table wrote it or as it was edited; "
        "what it lacks is measured, if there is data; may be given several times",
    )
    group.add_argument(
        "--save-calibration-table", metavar="T.json", help="write the ranges that are in use"
    )
    group.add_argument(
        "--calibration-report",
        metavar="R.json",
        help="how much ranges still moved over the last batches, as a table (stderr); "
        "=R.json writes it as a file",
    )
    group.add_argument(
        "--calibration-workers",
        metavar="N",
        help="processes that measure; the ranges are the same, bit for bit (default 1)",
    )
    group.add_argument(
        "--calibration-scheduler",
        metavar="ADDRESS",
        help="measure on the workers of a Dask cluster, for example tcp://10.0.0.1:8786",
    )
    return group


def options_from(args: argparse.Namespace) -> CalibrationOptions:
    """What the flags ask for. Raises OctetError."""
    given: dict[str, Any] = {name: getattr(args, name) for name in NAMES}
    workers: str | None = given["calibration_workers"]
    if workers is not None:
        given["calibration_workers"] = int(workers) if workers.isdecimal() else workers
    options, _ = split_options(given)
    return CalibrationOptions(**{**vars(options), "progress": True})
