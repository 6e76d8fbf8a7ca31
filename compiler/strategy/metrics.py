"""How good a placement is: its outputs on evaluation data beside those of the float program."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Outputs = Mapping[str, np.ndarray]
"""The outputs of one batch by name."""


@dataclass(frozen=True)
class Quality:
    """Figures of one placement on one set of samples.

    - noise: power of the error over power of the float outputs, of the output where it is
      greatest; infinite if an output is not finite where the float one is.
    - agreeing: samples with the same top-1 as the float program.
    - correct: samples whose top-1 is the label; None without labels.
    """

    samples: int
    noise: float
    agreeing: int
    correct: int | None = None

    @property
    def sqnr(self) -> float:
        """Signal to quantization noise in dB; infinite for equal outputs."""
        if self.noise == 0:
            return math.inf
        return -10 * math.log10(self.noise) if math.isfinite(self.noise) else -math.inf

    @property
    def agreement(self) -> float:
        """Share of the samples with the float program's top-1."""
        return self.agreeing / self.samples

    @property
    def accuracy(self) -> float | None:
        """Top-1 in percent; None without labels."""
        return None if self.correct is None else 100 * self.correct / self.samples


@dataclass(frozen=True)
class Budget:
    """What a placement may lose: `kind` is `max-drop` (points of top-1), `min-sqnr` (dB) or
    `min-agreement` (share of the samples)."""

    kind: str
    limit: float

    def excess(self, quality: Quality, reference: Quality) -> float:
        """By how much `quality` misses the budget, in its unit; 0 within it."""
        match self.kind:
            case "max-drop":
                lost = drop(quality, reference) - self.limit
            case "min-sqnr":
                lost = self.limit - quality.sqnr
            case _:
                lost = self.limit - quality.agreement
        # A limit such as 0.1 is no binary fraction: equality is within rounding.
        return lost if lost > 1e-9 else 0.0

    def __str__(self) -> str:
        unit = {"max-drop": " points", "min-sqnr": " dB"}.get(self.kind, "")
        return f"{self.kind} {self.limit:g}{unit}"


def drop(quality: Quality, reference: Quality) -> float:
    """Points of top-1 below the float program's; negative if above."""
    assert quality.accuracy is not None
    assert reference.accuracy is not None
    return reference.accuracy - quality.accuracy


def quality_of(
    outputs: Sequence[Outputs], reference: Sequence[Outputs], labels: np.ndarray | None
) -> Quality:
    """Compares the outputs of all batches with those of the float program.

    Noise is over float outputs. Top-1 is over the first float output, flattened by sample.
    `labels` holds one class per sample.
    """
    names = float_outputs(reference[0])
    agreeing, correct, position = 0, 0, 0
    for actual, expected in zip(outputs, reference, strict=True):
        chosen, wanted = top1(actual[names[0]]), top1(expected[names[0]])
        agreeing += int(np.count_nonzero(chosen == wanted))
        if labels is not None:
            correct += int(np.count_nonzero(chosen == labels[position : position + len(chosen)]))
        position += len(chosen)
    return Quality(
        samples=position,
        noise=max(_noise(name, outputs, reference) for name in names),
        agreeing=agreeing,
        correct=None if labels is None else correct,
    )


def float_outputs(outputs: Outputs) -> list[str]:
    """The names of the float outputs in order."""
    return [name for name, array in outputs.items() if array.dtype.kind == "f"]


def top1(scores: np.ndarray) -> np.ndarray:
    """The class with the highest score of each sample of a batch."""
    return scores.reshape(len(scores), -1).argmax(1)


def _noise(name: str, outputs: Sequence[Outputs], reference: Sequence[Outputs]) -> float:
    signal = noise = 0.0
    for actual, expected in zip(outputs, reference, strict=True):
        # Infinities that the float program gives as well (a mask of -inf) are no error.
        counted = np.isfinite(expected[name])
        wanted = expected[name][counted].astype(np.float64)
        difference = actual[name][counted].astype(np.float64) - wanted
        signal += float(np.dot(wanted, wanted))
        noise += float(np.dot(difference, difference))
    if not math.isfinite(noise):
        return math.inf
    return noise / signal if signal else (math.inf if noise else 0.0)
