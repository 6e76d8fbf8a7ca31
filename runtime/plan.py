"""A plan: one program at fixed input sizes, with its arena, ready to run.

Building a plan proves its memory (`verify_plan`), emits the kernel calls of every op and loads
the kernels they name. Running it copies the inputs into the arena, walks the table of calls
without returning to Python, and copies the outputs out.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation, SSAValue

from dialects.errors import OctetError
from dialects.kernel.loops import Launch, LoopOp
from dialects.kernel.ops import CallOp, ViewOp, buffer_shape, layout_of
from dialects.program import body_of, input_names, main_function, output_names, return_of
from dialects.rates import RATES_OF_ISA
from dialects.weights import WeightStore
from runtime.emission.loops import emit_loop
from runtime.emission.site import EMITTERS, CallSite, Memory, quantization_of
from runtime.emission.widening import emit_widened
from runtime.executor import Span, Table
from runtime.kernels.abi import Call
from runtime.kernels.copy import halo_calls
from runtime.kernels.gather import bad_index
from runtime.kernels.isa import Isa
from runtime.planning.arena import ALIGNMENT
from runtime.planning.memory import verify_plan
from runtime.schedule import best_threads
from runtime.work import estimated_ns
from runtime.workers import available_cores

EMISSION_MODULES = (
    "attention", "conversion", "dynamic", "elementwise", "linear", "movement", "normalization",
    "pooling", "quantized_linear", "reduction", "resampling",
)  # fmt: skip


HALO_NS = 200.0
"""Filling a border takes about as long as calling the kernel."""


def load_emitters() -> None:
    """Imports every emission module, which registers its emitters."""
    for name in EMISSION_MODULES:
        importlib.import_module(f"runtime.emission.{name}")


@dataclass(frozen=True)
class Step:
    """The kernel calls of one op."""

    op: Launch
    calls: tuple[Call, ...]


class Plan:
    """A program at the input sizes its IR says. Not safe for two threads at once."""

    def __init__(
        self, module: ModuleOp, weights: WeightStore, isa: Isa, shared: dict[str, np.ndarray]
    ):
        """`shared` holds aligned constants, which plans of one program have in common."""
        load_emitters()
        size = verify_plan(module)
        self.arena_size = size
        # Slack on both sides: kernels may read, never write, a little past a buffer.
        self._memory = np.zeros(size + 2 * ALIGNMENT, np.uint8)
        base = self._memory.ctypes.data
        memory = Memory(base + (-base % ALIGNMENT), weights, shared)
        self._views = memory  # its scratch among others, whose addresses the calls hold
        self._module = module
        function = main_function(module)
        self.steps = [
            Step(op, tuple(emit(op, memory, isa)))
            for op in body_of(function).ops
            if isinstance(op, Launch)
        ]
        self._gathers = [
            (step.op, step.calls)
            for step in self.steps
            if isinstance(step.op, CallOp) and step.op.kernel_name == "gather"
        ]
        self._table = Table([call for step in self.steps for call in step.calls])
        self._tables: dict[Operation, Table] | None = None
        """One for each step, made when the plan is walked."""
        self._best_threads: dict[int, int] = {}
        self._inputs = {
            name: self._window(memory, argument)
            for name, argument in zip(input_names(function), body_of(function).args, strict=True)
        }
        self._outputs = {
            name: self._window(memory, value)
            for name, value in zip(
                output_names(function), return_of(function).operands, strict=True
            )
        }

    def _window(self, memory: Memory, value: SSAValue) -> np.ndarray:
        """A numpy array over a buffer's interior."""
        view = memory.view(value)
        return np.lib.stride_tricks.as_strided(
            self._memory[view.address - self._memory.ctypes.data :][
                : max(1, view.size) * view.dtype.itemsize
            ].view(view.dtype),
            view.shape,
            view.byte_strides,
        )

    def write_inputs(self, feeds: Mapping[str, np.ndarray]) -> None:
        for name, window in self._inputs.items():
            window[...] = feeds[name]

    def read_outputs(self) -> dict[str, np.ndarray]:
        return {name: np.array(window, order="C") for name, window in self._outputs.items()}

    def threads_for(self, most: int) -> int:
        """How many threads, at most `most`, run this plan fastest (0: as many as there are cores).

        A small model is done sooner on one.
        """
        if most not in self._best_threads:
            self._best_threads[most] = best_threads(self._table.stages, most or available_cores())
        return self._best_threads[most]

    def execute(self, threads: int = 1) -> None:
        """Runs all kernels on what is in the arena, on at most `threads` threads (0: all cores).

        Raises OctetError for a bad gather index.
        """
        self._table.run(self.threads_for(threads))
        for op, calls in self._gathers:
            _check_gather(op, calls)

    def run(self, feeds: Mapping[str, np.ndarray], threads: int = 1) -> dict[str, np.ndarray]:
        self.write_inputs(feeds)
        self.execute(threads)
        return self.read_outputs()

    def walk(self, feeds: Mapping[str, np.ndarray]) -> Iterator[tuple[Operation, list[np.ndarray]]]:
        """Runs op by op, on one thread; after each gives the op and windows onto its results.

        A window holds until the next op runs: buffers share memory. Views, which compute nothing,
        are among the ops; what a loop computes on its way is not.
        """
        if self._tables is None:
            self._tables = {step.op: Table(step.calls) for step in self.steps}
        self.write_inputs(feeds)
        for op in body_of(main_function(self._module)).ops:
            table = self._tables.get(op)
            if table is not None:
                table.run()
                if isinstance(op, CallOp) and op.kernel_name == "gather":
                    _check_gather(op, table.calls)
            if isinstance(op, Launch | ViewOp):
                yield op, [self._window(self._views, result) for result in op.results]

    def trace(self, feeds: Mapping[str, np.ndarray], threads: int = 1) -> list[Span]:
        """Runs once, on exactly so many threads; returns who ran which row when."""
        self.write_inputs(feeds)
        return self._table.trace(threads)


def _check_gather(op: CallOp, calls: Sequence[Call]) -> None:
    if (bad := bad_index(calls)) is not None:
        raise OctetError(
            f"{op.source_name}: index {bad[0]} lies outside of "
            f"{list(buffer_shape(op.inputs[0]))} along axis {op.values()['axis']}"
        )


def emit(op: Launch, memory: Memory, isa: Isa) -> list[Call]:
    """The kernel calls of one op, halos of its results included, with estimates of their work."""
    try:
        calls = emit_loop(op, memory) if isinstance(op, LoopOp) else _emit_call(op, memory, isa)
    except ValueError as error:
        raise OctetError(f"{op.source_name}: kernel {op.kernel_name}: {error}") from error
    if any(call.work is None for call in calls):
        share = estimated_ns(op, RATES_OF_ISA[isa.name]) / len(calls)
        calls = [call if call.work is not None else replace(call, work=share) for call in calls]
    for result in op.results:
        # The border around what the op writes: nobody else needs or writes it meanwhile.
        calls += [
            replace(call, work=HALO_NS, independent=True) for call in _fill_halo(result, memory)
        ]
    return calls


def _emit_call(op: CallOp, memory: Memory, isa: Isa) -> list[Call]:
    emitter = EMITTERS.get(op.kernel_name)
    if emitter is None:
        raise OctetError(f"{op.source_name}: kernel {op.kernel_name} has no implementation")
    site = CallSite(op, memory, isa)
    return emit_widened(emitter, site)


def _fill_halo(value: SSAValue, memory: Memory) -> list[Call]:
    """Fills the border that convolutions will read with what stands for zero."""
    halo = layout_of(value).halo_widths
    if not halo:
        return []
    view = memory.view(value)
    params = quantization_of(value)
    zero = 0 if params is None else params.scalars("a padded buffer")[1]
    if len(halo) == 2:
        view, halo = view.expand_dims(2), (0, halo[0], 0, halo[1])
    top, left, bottom, right = halo
    return halo_calls(view, (top, left, bottom, right), zero)
