"""Regular expressions and shell patterns of selectors, compiled with care."""

from __future__ import annotations

import fnmatch
import re
import warnings

MAX_LENGTH = 500
"""Characters of a regular expression."""


def compile_glob(pattern: str) -> re.Pattern[str]:
    """A shell pattern: `*`, `?`, `[seq]` and `[!seq]`; upper and lower case differ."""
    return re.compile(fnmatch.translate(pattern))


def compile_regular(pattern: str) -> re.Pattern[str]:
    """A regular expression as Python's `re` has them. Raises re.error.

    Repeats of repeats without a bound, such as `(a+)+`, are refused: they may take time exponential
    in the length of a name.
    """
    if len(pattern) > MAX_LENGTH:
        raise re.error(f"at most {MAX_LENGTH} characters, this one has {len(pattern)}", pattern, 0)
    position = _nested_repeat(pattern)
    if position is not None:
        raise re.error("a repeat of something that repeats may take forever", pattern, position)
    with warnings.catch_warnings():
        # Warnings on what a later Python may read otherwise, such as [[, are nobody's error.
        warnings.simplefilter("ignore")
        return re.compile(pattern)


_TOKEN = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<open>\()|(?P<close>\))"
    r"|(?P<repeat>[*+]|\{\d*,\d*\}|\{\d+\})[?+]?|.",
    re.DOTALL,
)


def _nested_repeat(pattern: str) -> int | None:
    """Where a group that holds a repeat is repeated itself, both without a small bound."""
    repeats = [False]
    closed = False
    for token in _TOKEN.finditer(pattern):
        if token["open"]:
            repeats.append(False)
            closed = False
        elif token["close"] and len(repeats) > 1:
            closed = repeats.pop()
            repeats[-1] |= closed
        elif token["repeat"] and _is_long(token["repeat"]):
            if closed:
                return token.start()
            repeats[-1] = True
            closed = False
        else:
            closed = False
    return None


def _is_long(repeat: str) -> bool:
    """More often than a few times."""
    if repeat in "*+":
        return True
    most = repeat.strip("{}").rpartition(",")[2]
    return not most or int(most) > 10
