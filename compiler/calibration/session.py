"""One compilation's calibration: what the pass `calibrate` asks (`dialects.calibrator`)."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import SSAValue

from compiler.calibration.compiled import FloatProgram, note_on_stderr
from compiler.calibration.digests import DataDigest, model_digest
from compiler.calibration.keys import Key, Keys, keys_of
from compiler.calibration.options import TABLE_REPORT, CalibrationOptions
from compiler.calibration.progress import batches_shown
from compiler.calibration.stability import StabilityReport, report_of
from compiler.calibration.table import Entry, Table, read_tables
from dialects.calibrator import Measured, Method, Range
from dialects.context import Feed, OctetContext
from dialects.program import range_of, scheme_of
from passes.calibrate.measuring.measurement import Measurement, measure, observed_values


@dataclass
class Session:
    """Knows the ranges of table files, measures the others on the compiled float program, here or
    in workers, and writes the table and the report that were asked for."""

    options: CalibrationOptions = field(default_factory=CalibrationOptions)
    _table: Table | None = field(default=None, init=False)
    _methods: dict[int, str] = field(default_factory=dict[int, str], init=False)
    _data: str | None = field(default=None, init=False)

    @property
    def replaces_data(self) -> bool:
        return bool(self.options.tables)

    def known_ranges(
        self, module: ModuleOp, values: Sequence[SSAValue], methods: Mapping[int, Method]
    ) -> Mapping[int, Range]:
        self._table, self._data = None, None
        self._methods = {position: str(method) for position, method in methods.items()}
        if not self.options.tables:
            return {}
        self._table = table = read_tables(self.options.tables)
        table.check_model(model_digest(module))
        keys = keys_of(module)
        table.check_keys(keys)
        _note_fixed(table, keys)
        entries = {
            position: entry
            for position, value in enumerate(values)
            if (entry := table.entries.get(keys.of(value))) is not None
        }
        table.check_methods({keys.of(values[at]): methods[at] for at in entries})
        self._methods |= {at: entry.method for at, entry in entries.items()}
        missing = len(values) - len(entries)
        if missing and self.options.progress:
            note_on_stderr(
                f"{table.source} has no range for {missing} of {len(values)} values: they are "
                "measured if there is calibration data, else they stay float"
            )
        return {at: entry.range for at, entry in entries.items()}

    def measure(
        self, ctx: OctetContext, module: ModuleOp, methods: Mapping[int, Method]
    ) -> Measured:
        digest = DataDigest() if self.options.save_table is not None else None
        batches = self._batches(ctx, digest)
        measurement = self._measure(ctx, module, methods, batches)
        if digest is not None:
            self._data = digest.hexdigest()
        if measurement.batches:
            self._report(module, methods, measurement)
        return Measured(measurement.ranges(), measurement.batches)

    def calibrated(self, module: ModuleOp) -> None:
        if self.options.save_table is None:
            return
        keys = keys_of(module)
        entries: dict[Key, Entry] = {}
        for position, value in enumerate(observed_values(module)):
            bounds = range_of(value)
            if bounds is not None:
                entries[keys.of(value)] = Entry(bounds, self._methods[position])
        known = Table() if self._table is None else self._table
        data = {*known.data, *(() if self._data is None else (self._data,))}
        Table(model_digest(module), tuple(sorted(data)), entries).write(self.options.save_table)

    def _measure(
        self,
        ctx: OctetContext,
        module: ModuleOp,
        methods: Mapping[int, Method],
        batches: Iterator[tuple[int, Feed]],
    ) -> Measurement:
        if self._is_divided(ctx):
            from compiler.calibration.parallel import measure_divided

            return measure_divided(ctx, module, methods, batches, self.options)
        program = FloatProgram(module, ctx, note_on_stderr)
        return measure(module, methods, batches, program, ctx.watch)

    def _is_divided(self, ctx: OctetContext) -> bool:
        divided = self.options.workers > 1 or self.options.scheduler is not None
        if divided and ctx.watch is not None:
            note_on_stderr(
                "calibration runs in this process: the report that was asked for draws histograms "
                "of what it sees"
            )
            return False
        return divided

    def _batches(self, ctx: OctetContext, digest: DataDigest | None) -> Iterator[tuple[int, Feed]]:
        source = ctx.calibration_data
        assert source is not None
        total = getattr(source, "batches", None)
        with batches_shown(source(), total, hidden=not self.options.progress) as batches:
            for index, feed in enumerate(batches):
                if digest is not None:
                    digest.update(feed)
                yield index, feed

    def _report(
        self, module: ModuleOp, methods: Mapping[int, Method], measurement: Measurement
    ) -> None:
        if self.options.report is None and not self.options.progress:
            return
        keys, values = keys_of(module), observed_values(module)
        names = {at: keys.of(values[at]) for at in methods}
        report = report_of(measurement, names, methods)
        if self.options.report is None:
            if report.more_data_advised:
                note_on_stderr(f"{report.advice} (--calibration-report shows which)")
        elif self.options.report == TABLE_REPORT:
            _print_report(report)
        else:
            report.write(self.options.report)


def _print_report(report: StabilityReport) -> None:
    from rich.console import Console

    width = None if sys.stderr.isatty() else 160
    console = Console(stderr=True, width=width)
    console.print(report.as_table())
    console.print(report.advice, highlight=False, markup=False)


def _note_fixed(table: Table, keys: Keys) -> None:
    """Says where a recipe's numbers stand against the table's: a recipe is the later decision."""
    for key, entry in table.entries.items():
        value = keys.values[key]
        scheme, fixed = scheme_of(value), range_of(value)
        if scheme.is_fixed and fixed != entry.range:
            said = "no range" if fixed is None else "[{}, {}]".format(*fixed)
            note_on_stderr(
                f"'{key[1]}': {entry.source} says [{entry.range[0]}, {entry.range[1]}], "
                f"{scheme.origin or 'the recipe'} says {said}, which is used"
            )
