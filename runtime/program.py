"""A compiled program: runs for any batch size and sequence length, from any number of threads."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakSet

import numpy as np
from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Attribute, Operation, SSAValue

from dialects.elements import dtype_of
from dialects.errors import OctetError
from dialects.kernel.ops import buffer_element, buffer_shape
from dialects.program import (
    FIXED_SHAPE,
    argument_attributes,
    body_of,
    input_names,
    main_function,
    output_names,
    quantized_as,
    result_attributes,
    return_of,
    symbols_of,
)
from dialects.quant import UniformQuantizedType
from dialects.shapes import Shape
from dialects.weights import WeightStore
from runtime.artifact import load_artifact, save_artifact
from runtime.kernels.autotune import autotune, observed_products
from runtime.kernels.gemm import problem_of
from runtime.kernels.isa import Isa, best_isa, host_isas, isa_named
from runtime.kernels.tilings import Choice, Problem, store
from runtime.plan import Plan
from runtime.planning.memory import plan_memory, resize_program

if TYPE_CHECKING:
    from runtime.profiling.profile import Profile

MAX_PLANS = 16
"""Input sizes that plans are kept for; the one not used for longest is dropped first."""


@dataclass(frozen=True)
class TensorSpec:
    """Name, default shape and element type of an input or output; `quantized` is what integers
    stand for, where they stand for real numbers."""

    name: str
    shape: Shape
    dtype: np.dtype
    quantized: UniformQuantizedType | None = None


class Program:
    """A program at the `kernel` stage, with its weights.

    Run with other input sizes, it is planned anew (shapes inferred, memory placed and proved),
    not recompiled; plans are kept. `isa` chooses the kernels; by default the best that this
    machine has, within what the program was compiled for.
    """

    def __init__(
        self,
        module: ModuleOp,
        weights: WeightStore,
        manifest: Mapping[str, Any],
        isa: str | None = None,
    ):
        self.module = module
        self.weights = weights
        self.manifest = dict(manifest)
        self.sections: Mapping[str, ModuleOp] = {}
        """Earlier stages that are saved with the program; a loaded one has none."""
        self.isa = _choose_isa(isa or self.manifest.get("isa"))
        function = main_function(module)
        self.inputs = [
            _spec(name, value, attributes)
            for name, value, attributes in zip(
                input_names(function),
                body_of(function).args,
                argument_attributes(function),
                strict=True,
            )
        ]
        self.outputs = [
            _spec(name, value, attributes)
            for name, value, attributes in zip(
                output_names(function),
                return_of(function).operands,
                result_attributes(function),
                strict=True,
            )
        ]
        self._symbols = symbols_of(function)
        self._constants: dict[str, np.ndarray] = {}
        self._idle: dict[tuple[Shape, ...], list[Plan]] = {}
        self._renew_lock()
        _programs.add(self)

    def _renew_lock(self) -> None:
        self._lock = threading.Lock()

    @classmethod
    def from_module(
        cls,
        module: ModuleOp,
        weights: WeightStore,
        manifest: Mapping[str, Any],
        isa: str | None = None,
    ) -> Program:
        return cls(module, weights, manifest, isa)

    @classmethod
    def load(cls, path: str | Path, isa: str | None = None) -> Program:
        """Reads a .octet file. Raises OctetError if it is damaged or was edited."""
        module, weights, manifest = load_artifact(Path(path))
        return cls(module, weights, manifest, isa)

    def save(self, path: str | Path) -> None:
        """Writes a .octet file; the same program gives the same bytes."""
        save_artifact(Path(path), self.module, self.weights, self.manifest, self.sections)

    def run(self, feeds: Mapping[str, np.ndarray], threads: int = 1) -> dict[str, np.ndarray]:
        """Outputs by name for inputs by name, of any sizes the program's ops accept."""
        checked = self._check(feeds)
        shapes = self._shapes_of(checked)
        plan = self._take(shapes)
        try:
            return plan.run(checked, threads)
        finally:
            self._give_back(plan, shapes)

    def walk(self, feeds: Mapping[str, np.ndarray]) -> Iterator[tuple[Operation, list[np.ndarray]]]:
        """Runs op by op, on one thread, and shows the results of each: see `Plan.walk`.

        Inputs are checked, and a plan for their sizes is made, before anything runs: errors of
        that kind are raised by the call, those of an op on the way.
        """
        checked = self._check(feeds)
        shapes = self._shapes_of(checked)
        return self._walk(self._take(shapes), checked, shapes)

    def _walk(
        self, plan: Plan, feeds: Mapping[str, np.ndarray], shapes: tuple[Shape, ...]
    ) -> Iterator[tuple[Operation, list[np.ndarray]]]:
        try:
            yield from plan.walk(feeds)
        finally:
            self._give_back(plan, shapes)

    def benchmark(
        self, feeds: Mapping[str, np.ndarray], *, threads: int = 1, seconds: float = 1.0
    ) -> list[float]:
        """Latencies in seconds of repeated runs over about `seconds`, after a warm-up."""
        times: list[float] = []
        for _ in range(3):
            self.run(feeds, threads)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) < 5:
            start = time.perf_counter()
            self.run(feeds, threads)
            times.append(time.perf_counter() - start)
        return times

    def profile(
        self, feeds: Mapping[str, np.ndarray], *, threads: int = 1, runs: int = 30
    ) -> Profile:
        """What each op costs, as medians over `runs` whole runs on at most `threads` threads."""
        from runtime.profiling.machine import measure_machine
        from runtime.profiling.profile import profile_of

        checked = self._check(feeds)
        shapes = self._shapes_of(checked)
        plan = self._take(shapes)
        try:
            used = plan.threads_for(threads)
            plan.run(checked, threads)
            plan.trace(checked, used)
            timelines = [plan.trace(checked, used) for _ in range(runs)]
        finally:
            self._give_back(plan, shapes)
        return profile_of(plan.steps, timelines, used, measure_machine(self.isa))

    def autotune(self, seconds: float = 0.2) -> Path:
        """Measures the tilings of all products at the default input sizes, each for so long, and
        stores the fastest; plans made from now on use them. Returns the file."""
        with observed_products() as products:
            plan = self._build(tuple(spec.shape for spec in self.inputs))
        chosen: dict[Problem, Choice] = {}
        for product, multiply in products:
            problem = problem_of(product, multiply)
            if problem not in chosen:
                chosen[problem] = autotune(product, multiply, seconds)
        del plan  # it owns the memory that was measured on
        with self._lock:
            self._idle.clear()
        return store(chosen)

    @property
    def arena_size(self) -> int:
        """Bytes of activations memory at the default input sizes."""
        shapes = tuple(spec.shape for spec in self.inputs)
        plan = self._take(shapes)
        self._give_back(plan, shapes)
        return plan.arena_size

    # --- inputs -----------------------------------------------------------------------------

    def _check(self, feeds: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        names = [spec.name for spec in self.inputs]
        unknown = sorted(set(feeds) - set(names))
        missing = [name for name in names if name not in feeds]
        if unknown or missing:
            raise OctetError(
                f"inputs do not match: missing {missing}, unknown {unknown}; the program takes "
                f"{names}"
            )
        checked: dict[str, np.ndarray] = {}
        for spec in self.inputs:
            array = np.asarray(feeds[spec.name])
            if array.dtype != spec.dtype:
                raise OctetError(f"input '{spec.name}' should be {spec.dtype}, got {array.dtype}")
            if array.ndim != len(spec.shape):
                raise OctetError(
                    f"input '{spec.name}' should have {len(spec.shape)} dimensions like "
                    f"{list(spec.shape)}, got {list(array.shape)}"
                )
            checked[spec.name] = array
        return checked

    def _shapes_of(self, feeds: Mapping[str, np.ndarray]) -> tuple[Shape, ...]:
        return tuple(feeds[spec.name].shape for spec in self.inputs)

    def _check_symbols(self, shapes: tuple[Shape, ...]) -> None:
        """Raises OctetError if sizes of one name in `nn.dims` differ between inputs."""
        found: dict[str, tuple[int, str]] = {}
        for spec, names, shape in zip(self.inputs, self._symbols, shapes, strict=True):
            for symbol, size in zip(names, shape, strict=True):
                known, other = found.setdefault(symbol, (size, spec.name))
                if symbol and known != size:
                    raise OctetError(
                        f"inputs do not match: size '{symbol}' is {size} in '{spec.name}' "
                        f"{list(shape)}, but {known} in '{other}'"
                    )

    # --- plans ------------------------------------------------------------------------------

    def _take(self, shapes: tuple[Shape, ...]) -> Plan:
        with self._lock:
            idle = self._idle.get(shapes)
            if idle:
                return idle.pop()
        return self._build(shapes)

    def _give_back(self, plan: Plan, shapes: tuple[Shape, ...]) -> None:
        with self._lock:
            # The shape used last stands last.
            self._idle[shapes] = [*self._idle.pop(shapes, []), plan]
            while len(self._idle) > MAX_PLANS:
                del self._idle[next(iter(self._idle))]

    def _build(self, shapes: tuple[Shape, ...]) -> Plan:
        module = self.module
        if shapes != tuple(spec.shape for spec in self.inputs):
            reason = module.attributes.get(FIXED_SHAPE)
            if isinstance(reason, StringAttr):
                raise OctetError(
                    f"this program runs only with inputs of "
                    f"{[list(spec.shape) for spec in self.inputs]}: {reason.data}; compile it "
                    "again with --shape"
                )
            self._check_symbols(shapes)
            module = cast(ModuleOp, module.clone())
            named = zip((spec.name for spec in self.inputs), shapes, strict=True)
            resize_program(module, dict(named))
            plan_memory(module)
        with self._lock:
            return Plan(module, self.weights, self.isa, self._constants)


def _spec(name: str, value: SSAValue, attributes: Mapping[str, Attribute]) -> TensorSpec:
    dtype = dtype_of(buffer_element(value))
    return TensorSpec(name, buffer_shape(value), dtype, quantized_as(attributes))


_programs: WeakSet[Program] = WeakSet()


def _renew_locks() -> None:
    for program in _programs:
        program._renew_lock()


# In a forked child, the thread that held a lock may not exist.
os.register_at_fork(after_in_child=_renew_locks)


def _choose_isa(name: str | None) -> Isa:
    if name is None or name == "host":
        return best_isa()
    try:
        isa = isa_named(name)
    except ValueError as error:
        raise OctetError(str(error)) from error
    if isa not in host_isas():
        raise OctetError(
            f"the program wants {isa.name} kernels, which this machine cannot run; it has "
            f"{', '.join(known.name for known in host_isas())} (choose with --isa)"
        )
    return isa
