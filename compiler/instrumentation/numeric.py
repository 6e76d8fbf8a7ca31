"""`--verify-each=numeric`: every pass keeps the program's results, within what it promises.

The reference arithmetic runs the program before and after each pass on the same inputs; once it
is lowered, the kernels do. The first pass whose outputs differ by more than its `NUMERICS` allows
is named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from xdsl.dialects.builtin import ModuleOp, TensorType
from xdsl.passes import ModulePass

from compiler.errors import InternalCompilerError
from compiler.pipeline import Instrument
from dialects.context import OctetContext
from dialects.elements import dtype_of
from dialects.kernel.loops import Launch
from dialects.kernel.ops import layout_of
from dialects.program import body_of, input_names, main_function, range_of
from passes.base import Numerics, OctetPass

ROUNDING_TOLERANCE = 1e-4
"""Largest difference a `ROUNDING` pass may cause, relative to the output's largest magnitude."""
LEAST_SQNR = 10.0
"""Least signal-to-quantization-noise ratio, in dB, a `QUANTIZES` pass must keep. A program whose
8-bit form works is at 20 dB and more; a wrong scale or zero point is at 0."""

Outputs = Mapping[str, np.ndarray]


@dataclass
class VerifyNumerics(Instrument):
    """Compares outputs on the first calibration batch, or on seeded random inputs without one."""

    _feeds: Outputs | None = field(default=None, init=False)
    _outputs: Outputs | None = field(default=None, init=False)

    def before(self, module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
        if self._feeds is None:
            self._feeds = sample_inputs(ctx, module)
        if self._outputs is None:
            self._outputs = run_module(ctx, module, self._feeds)

    def after(self, module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
        assert self._feeds is not None
        expected, self._outputs = self._outputs, run_module(ctx, module, self._feeds)
        assert expected is not None
        numerics = module_pass.NUMERICS if isinstance(module_pass, OctetPass) else Numerics.EXACT
        complaint = difference(expected, self._outputs, numerics)
        if complaint is not None:
            raise InternalCompilerError(
                f"pass {module_pass.name} changed the results: {complaint}; it promises to change "
                f"them {numerics.value}"
            )


def run_module(ctx: OctetContext, module: ModuleOp, feeds: Outputs) -> Outputs:
    """What a program gives, in real numbers whatever it takes and gives: by the reference, or once
    it is lowered, by the kernels."""
    from compiler.quantized_io import real_outputs, stored_feeds
    from runtime.reference.evaluate import evaluate

    stored = stored_feeds(module, feeds)
    if any(isinstance(op, Launch) for op in module.walk()):
        return real_outputs(module, _run_kernels(ctx, module, stored))
    return real_outputs(module, evaluate(module, stored, ctx.weights))


def _run_kernels(ctx: OctetContext, module: ModuleOp, feeds: Outputs) -> Outputs:
    """Runs a lowered program; one without a memory plan gets one of its own."""
    from runtime.planning.memory import plan_memory
    from runtime.program import Program

    module = cast(ModuleOp, module.clone())
    calls = [op for op in module.walk() if isinstance(op, Launch)]
    if any(layout_of(result).offset is None for call in calls for result in call.results):
        plan_memory(module)
    manifest = {} if ctx.target is None else {"isa": ctx.target.isa}
    return Program.from_module(module, ctx.weights, manifest).run(feeds)


def sample_inputs(ctx: OctetContext, module: ModuleOp) -> dict[str, np.ndarray]:
    """The first calibration batch, else random inputs, the same for the same program."""
    if ctx.calibration_data is not None:
        return dict(next(iter(ctx.calibration_data())))
    return random_inputs(module)


def random_inputs(module: ModuleOp, seed: int = 0) -> dict[str, np.ndarray]:
    """Seeded inputs of the program's shapes: uniform in the calibrated range where there is one,
    else normal; integers are 0 or 1, so that they are valid as indices and as masks."""
    generator = np.random.default_rng(seed)
    function = main_function(module)
    feeds: dict[str, np.ndarray] = {}
    for name, argument in zip(input_names(function), body_of(function).args, strict=True):
        tensor = cast(TensorType, argument.type)
        dtype, shape = dtype_of(tensor.element_type), tensor.get_shape()
        bounds = range_of(argument)
        if dtype.kind in "biu":
            values = generator.integers(0, 2, shape)
        elif bounds is not None:
            values = generator.uniform(*bounds, shape)
        else:
            values = generator.standard_normal(shape)
        feeds[name] = np.asarray(values).astype(dtype)
    return feeds


def difference(expected: Outputs, actual: Outputs, numerics: Numerics) -> str | None:
    """What differs by more than `numerics` allows, or None."""
    if list(expected) != list(actual):
        return f"the outputs are {list(actual)}, were {list(expected)}"
    for name in expected:
        complaint = _array_difference(expected[name], actual[name], numerics)
        if complaint is not None:
            return f"output '{name}' {complaint}"
    return None


def _array_difference(expected: np.ndarray, actual: np.ndarray, numerics: Numerics) -> str | None:
    if (expected.shape, expected.dtype) != (actual.shape, actual.dtype):
        return (
            f"is {actual.dtype} {list(actual.shape)}, was {expected.dtype} {list(expected.shape)}"
        )
    if expected.tobytes() == actual.tobytes():
        return None
    if expected.dtype.kind not in "fV":
        # An index or a truth value is not continuous: rounding may legitimately flip it.
        changed = np.count_nonzero(expected != actual)
        if changed and numerics is Numerics.EXACT:
            return f"differs in {changed} of {expected.size} elements"
        return None
    before, after = expected.astype(np.float64), actual.astype(np.float64)
    if not np.array_equal(np.isnan(before), np.isnan(after)):
        return "has NaN in other places"
    with np.errstate(invalid="ignore"):
        error = np.where((before == after) | np.isnan(before), 0.0, np.abs(after - before))
    largest = float(error.max())
    scale = float(np.abs(before[np.isfinite(before)]).max(initial=0.0))
    match numerics:
        case Numerics.EXACT:
            return f"differs by up to {largest:.3g}" if largest else None
        case Numerics.ROUNDING:
            allowed = ROUNDING_TOLERANCE * scale
            return f"differs by {largest:.3g}, over {allowed:.3g}" if largest > allowed else None
        case Numerics.ONE_STEP | Numerics.QUANTIZES:
            sqnr = _sqnr(before, error)
            return f"has an SQNR of {sqnr:.1f} dB" if sqnr < LEAST_SQNR else None


def _sqnr(signal: np.ndarray, error: np.ndarray) -> float:
    noise, power = float(np.sum(error**2)), float(np.nansum(signal**2))
    if noise == 0.0:
        return math.inf
    return 10 * math.log10(power / noise) if power else -math.inf
