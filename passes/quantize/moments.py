"""What rounding the weights of a linear layer has to know of its data: second moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dialects.nn.base import shape_of
from dialects.nn.linear import ConvOp
from passes.quantize.side_by_side import Arrays, Linear
from runtime.reference.windows import sliding_windows

CHUNK = 4096
"""Rows of a matrix product that are taken at once."""


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


def moments_of(op: Linear, x: Arrays, wanted: Arrays, positions: int) -> Moments:
    """Moments of the inputs of `op` and of the results that its products should give.

    Of a convolution's windows at most about `positions` in all are taken, evenly many of each
    sample, drawn by a fixed seed; of a matrix product's rows, the same.
    """
    return _of_conv(op, x, wanted, positions) if isinstance(op, ConvOp) else _of_matmul(x, wanted, positions)


def _of_conv(op: ConvOp, x: Arrays, wanted: Arrays, positions: int) -> Moments:
    groups = op.groups.value.data
    outputs, *rest = shape_of(op.weight)
    options = {name: value for name, value in op.values().items() if name in ("strides", "pads", "dilations")}
    moments = Moments.zeros(groups, int(np.prod(rest)), outputs // groups)
    samples = sum(map(len, x))
    draw = np.random.default_rng(0)
    for batch, results in zip(x, wanted, strict=True):
        for one, result in zip(batch, results, strict=True):
            windows = sliding_windows(one[None], rest[1:], fill=0, **options)[0]
            spatial = result.shape[1:]
            taken = drawn(draw, int(np.prod(spatial)), positions, samples)
            places = np.unravel_index(taken, spatial)
            columns = windows[(slice(None), *places)]  # [C, P, kernel..]
            columns = columns.reshape(groups, rest[0], len(taken), -1).swapaxes(2, 3)
            moments.add(
                columns.reshape(groups, -1, len(taken)),
                result.reshape(groups, outputs // groups, -1)[:, :, taken],
            )
    return moments


def _of_matmul(x: Arrays, wanted: Arrays, positions: int) -> Moments:
    depth, outputs = x[0].shape[-1], wanted[0].shape[-1]
    moments = Moments.zeros(1, depth, outputs)
    draw = np.random.default_rng(0)
    for batch, results in zip(x, wanted, strict=True):
        rows, sums = batch.reshape(-1, depth), results.reshape(-1, outputs)
        taken = drawn(draw, len(rows), positions, len(x))
        for start in range(0, len(taken), CHUNK):
            part = taken[start : start + CHUNK]
            moments.add(rows[part].T[None], sums[part].T[None])
    return moments


def drawn(draw: np.random.Generator, count: int, positions: int, parts: int) -> np.ndarray:
    """Which of `count` positions are taken, ascending, of one of `parts` parts."""
    share = max(1, positions // parts)
    if count <= share:
        return np.arange(count)
    return np.sort(draw.choice(count, share, replace=False))
