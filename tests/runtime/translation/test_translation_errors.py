"""What cannot be translated is an error that names the function and the line."""

# ruff: noqa: RET503  (a function that forgets to return is one of the errors)

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from runtime.kernels.intrinsics import argument, f32_pointer, i64_pointer
from runtime.kernels.strided import device
from runtime.translation.errors import TranslationError
from runtime.translation.module import llvm_texts


def mixes(row: int, thread: int, threads: int) -> None:
    f32_pointer(row)[0] = f32_pointer(row)[1] + thread


def changes(row: int, thread: int, threads: int) -> None:
    total = np.int32(0)
    for i in range(thread):
        total = total + i
    i64_pointer(row)[0] = total


def walks(row: int, thread: int, threads: int) -> None:
    for _ in (1, 2, 3):
        pass


def steps(row: int, thread: int, threads: int) -> None:
    for _ in range(0, row, thread):
        pass


def asks(row: int, thread: int, threads: int) -> None:
    i64_pointer(row)[0] = unknown  # noqa: F821  # pyright: ignore[reportUndefinedVariable]


def returns(row: int, thread: int, threads: int) -> Any:
    return row


@device
def sometimes(x: int) -> Any:
    if x > 0:
        return x


def half(row: int, thread: int, threads: int) -> None:
    i64_pointer(row)[0] = sometimes(thread)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (mixes, r"in mixes: float32 and int64 need a conversion"),
        (changes, r"in changes: total is int32, and then int64"),
        (walks, r"in walks: a for loop needs a range"),
        (steps, r"in steps: the step of a range must be known"),
        (asks, r"in asks: unknown is not known here"),
        (returns, r"returns returns a value; a kernel returns none"),
        (half, r"in half: sometimes returns a value from some of its branches only"),
    ],
    ids=lambda case: getattr(case, "__name__", ""),
)
def test_the_error_says_what_and_where(function: Callable[..., Any], message: str) -> None:
    with pytest.raises(TranslationError, match=message):
        llvm_texts(function, "x86_64")  # pyright: ignore[reportArgumentType]


def test_the_error_names_file_and_line() -> None:
    line = mixes.__code__.co_firstlineno + 1
    with pytest.raises(TranslationError, match=rf"test_translation_errors\.py:{line}, in mixes"):
        llvm_texts(mixes, "x86_64")  # pyright: ignore[reportArgumentType]


def test_conditions_that_are_known_choose_what_is_translated() -> None:
    wide = False

    def kernel(row: int, thread: int, threads: int) -> None:
        if wide and argument(row, 1) > 0:
            f32_pointer(row)[0] = f32_pointer(row)[1]
        else:
            i64_pointer(row)[0] = 1

    text, _ = llvm_texts(kernel, "x86_64")  # pyright: ignore[reportArgumentType]
    assert "float" not in text
    assert "br i1" not in text
