"""Symbolic sizes of a model's inputs.

A symbolic size is represented by what it is at a few *assignments* of numbers to symbols: the
defaults first, then others. Shapes, and the shape arithmetic that exporters write into graphs
(Shape, Gather, Div, Concat, ...), are evaluated at every assignment. Two sizes are the same
expression if they agree at all of them, and a size is constant if it never changes. Compared
with polynomials over symbols this also covers floor division, minima, maxima and comparisons,
with the very functions that compute concrete shapes; agreement by accident is excluded in
practice because the numbers below share no factors with each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dialects.errors import OctetError
from dialects.shapes import Shape

from .tensors import checked_size

BATCH = "batch"
"""The symbol of the leading dimension."""

_BATCH_PROBES = (5, 7)
# Multiples of 32, so that networks that halve their input five times still fit; the other
# factors are distinct primes.
_OTHER_PROBES = ((96, 160), (224, 352), (416, 544), (608, 736), (928, 992))

Sizes = tuple[int | str, ...]
"""A shape with symbols."""


@dataclass(frozen=True)
class DeclaredInput:
    """An input as the model declares it; None is a size without number or name."""

    name: str
    sizes: tuple[int | str | None, ...]


@dataclass(frozen=True)
class InputSizes:
    """The symbolic shape of every input, and the numbers that symbols are tried with.

    - by_name: shapes; a leading size that may vary is the symbol "batch".
    - assignments: values by symbol; the first are the defaults. One entry without symbols.
    - implied_batch: the model fixes the batch to 1, and only convention says that it may vary.
    """

    by_name: Mapping[str, Sizes]
    assignments: tuple[Mapping[str, int], ...]
    implied_batch: bool

    @property
    def has_other_symbols(self) -> bool:
        """Whether anything but the batch may vary."""
        return any(symbol != BATCH for symbol in self.assignments[0])

    def shapes(self, name: str) -> tuple[Shape, ...]:
        """The shape of an input at each assignment."""
        return tuple(
            tuple(size if isinstance(size, int) else values[size] for size in self.by_name[name])
            for values in self.assignments
        )


def resolve_inputs(
    inputs: Sequence[DeclaredInput],
    given: Mapping[str, Sequence[int]],
    *,
    default: int = 1,
    only_batch: bool = False,
) -> InputSizes:
    """Decides which sizes are symbols, and what numbers they default to.

    `given` fixes shapes of inputs by name: a symbol given for one input holds for all. The batch
    defaults to 1, other symbols not given to `default`; with `only_batch` they are that for good.
    Raises OctetError when `given` contradicts the model or itself.
    """
    sizes = {declared.name: _named(declared) for declared in inputs}
    for name in given:
        if name not in sizes:
            raise OctetError(f"a shape is given for '{name}', but the inputs are {list(sizes)}")
    leading = [shape[0] for shape in sizes.values() if shape]
    implied = bool(leading) and all(size == 1 for size in leading)
    if implied:
        # Fixed at 1 everywhere: that is how models are exported for one sample at a time.
        sizes = {name: (BATCH, *shape[1:]) if shape else shape for name, shape in sizes.items()}
    numbers = _given_numbers(sizes, given)
    if not implied:
        sizes = _with_batch_symbol(sizes, numbers)
        numbers = _given_numbers(sizes, given)
    sizes = {
        name: tuple(
            size
            if isinstance(size, int) or size == BATCH
            # A size the user fixed is no symbol; the batch stays one, with another default.
            else numbers.get(size, default if only_batch else size)
            for size in shape
        )
        for name, shape in sizes.items()
    }
    assignments = _assignments(sizes, numbers, default)
    for name, shape in sizes.items():
        checked_size(
            [assignments[0].get(s, 1) if isinstance(s, str) else s for s in shape], _input(name)
        )
    return InputSizes(sizes, assignments, implied)


def _input(name: str) -> str:
    return f"input '{name}'"


def _named(declared: DeclaredInput) -> Sizes:
    """Every unknown size gets a name; a symbol called "batch" in the model keeps out of the way."""
    return tuple(
        f"{declared.name}.{axis}" if size is None else f"{size}'" if size == BATCH else size
        for axis, size in enumerate(declared.sizes)
    )


def _given_numbers(
    sizes: Mapping[str, Sizes], given: Mapping[str, Sequence[int]]
) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for name, shape in given.items():
        if len(shape) != len(sizes[name]):
            raise OctetError(
                f"{_input(name)} has {len(sizes[name])} dimensions, but the given shape "
                f"{list(shape)} has {len(shape)}"
            )
        for size, number in zip(sizes[name], shape, strict=True):
            if number < 0:
                raise OctetError(f"{_input(name)}: the given shape {list(shape)} is negative")
            if isinstance(size, int):
                if size != number:
                    raise OctetError(
                        f"{_input(name)}: the given shape {list(shape)} contradicts the model, "
                        f"which fixes {list(sizes[name])}"
                    )
            elif numbers.setdefault(size, number) != number:
                raise OctetError(
                    f"size '{size}' is given as {numbers[size]} and, for {_input(name)}, as "
                    f"{number}"
                )
    return numbers


def _with_batch_symbol(sizes: Mapping[str, Sizes], numbers: Mapping[str, int]) -> dict[str, Sizes]:
    """Leading symbols that have the same default become the one symbol "batch"."""
    leading = [shape[0] for shape in sizes.values() if shape and isinstance(shape[0], str)]
    if not leading:
        return dict(sizes)
    default = numbers.get(leading[0], 1)
    batch = {symbol for symbol in leading if numbers.get(symbol, 1) == default}
    return {
        name: tuple(BATCH if size in batch else size for size in shape)
        for name, shape in sizes.items()
    }


def _assignments(
    sizes: Mapping[str, Sizes], numbers: Mapping[str, int], default: int
) -> tuple[Mapping[str, int], ...]:
    symbols = [size for shape in sizes.values() for size in shape if isinstance(size, str)]
    return assignments_of(
        {
            symbol: numbers.get(symbol, 1 if symbol == BATCH else default)
            for symbol in dict.fromkeys(symbols)
        }
    )


def assignments_of(defaults: Mapping[str, int]) -> tuple[Mapping[str, int], ...]:
    """Numbers by symbol: `defaults` first, then others that no two symbols share."""
    if not defaults:
        return ({},)
    others = [symbol for symbol in defaults if symbol != BATCH]
    probes: list[Mapping[str, int]] = []
    for index, batch in enumerate(_BATCH_PROBES):
        # A probe must differ from the default: +32 keeps the pair apart from all others.
        values = {BATCH: batch if batch != defaults.get(BATCH) else batch + 32}
        for position, symbol in enumerate(others):
            row, wrap = position % len(_OTHER_PROBES), position // len(_OTHER_PROBES)
            values[symbol] = _OTHER_PROBES[row][index] + 1024 * wrap
        probes.append({symbol: values[symbol] for symbol in defaults})
    return (defaults, *probes)
