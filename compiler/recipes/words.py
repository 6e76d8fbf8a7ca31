"""Selectors made from names that another tool or a flag gives."""

from __future__ import annotations


def quoted(word: str) -> str:
    return word


def split_items(text: str) -> list[str]:
    return text.split(",")


def name_selector(layer: str) -> str:
    """The selector of a layer of the model."""
    return f"name:{quoted(layer)}"
