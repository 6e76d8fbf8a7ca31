"""The compiled float program, run op by op, so that every value of the IR can be seen.

A copy of the program is lowered through the passes of stage `kernel` as any other, but without
those that make values disappear: loops are not fused, concatenations and slices not aliased. The
numbers that ops get before lowering say afterwards which buffer is which value. After each op its
result is looked at where the kernel left it, so nothing is kept alive, nothing copied, and the
memory is that of the program's arena.

Kernels run on one thread, with the best instructions of this machine whatever the target: the same
machine gives the same bits. They differ from the reference by the rounding of float32 sums.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from typing import cast

import numpy as np
from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, i64
from xdsl.ir import Operation

from compiler.pipeline import PassManager, parse_pipeline
from dialects.context import Feed, OctetContext
from dialects.elements import is_float
from dialects.errors import OctetError
from dialects.nn.base import element_of_value
from dialects.nn.constant import ConstantOp
from dialects.program import body_of, input_names, main_function
from passes.calibrate.measuring.measurement import Observe, by_reference
from runtime.program import Program

LOWERING = "assign-layout,lower-to-kernel,plan-memory"
INDEX = "index"
"""The attribute that ops keep when they are lowered."""

Note = Callable[[str], None]


class FloatProgram:
    """Runs `module` on batches (`Evaluate` of passes/calibrate/measuring/measurement.py), compiled
    where it can.

    What has no kernels runs by the reference: the whole program where it cannot be lowered, single
    batches where there is no plan for their sizes. `note` is told so, once for each reason.
    """

    def __init__(self, module: ModuleOp, ctx: OctetContext, note: Note) -> None:
        self._module, self._weights, self._note = module, ctx.weights, note
        self._reference = by_reference(module, ctx.weights)
        self._ops = list(body_of(main_function(module)).ops)
        self._noted: set[str] = set()
        self._program: Program | None = None
        try:
            self._program = Program.from_module(_lowered(module, ctx), ctx.weights, {})
        except OctetError as error:
            self._fall_back(error)

    def __call__(self, feed: Feed, observe: Observe) -> None:
        if self._program is not None:
            try:
                steps = self._program.walk(feed)
            except OctetError as error:
                self._fall_back(error)
            else:
                self._show_given(feed, observe)
                for lowered, results in steps:
                    self._show(lowered, results, observe)
                return
        self._reference(feed, observe)

    def _show_given(self, feed: Feed, observe: Observe) -> None:
        function = main_function(self._module)
        for name, argument in zip(input_names(function), body_of(function).args, strict=True):
            observe(argument, np.asarray(feed[name]))
        for op in self._ops:
            if isinstance(op, ConstantOp) and is_float(element_of_value(op.result)):
                observe(op.result, op.array(self._weights))

    def _show(self, lowered: Operation, results: list[np.ndarray], observe: Observe) -> None:
        index = lowered.attributes.get(INDEX)
        if not isinstance(index, DenseArrayBase):
            return  # a copy that lowering put in
        op = self._ops[cast(int, index.get_values()[0])]
        for value, array in zip(op.results, results, strict=True):
            if is_float(element_of_value(value)):
                observe(value, array)

    def _fall_back(self, error: OctetError) -> None:
        if str(error) not in self._noted:
            self._noted.add(str(error))
            self._note(
                f"calibration runs the reference arithmetic, which is slower than kernels: {error}"
            )


def _lowered(module: ModuleOp, ctx: OctetContext) -> ModuleOp:
    """A lowered copy, whose ops have the number of the op of `module` that they come from.

    Raises OctetError for an op or an element type without a kernel.
    """
    copy = cast(ModuleOp, module.clone())
    for index, op in enumerate(body_of(main_function(copy)).ops):
        op.attributes[INDEX] = DenseArrayBase.from_list(i64, [index])
    private = ctx.clone()
    private.statistics = Counter()
    PassManager().run(private, copy, parse_pipeline(LOWERING))
    return copy


def note_on_stderr(text: str) -> None:
    print(f"calibrate: note: {text}", file=sys.stderr)
