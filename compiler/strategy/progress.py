"""What a search says while it runs: a bar and notes on stderr, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from compiler.strategy.state import Measured

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Watcher:
    """Is told what happens, and stays silent."""

    def stage(self, name: str) -> None:
        """A part of the search begins."""

    def measured(self) -> None:
        """A placement was measured."""

    def best(self, measured: Measured) -> None:
        """There is a new best placement."""

    def note(self, text: str) -> None:
        """Something the user should know."""


class Bar(Watcher):
    """Draws how many of the evaluations are used; notes are lines above it."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def stage(self, name: str) -> None:
        self._progress.update(self._task, description=name)

    def measured(self) -> None:
        self._progress.advance(self._task)

    def best(self, measured: Measured) -> None:
        found = f"search, best {measured.latency_ns / 1e3:.1f} us modelled"
        self._progress.update(self._task, description=found)

    def note(self, text: str) -> None:
        print(f"compile: note: {text}", file=sys.stderr)


@contextmanager
def progress_bar(evaluations: int) -> Iterator[Bar]:
    """A bar of at most so many evaluations; it goes away at the end, notes stay."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(file=sys.stderr)
    # In a file or a pipe a bar is no use, and would leave an empty line.
    hidden = not console.is_terminal
    with Progress(
        *columns, TimeElapsedColumn(), console=console, transient=True, disable=hidden
    ) as progress:
        yield Bar(progress, progress.add_task("strategy", total=evaluations))
