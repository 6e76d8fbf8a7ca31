"""How much noise each op adds to the outputs in each precision, measured.

Two experiments: one op in few bits while all others are float, and, for int8, one op in float
while all others are int8. The first sees an op alone; the second sees what is left of its error
after everything else has been added. Their mean is used: errors of independent sources add up as
powers (Widrow and Kollar, *Quantization Noise*, 2008), so noise powers of ops are summed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from compiler.strategy.evaluator import Evaluator
from compiler.strategy.space import Assignment, Space
from dialects.nn.attributes import Precision

Sensitivities = Mapping[tuple[int, Precision], float]
"""Noise power over signal power that a choice adds in a precision; 0 in f32."""

ORDER = (Precision.INT8, Precision.BF16, Precision.F16)
"""What is measured first if not everything can be."""


def alone(space: Space, choice: int, precision: Precision) -> Assignment:
    """One op in `precision`, the others in float."""
    assignment = list(space.uniform(Precision.F32))
    assignment[choice] = precision
    return tuple(assignment)


def all_but(space: Space, choice: int) -> Assignment:
    """All ops int8 that can be, except one in float."""
    assignment = list(space.uniform(Precision.INT8))
    assignment[choice] = Precision.F32
    return tuple(assignment)


def experiments(space: Space) -> list[Assignment]:
    """All assignments that sensitivities are measured with, the most telling first."""
    found = [space.uniform(precision) for precision in (*ORDER, Precision.F32)]
    for precision in ORDER:
        able = [i for i, choice in enumerate(space.choices) if precision in choice.precisions]
        found += [alone(space, index, precision) for index in able]
        if precision is Precision.INT8:
            found += [all_but(space, index) for index in able]
    return list(dict.fromkeys(found))


def measure_sensitivities(evaluator: Evaluator, most: int) -> Sensitivities:
    """Noise of every choice and precision, from at most `most` experiments.

    An op that there was no experiment for gets an equal share of the noise that all ops in that
    precision make together.
    """
    space = evaluator.builder.space
    planned = experiments(space)[:most]
    noise = dict(zip(planned, (m.quality.noise for m in evaluator.measure(planned)), strict=True))
    return sensitivities(space, noise)


def sensitivities(space: Space, noise: Mapping[Assignment, float]) -> Sensitivities:
    """Sensitivities from the noise of those experiments that were made."""
    found: dict[tuple[int, Precision], float] = {}
    for precision in ORDER:
        able = [i for i, choice in enumerate(space.choices) if precision in choice.precisions]
        together = noise.get(space.uniform(precision), 0.0)
        for index in able:
            seen = (
                [noise[alone(space, index, precision)]]
                if (alone(space, index, precision) in noise)
                else []
            )
            if precision is Precision.INT8 and all_but(space, index) in noise:
                seen.append(max(0.0, together - noise[all_but(space, index)]))
            found[index, precision] = _mean(seen) if seen else together / len(able)
    return found


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
