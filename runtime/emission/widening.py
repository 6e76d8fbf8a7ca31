"""Ops whose kernel computes on wider elements: widen, run, narrow once.

16-bit floats are widened to float32, integers of few bits to int64. Operands are widened into
scratch memory with the layout and halo they have in the arena, the op's calls run on that, and
results are narrowed into the arena: floats rounded, integers wrapped around. The meaning is that of
a kernel that loads, computes in the wide type and narrows on storing; it moves more bytes. So rare
combinations of op and element type need no kernels of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from xdsl.ir import SSAValue

from dialects.elements import HALVES, i8, i16, ui8, ui16, ui32
from dialects.kernel.ops import ConstantOp, buffer_element, buffer_shape, layout_of
from runtime.emission.site import TAKES_HALVES, TAKES_NARROW, CallSite, Emitter
from runtime.kernels.abi import Call, View
from runtime.kernels.convert import cast_calls

_FLOAT32, _INT64 = np.dtype(np.float32), np.dtype(np.int64)

NARROW = (i8, i16, ui8, ui16, ui32)
"""Integers that int64 holds with room to spare."""


def is_half(value: SSAValue) -> bool:
    """The buffer holds 16-bit floats."""
    return buffer_element(value) in HALVES


def is_narrow(value: SSAValue) -> bool:
    """The buffer holds integers of few bits."""
    return buffer_element(value) in NARROW


def emit_widened(emitter: Emitter, site: CallSite) -> list[Call]:
    """The calls of `emitter`, on wide copies of the buffers that it has no kernels for."""
    widened = _widened_in(site)
    if widened is None:
        return emitter(site)
    wide = WideSite(site.op, site.memory, site.isa, widened)
    site.memory.scratch.reuse()
    calls = emitter(wide)
    return [*wide.before, *calls, *wide.after]


def _widened_in(site: CallSite) -> Callable[[SSAValue], bool] | None:
    """Which buffers of a call its emitter cannot take as they are, if there are any."""
    values, name = (*site.op.inputs, *site.op.results), site.op.kernel_name
    halves = any(map(is_half, values)) and not TAKES_HALVES[name](site)
    narrow = any(map(is_narrow, values)) and not TAKES_NARROW[name](site)
    if not halves and not narrow:
        return None
    return lambda value: (halves and is_half(value)) or (narrow and is_narrow(value))


@dataclass
class WideSite(CallSite):
    """A call site that shows the buffers that `widens` names as float32 or int64 ones.

    `before` are the calls that widen operands, `after` those that narrow results.
    """

    widens: Callable[[SSAValue], bool]
    before: list[Call] = field(default_factory=list[Call])
    after: list[Call] = field(default_factory=list[Call])
    _widened: dict[SSAValue, View] = field(default_factory=dict[SSAValue, View])

    def view_of(self, value: SSAValue) -> View:
        if not self.widens(value):
            return super().view_of(value)
        if isinstance(value.owner, ConstantOp):
            return View.of(self.memory.widened(value.owner, _wide(value)))
        if value not in self._widened:
            view, wide = self.memory.view(value), self._in_scratch(value)
            self._widened[value] = wide
            layout, shape = layout_of(value), buffer_shape(value)
            inside, count = layout.interior(shape), layout.elements(shape)
            # The halo with the rest, in one run: convolutions read it.
            self.before += cast_calls(
                View(view.address - view.dtype.itemsize * inside, (count,), (1,), view.dtype),
                View(wide.address - wide.dtype.itemsize * inside, (count,), (1,), wide.dtype),
            )
        return self._widened[value]

    def result(self, index: int = 0) -> View:
        value = self.op.results[index]
        view = super().result(index)
        if not self.widens(value):
            return view
        if value not in self._widened:
            self._widened[value] = self._in_scratch(value)
            self.after += cast_calls(self._widened[value], view)
        return self._widened[value]

    def constant(self, name: str) -> np.ndarray | None:
        array, value = super().constant(name), self.value(name)
        return array if array is None or not self.widens(value) else array.astype(_wide(value))

    def _in_scratch(self, value: SSAValue) -> View:
        shape, layout, dtype = buffer_shape(value), layout_of(value), _wide(value)
        address = self.memory.scratch.take(dtype.itemsize * layout.elements(shape))
        interior = address + dtype.itemsize * layout.interior(shape)
        return View(interior, shape, layout.strides(shape), dtype)


def _wide(value: SSAValue) -> np.dtype:
    return _FLOAT32 if is_half(value) else _INT64
