"""The context passes run in: xDSL's, plus what Octet's passes need beside the IR."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from xdsl.context import Context
from xdsl.ir import SSAValue

from dialects import get_all_dialects
from dialects.calibrator import Calibrator
from dialects.target import Target
from dialects.weights import WeightStore

Feed = Mapping[str, np.ndarray]
"""One batch of inputs by name."""


@dataclass
class OctetContext(Context):
    """Weights by digest, and a source of calibration batches.

    `calibration_data` is called anew for every pass over the data, so a stream can be read
    more than once; None means that no data was given.
    """

    weights: WeightStore = field(default_factory=WeightStore)
    calibration_data: Callable[[], Iterable[Feed]] | None = None
    target: Target | None = None
    statistics: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How often each (pass, pattern or event) happened."""
    watch: Callable[[SSAValue, np.ndarray], None] | None = None
    """Called by `calibrate` with every finite array that it measures, batch by batch. An array may
    be a window onto memory that is used again: copy what is to be kept."""
    calibrator: Calibrator | None = None
    """How `calibrate` measures, and what it knows without; None: by the reference, nothing."""

    def clone(self) -> OctetContext:
        """A context whose dialect tables are copies; weights and data are shared."""
        return OctetContext(
            self.allow_unregistered,
            self._loaded_dialects.copy(),
            self._loaded_ops.copy(),
            self._loaded_attrs.copy(),
            self._loaded_types.copy(),
            self._registered_dialects.copy(),
            self.weights,
            self.calibration_data,
            self.target,
            self.statistics,
            self.watch,
            self.calibrator,
        )


def make_context() -> OctetContext:
    """A context in which xDSL's and Octet's dialects can be parsed; each loads on first use."""
    from xdsl.universe import Universe

    context = OctetContext()
    for name, factory in Universe.get_multiverse().all_dialects.items():
        context.register_dialect(name, factory)
    for name, factory in get_all_dialects().items():
        if name not in context.registered_dialect_names:
            context.register_dialect(name, factory)
    return context
