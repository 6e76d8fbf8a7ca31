"""Pass `check-required`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Operation

from dialects.context import OctetContext
from dialects.errors import OctetError
from dialects.kernel.loops import LoopOp
from dialects.kernel.ops import CallOp
from dialects.kernel.precision import computed_precision
from dialects.nn.attributes import Precision
from dialects.nn.base import NnOp
from dialects.origin import computed_by
from dialects.program import body_of, main_function
from dialects.requirements import Requirement, requirements_of
from passes.base import Numerics, OctetPass
from passes.facts import ON_BUFFERS


@dataclass(frozen=True)
class CheckRequiredPass(OctetPass):
    """Fail unless every op ended at the precision that was required of it.

        builtin.module attributes {octet.required = [["int8", "name:stem", array<i64: 3>]]} {
          %1 = kernel.call "conv" (..) <..> {index = array<i64: 3>, layer = "stem"}
              : (memref<..xf32, ..>, ..) -> ..

    fails, naming `stem`, f32 and the reason in `placed_by`, if there is one.

    What counts is the program as it will run: for kernels the element types of their buffers, not
    what the op was placed in. An op that several kernels compute (a fused residual that is added
    in float behind its convolution) has to end at the precision in each; one of which nothing is
    left ended nowhere. Ops on indices and booleans meet every requirement. Nothing is changed.
    """

    name = "check-required"
    NUMERICS: ClassVar = Numerics.EXACT
    ANNOTATES: ClassVar = True
    REQUIRES: ClassVar = frozenset({ON_BUFFERS})

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        requirements = requirements_of(module)
        kernels = computed_by(body_of(main_function(module)).ops)
        problems = [
            problem for requirement in requirements for problem in _problems(requirement, kernels)
        ]
        if problems:
            raise OctetError(
                f"{len(problems)} op(s) did not end at the precision required: "
                + "; ".join(problems)
            )
        self.count(ctx, "requirements met", len(requirements))


def _problems(requirement: Requirement, kernels: dict[int, list[Operation]]) -> Iterator[str]:
    for index in requirement.indices:
        asked = f"{requirement.precision} by '{requirement.selector}'"
        ops = kernels.get(index, ())
        if not ops:
            yield f"op {index} (required to be {asked}): nothing of it is left in the program"
            continue
        for op in ops:
            ended = ended_in(op)
            if ended not in (None, requirement.precision):
                yield f"op {index} {_described(op)} (required to be {asked}) ended in {ended}" + (
                    _because(op, ops)
                )


def ended_in(op: Operation) -> Precision | None:
    """The precision of an op: of an `nn` op the one it is placed in, of a kernel the real one."""
    if isinstance(op, NnOp):
        return None if op.precision is None else op.precision.data
    return computed_precision(op)


def _described(op: Operation) -> str:
    """`'stem' as kernel conv`."""
    kernel = op.kernel_name if isinstance(op, CallOp | LoopOp) else op.name
    layer = op.attributes.get("layer")
    name = f"'{layer.data}' " if isinstance(layer, StringAttr) else ""
    return f"{name}as {kernel}"


def _because(op: Operation, ops: Sequence[Operation]) -> str:
    reasons = [each.attributes.get("placed_by") for each in (op, *ops)]
    found = next((reason.data for reason in reasons if isinstance(reason, StringAttr)), None)
    return f" ({found})" if found else ""
