"""The error that is Octet's fault, beside `dialects.errors.OctetError`, the one that is not."""

from __future__ import annotations

from pathlib import Path


class InternalCompilerError(Exception):
    """A pass failed or left invalid IR: a defect in Octet, with a file that replays it.

    `__cause__` is the original exception.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        self.reproducer: Path | None = None

    def __str__(self) -> str:
        if self.reproducer is None:
            return self.message
        return f"{self.message} (replay: octet-opt --run-reproducer {self.reproducer})"
