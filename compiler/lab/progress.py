"""What a run says while it works: bars on stderr, or nothing."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


class Watcher:
    """Is told what happens, and stays silent."""

    def begin(self, what: str, amount: int) -> None:
        """So many more of `what` are to be done."""

    def advance(self) -> None:
        """One of them is done."""

    def title(self, text: str) -> None:
        """What the run is about now."""

    def end(self) -> None:
        """Results come next."""


class Bars(Watcher):
    """A bar for passes and one for programs of each run. They are there from the first thing to do
    until `end`, so that results are not printed between them."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._totals: dict[str, int] = {}
        self._current = ""
        self._title = ""

    def title(self, text: str) -> None:
        self._title = text

    def begin(self, what: str, amount: int) -> None:
        self._current = f"{self._title} {what}"
        if not amount:
            return
        self._progress.start()
        if self._current not in self._tasks:
            self._tasks[self._current] = self._progress.add_task(self._current, total=0)
        self._totals[self._current] = self._totals.get(self._current, 0) + amount
        self._progress.update(self._tasks[self._current], total=self._totals[self._current])

    def advance(self) -> None:
        self._progress.advance(self._tasks[self._current])

    def end(self) -> None:
        self._progress.stop()
        for task in self._tasks.values():
            self._progress.remove_task(task)
        self._tasks.clear()
        self._totals.clear()


@contextmanager
def bars() -> Iterator[Bars]:
    """Bars on stderr that go away at the end; none when it is no terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    progress = Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,
        disable=not console.is_terminal,
    )
    shown = Bars(progress)
    try:
        yield shown
    finally:
        shown.end()
