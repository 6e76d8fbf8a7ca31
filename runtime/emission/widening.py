"""Ops on 16-bit floats whose kernel computes on float32 buffers: widen, run, round once.

Operands are widened into scratch memory with the layout and halo they have in the arena, the op's
float32 calls run on that, and results are rounded into the arena. The meaning is that of a kernel
that loads, computes in float32 and rounds on storing; it moves more bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from xdsl.ir import SSAValue

from dialects.elements import HALVES
from dialects.kernel.ops import ConstantOp, buffer_element, buffer_shape, layout_of
from runtime.emission.site import CallSite, Emitter
from runtime.kernels.abi import Call, View
from runtime.kernels.convert import cast_calls

_FLOAT32 = np.dtype(np.float32)


def is_half(value: SSAValue) -> bool:
    """The buffer holds 16-bit floats."""
    return buffer_element(value) in HALVES


def touches_halves(site: CallSite) -> bool:
    """An operand or a result of the call holds 16-bit floats."""
    return any(map(is_half, (*site.op.inputs, *site.op.results)))


def emit_in_float32(emitter: Emitter, site: CallSite) -> list[Call]:
    """The calls of `emitter` on float32 copies of the 16-bit buffers of `site`."""
    wide = WideSite(site.op, site.memory, site.isa)
    site.memory.scratch.reuse()
    calls = emitter(wide)
    return [*wide.before, *calls, *wide.after]


@dataclass
class WideSite(CallSite):
    """A call site that shows 16-bit buffers as float32 ones.

    `before` are the calls that widen operands, `after` those that round results.
    """

    before: list[Call] = field(default_factory=list[Call])
    after: list[Call] = field(default_factory=list[Call])
    _widened: dict[SSAValue, View] = field(default_factory=dict[SSAValue, View])

    def view_of(self, value: SSAValue) -> View:
        if not is_half(value):
            return super().view_of(value)
        if isinstance(value.owner, ConstantOp):
            return View.of(self.memory.widened(value.owner))
        if value not in self._widened:
            view, wide = self.memory.view(value), self._in_scratch(value)
            self._widened[value] = wide
            layout, shape = layout_of(value), buffer_shape(value)
            inside, count = layout.interior(shape), layout.elements(shape)
            # The halo with the rest, in one run: convolutions read it.
            self.before += cast_calls(
                View(view.address - 2 * inside, (count,), (1,), view.dtype),
                View(wide.address - 4 * inside, (count,), (1,), wide.dtype),
            )
        return self._widened[value]

    def result(self, index: int = 0) -> View:
        value = self.op.results[index]
        view = super().result(index)
        if not is_half(value):
            return view
        if value not in self._widened:
            self._widened[value] = self._in_scratch(value)
            self.after += cast_calls(self._widened[value], view)
        return self._widened[value]

    def constant(self, name: str) -> np.ndarray | None:
        array = super().constant(name)
        return array if array is None or not is_half(self.value(name)) else array.astype(_FLOAT32)

    def _in_scratch(self, value: SSAValue) -> View:
        shape, layout = buffer_shape(value), layout_of(value)
        address = self.memory.scratch.take(_FLOAT32.itemsize * layout.elements(shape))
        interior = address + _FLOAT32.itemsize * layout.interior(shape)
        return View(interior, shape, layout.strides(shape), _FLOAT32)
