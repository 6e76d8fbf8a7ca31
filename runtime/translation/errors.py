"""What is wrong with a function that cannot be translated."""

from __future__ import annotations


class TranslationError(Exception):
    """A kernel uses what the translator does not know. It names the function and line."""
