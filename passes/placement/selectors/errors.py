"""Errors in selectors: what is wrong, and a caret under the part of the text it is about."""

from __future__ import annotations

from dialects.errors import OctetError

_WIDTH = 100
"""Columns of a selector that an error shows."""


class SelectorError(OctetError):
    """`message` in one line, and `excerpt`: the selector with carets under `text[start:end]`."""

    def __init__(self, message: str, text: str, start: int, end: int) -> None:
        self.message = message
        self._span = text, start, end
        self.excerpt = _excerpt(text, start, end)
        super().__init__(f"{message}\n{self.excerpt}")

    def at(self, place: str) -> SelectorError:
        """The same error with the place before it where the selector was written."""
        return SelectorError(f"{place}: {self.message}", *self._span)


def _excerpt(text: str, start: int, end: int) -> str:
    """Two lines. Of a long selector, the columns around `start`."""
    first = max(0, start - _WIDTH // 2) if len(text) > _WIDTH else 0
    # One column per character, whatever a line break or another control character would do.
    shown = "".join(c if c.isprintable() else " " for c in text[first : first + _WIDTH])
    before = "..." if first else ""
    after = "..." if first + _WIDTH < len(text) else ""
    carets = max(1, min(end, first + len(shown)) - start)
    return f"  {before}{shown}{after}\n  {' ' * (len(before) + start - first)}{'^' * carets}"
