"""Options as dimensions: `correct-bias{samples=0|64}` stands for two variants of a pass."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

from compiler.pipeline import parse_pipeline, print_pass
from dialects.errors import OctetError


@dataclass(frozen=True)
class Variants:
    """A pass and its canonical texts, one per choice of options."""

    name: str
    texts: tuple[str, ...]


_SETTING = re.compile(r'([\w-]+)=((?:"(?:\\.|[^"\\])*"|[^\s"])+)')
_PIECE = re.compile(r'(?:"(?:\\.|[^"\\])*"|[^|"])+')


def variants_of(text: str) -> Variants:
    """The variants of `name{option=a|b other=c}`: every combination of the values given.

    Raises OctetError for an unknown pass or option, and for text that is no single pass.
    """
    name, brace, rest = text.strip().partition("{")
    body = rest.removesuffix("}")
    settings = [
        [f"{option}={value}" for value in _PIECE.findall(values)]
        for option, values in _SETTING.findall(body)
    ]
    if not any(len(values) > 1 for values in settings):
        choices = [text]
    else:
        choices = [f"{name}{brace}{' '.join(chosen)}}}" for chosen in itertools.product(*settings)]
    texts: list[str] = []
    for choice in choices:
        pipeline = parse_pipeline(choice)
        if len(pipeline) != 1:
            raise OctetError(f"expected one pass with its options, got '{text}'")
        texts.append(print_pass(pipeline[0]))
    return Variants(name.strip(), tuple(dict.fromkeys(texts)))


def split_passes(text: str) -> list[str]:
    """`a,b{x=1,2},c` as its passes: commas within braces belong to options."""
    return [part for part in re.findall(r"[^,{]+(?:\{[^}]*\})?", text) if part.strip()]
