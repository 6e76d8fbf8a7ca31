"""How far calibration is: a bar on stderr, where that is a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from dialects.context import Feed


@contextmanager
def batches_shown(
    batches: Iterable[Feed], total: int | None, *, hidden: bool = False
) -> Iterator[Iterator[Feed]]:
    """The batches; a bar advances with each that is taken. `total` is how many there are, or None.

    The bar goes away at the end.
    """
    if hidden:
        yield iter(batches)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    # In a file or a pipe a bar is no use, and would leave an empty line.
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("calibration: batches", total=total)

        def advancing() -> Iterator[Feed]:
            for feed in batches:
                yield feed
                progress.advance(task)

        yield advancing()
