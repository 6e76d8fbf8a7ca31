"""What rounding the weights of a linear layer has to know of its data: second moments."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dialects.nn.base import shape_of
from dialects.nn.linear import ConvOp
from passes.quantize.side_by_side import Arrays, Linear
from runtime.reference.windows import sliding_windows


@dataclass
class Moments:
    """Sums over positions, of inputs x [G, K] and wanted results t [G, O] of each, in float64.

    Centred on their means, they tell what no bias can make up for.
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
        across = x.swapaxes(1, 2)
        self.count += x.shape[2]
        self.x += x.sum(axis=2, dtype=np.float64)
        self.t += t.sum(axis=2, dtype=np.float64)
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

    def centred(self) -> Moments:
        """The moments about the means."""
        x, t = self.x / self.count, self.t / self.count
        return Moments(
            self.count,
            np.zeros_like(self.x),
            np.zeros_like(self.t),
            self.xx - self.count * x[:, :, None] * x[:, None, :],
            self.tx - self.count * t[:, :, None] * x[:, None, :],
        )


Folds = tuple[Moments, Moments]
"""Moments of every other sample, and of the rest: what is fitted on one is judged on the other."""


def moments_of(op: Linear, x: Arrays, wanted: Arrays, positions: int) -> Folds:
    """Moments of the inputs of `op` and of the results that its products should give.

    Of a convolution's windows, or a matrix product's rows, about `positions` at most are taken in
    all, as many of each sample, drawn by a fixed seed.
    """
    samples = [sample for batch in x for sample in batch]
    results = [result for batch in wanted for result in batch]
    draw = np.random.default_rng(0)
    share = max(1, positions // len(samples))
    columns = _conv_columns if isinstance(op, ConvOp) else _matmul_columns
    folds: list[Moments] = []
    for index, (sample, result) in enumerate(zip(samples, results, strict=True)):
        inputs, sums = columns(op, sample, result, lambda count: _drawn(draw, count, share))
        if index < 2:
            folds.append(Moments.zeros(*inputs.shape[:2], sums.shape[1]))
        folds[index % 2].add(inputs, sums)
    return folds[0], folds[-1]


Draw = Callable[[int], np.ndarray]
"""Which of so many positions are taken, ascending."""


def _drawn(draw: np.random.Generator, count: int, share: int) -> np.ndarray:
    if count <= share:
        return np.arange(count)
    return np.sort(draw.choice(count, share, replace=False))


def _conv_columns(
    op: Linear, sample: np.ndarray, result: np.ndarray, draw: Draw
) -> tuple[np.ndarray, np.ndarray]:
    """Windows [G, K, P] of a sample [C, spatial..] and the results [G, O, P] that belong to them."""
    assert isinstance(op, ConvOp)
    groups = op.groups.value.data
    depth, *kernel = shape_of(op.weight)[1:]
    options = op.values()
    windows = sliding_windows(
        sample[None],
        kernel,
        strides=options["strides"],
        pads=options["pads"],
        dilations=options["dilations"],
        fill=0,
    )[0]
    spatial = result.shape[1:]
    taken = draw(math.prod(spatial))
    columns = windows[(slice(None), *np.unravel_index(taken, spatial))]  # [C, P, kernel..]
    columns = columns.reshape(groups, depth, len(taken), -1).swapaxes(2, 3)
    return (
        columns.reshape(groups, -1, len(taken)),
        result.reshape(groups, -1, math.prod(spatial))[:, :, taken],
    )


def _matmul_columns(
    op: Linear, sample: np.ndarray, result: np.ndarray, draw: Draw
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a sample [.., K] as [1, K, P] and their results as [1, N, P]."""
    rows = sample.reshape(-1, sample.shape[-1])
    taken = draw(len(rows))
    return rows[taken].T[None], result.reshape(-1, result.shape[-1])[taken].T[None]
