"""What rounding the weights of a linear layer has to know of its data: second moments."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from dialects.nn.base import shape_of
from dialects.nn.linear import ConvOp
from passes.quantize.correction.side_by_side import Arrays, Linear
from runtime.reference.windows import sliding_windows


@dataclass
class Moments:
    """Sums over positions, of inputs x [G, K] and wanted results t [G, O] of each, in float64.

    About their means (`centred`), they tell what no bias can make up for.
    """

    count: int
    x: np.ndarray
    t: np.ndarray
    xx: np.ndarray
    tx: np.ndarray

    @classmethod
    def zeros(cls, groups: int, inputs: int, outputs: int) -> Moments:
        return cls(
            0,
            np.zeros((groups, inputs)),
            np.zeros((groups, outputs)),
            np.zeros((groups, inputs, inputs)),
            np.zeros((groups, outputs, inputs)),
        )

    def add(self, x: np.ndarray, t: np.ndarray) -> None:
        """Positions P of inputs [G, K, P] and results [G, O, P]."""
        # Candidates differ by less than float32 keeps of sums of squares.
        x, t = x.astype(np.float64), t.astype(np.float64)
        across = x.swapaxes(1, 2)
        self.count += x.shape[2]
        self.x += x.sum(axis=2)
        self.t += t.sum(axis=2)
        self.xx += np.matmul(x, across)
        self.tx += np.matmul(t, across)

    def __add__(self, other: Moments) -> Moments:
        return Moments(
            self.count + other.count,
            self.x + other.x,
            self.t + other.t,
            self.xx + other.xx,
            self.tx + other.tx,
        )

    def about(self, x: np.ndarray, t: np.ndarray) -> Moments:
        """The same sums of inputs less `x` [G, K] and results less `t` [G, O]."""
        n = self.count
        column, row, wanted = x[:, :, None], x[:, None, :], t[:, :, None]
        # Sum (a - m)(b - k) = sum a b - m sum b - k sum a + n m k, for both matrices.
        xx = self.xx - column * self.x[:, None, :] - self.x[:, :, None] * row + n * column * row
        tx = self.tx - wanted * self.x[:, None, :] - self.t[:, :, None] * row + n * wanted * row
        return Moments(n, self.x - n * x, self.t - n * t, xx, tx)


Folds = tuple[Moments, Moments]
"""Moments of every other sample, and of the rest: what is fitted on one is judged on the other."""


def moments_of(op: Linear, x: Sequence[Arrays], wanted: Sequence[Arrays], positions: int) -> Folds:
    """Moments of the inputs of `op` and of the results that its products should give.

    - x, wanted: by batch and sample.
    - positions: of a convolution's windows, or a matrix product's rows, about so many are taken at
      most, as many of each sample, drawn by a fixed seed.
    """
    share = max(1, positions // max(1, sum(map(len, x))))
    draw = np.random.default_rng(0)

    def drawn(count: int, samples: int) -> np.ndarray:
        some = share * samples
        return (
            np.arange(count) if count <= some else np.sort(draw.choice(count, some, replace=False))
        )

    columns = _conv_columns if isinstance(op, ConvOp) else _matmul_columns
    groups, inputs, outputs = dimensions(op)
    folds = tuple(Moments.zeros(groups, inputs, outputs) for _ in range(2))
    seen = 0
    for batch, results in zip(x, wanted, strict=True):
        for fold in (0, 1):
            part = slice((seen + fold) % 2, None, 2)
            for columns_of_x, columns_of_t in columns(op, batch[part], results[part], drawn):
                folds[fold].add(columns_of_x, columns_of_t)
        seen += len(batch)
    return folds[0], folds[1]


def dimensions(op: Linear) -> tuple[int, int, int]:
    """Groups, and inputs and output channels of each."""
    if isinstance(op, ConvOp):
        groups = op.groups.value.data
        channels, *window = shape_of(op.weight)
        return groups, math.prod(window), channels // groups
    inputs, outputs = shape_of(op.b)
    return 1, inputs, outputs


Draw = Callable[[int, int], np.ndarray]
"""Which of so many positions of so many samples are taken, ascending."""
Columns = Iterator[tuple[np.ndarray, np.ndarray]]
"""Positions P of inputs [G, K, P] and of results [G, O, P]."""


def _conv_columns(op: Linear, samples: Arrays, results: Arrays, drawn: Draw) -> Columns:
    """Windows, sample by sample: those of a batch would be many times its size."""
    assert isinstance(op, ConvOp)
    groups, inputs, outputs = dimensions(op)
    kernel = shape_of(op.weight)[2:]
    options = {name: op.values()[name] for name in ("strides", "pads", "dilations")}
    for sample, result in zip(samples, results, strict=True):
        windows = sliding_windows(sample[None], kernel, fill=0, **options)[0]
        spatial = result.shape[1:]
        taken = drawn(math.prod(spatial), 1)
        some = windows[(slice(None), *np.unravel_index(taken, spatial))]  # [C, P, kernel..]
        by_group = some.reshape(groups, -1, len(taken), math.prod(kernel)).swapaxes(2, 3)
        yield (
            by_group.reshape(groups, inputs, len(taken)),
            result.reshape(groups, outputs, -1)[:, :, taken],
        )


def _matmul_columns(op: Linear, samples: Arrays, results: Arrays, drawn: Draw) -> Columns:
    """The rows of all samples."""
    if not samples:
        return
    _, inputs, outputs = dimensions(op)
    rows = np.concatenate([sample.reshape(-1, inputs) for sample in samples])
    sums = np.concatenate([result.reshape(-1, outputs) for result in results])
    taken = drawn(len(rows), len(samples))
    yield rows[taken].T[None], sums[taken].T[None]


def centred(folds: Folds) -> Folds:
    """Moments about the means of both folds together: what a bias makes up for is not in them."""
    both = folds[0] + folds[1]
    count = max(both.count, 1)
    first, second = (fold.about(both.x / count, both.t / count) for fold in folds)
    return first, second
