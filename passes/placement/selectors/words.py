"""Words of selectors: where a name ends, what quotes mean, where a list is split.

A word is written as it is: `/layer1/layer1.0/conv1/Conv`, `Gelu(tanh, x)`, `re:(a|b){1,2}`. It ends
at white space, a comma or a closing parenthesis; brackets that are closed again protect what is
between them. Anything else is put in quotes, single or double; in them every character stands for
itself, and a doubled quote for one quote.
"""

from __future__ import annotations

import re

QUOTES = "'\""
_PLAIN = re.compile(r"[^\s,()\[\]{}'\"\\]+")
_CLOSING = {"[": "]", "{": "}"}
_BEFORE_QUOTE = ":,("
"""A quote opens only behind these or white space: elsewhere, as in `it's`, it is a letter."""


def end_of_word(text: str, start: int) -> int:
    """Where the unquoted word at `start` ends; where its text does, if a parenthesis stays open."""
    position = start
    while position < len(text):
        if text[position].isspace() or text[position] in ",)":
            break
        position = _skip(text, position, start)
    return position


def unclosed(text: str, start: int, end: int) -> int | None:
    """The position of an opening parenthesis in `text[start:end]` that nothing closes, or None."""
    position = start
    while position < end:
        if text[position] == "(" and not _parentheses(text, position, start)[1]:
            return position
        position = _skip(text, position, start)
    return None


def end_of_quoted(text: str, start: int) -> int | None:
    """Behind the closing quote of the word quoted at `start`; None if there is none."""
    quote, position = text[start], start + 1
    while (position := text.find(quote, position)) >= 0:
        if not text.startswith(quote, position + 1):
            return position + 1
        position += 2
    return None


def unquoted(text: str) -> str:
    """What a word stands for, in quotes or not."""
    if len(text) > 1 and text[0] in QUOTES and end_of_quoted(text, 0) == len(text):
        return text[1:-1].replace(text[0] * 2, text[0])
    return text


def quoted(word: str) -> str:
    """`word` as a selector writes it: as it is if nothing in it has a meaning, else in quotes."""
    if _PLAIN.fullmatch(word):
        return word
    quote = '"' if '"' not in word else "'"
    return quote + word.replace(quote, quote * 2) + quote


def split_selectors(text: str) -> list[str]:
    """The items of a comma-separated list; commas in quotes and in brackets separate nothing.

    Malformed items come back as they are: reading them says what is wrong.
    """
    items: list[str] = []
    start = position = 0
    while position < len(text):
        if text[position] == ",":
            items.append(text[start:position].strip())
            start = position = position + 1
        else:
            position = _skip(text, position, start)
    return [*items, text[start:].strip()]


def split_names(text: str) -> list[str]:
    """The names of a comma-separated list, without the quotes around those that need them."""
    return [unquoted(item) for item in split_selectors(text)]


def _skip(text: str, position: int, start: int) -> int:
    """Behind the character at `position`, or what it opens: a quoted word, or brackets.

    `start` is where the word or the list began. A parenthesis that is not closed extends to the
    end; other brackets and quotes that are not closed are characters like any other.
    """
    character = text[position]
    if character == "\\":
        return min(position + 2, len(text))
    if character in QUOTES and _opens(text, position, start):
        return end_of_quoted(text, position) or position + 1
    if character in _CLOSING:
        return _end_of_brackets(text, position)
    return _parentheses(text, position, start)[0] if character == "(" else position + 1


def _parentheses(text: str, position: int, start: int) -> tuple[int, bool]:
    """Behind the parenthesis that closes the one at `position`, and whether there is one."""
    depth, position = 1, position + 1
    while position < len(text) and depth:
        if text[position] in "()":
            depth += 1 if text[position] == "(" else -1
            position += 1
        else:
            position = _skip(text, position, start)
    return position, not depth


def _end_of_brackets(text: str, position: int) -> int:
    """Behind the bracket that closes the one at `position`: the next of its kind."""
    closing, end = _CLOSING[text[position]], position + 1
    if text.find(closing, end) < 0:
        return end
    while end < len(text) and text[end] != closing:
        end += 2 if text[end] == "\\" else 1
    return end + 1 if end < len(text) else position + 1


def _opens(text: str, position: int, start: int) -> bool:
    return position == start or text[position - 1] in _BEFORE_QUOTE or text[position - 1].isspace()
