"""Rows of an explanation from IR: of the placed program, and followed to where they ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from xdsl.dialects.builtin import ArrayAttr, ModuleOp, StringAttr
from xdsl.ir import Operation

from compiler.explain.borders import borders_of
from compiler.explain.gains import with_gains
from compiler.explain.placement import Kernel, Placement
from dialects.kernel.join import JoinOp
from dialects.kernel.ops import CallOp, ViewOp, buffer_shape
from dialects.kernel.part import PartOp
from dialects.kernel.precision import format_of
from dialects.kernel.signatures import signatures
from dialects.nn.attributes import Precision
from dialects.nn.base import NnOp, Quantization
from dialects.origin import computed_by, indices_of
from dialects.program import body_of, main_function, placeable_ops
from dialects.rates import Rates
from passes.kernel.check_required import ended_in
from passes.placement.decision import Decision, decision_of

NO_DECISION = Decision("none", "", "takes what its neighbours give")
"""Of a movement op, until it is known what that is."""

NOT_REAL = Decision("none", "", "works on indices or booleans")

Times = Callable[[NnOp], Mapping[str, float]]
"""Modelled time of an op in nanoseconds, by precision."""


def placements_of(module: ModuleOp, times: Times | None = None) -> list[Placement]:
    """The ops of a program in order; empty before it is placed.

    From stage `quantize` on, ops that were fused are one row, with the first of their numbers.
    """
    ops = list(body_of(main_function(module)).ops)
    kernels = computed_by(ops)
    if kernels:
        return _with_shares(_rows_of_kernels(kernels))
    placed = list(placeable_ops(module))
    if not any(op.precision is not None for op in placed):
        return []
    return _with_shares(
        [_row(index, op, {} if times is None else times(op)) for index, op in enumerate(placed)]
    )


def followed(
    placed: Sequence[Placement], module: ModuleOp, rates: Rates | None = None
) -> list[Placement]:
    """The rows of a placed program, as far as `module`, compiled from it, has come.

    With `rates` of the target, rows that have modelled times also have their gain.
    """
    kernels = computed_by(body_of(main_function(module)).ops)
    if not kernels:
        return list(placed)
    rows = [_ended(row, kernels.get(row.index, [])) for row in placed]
    return rows if rates is None else with_gains(rows, kernels, rates)


def _with_shares(rows: Sequence[Placement]) -> list[Placement]:
    total = sum(row.macs for row in rows) or 1
    return [replace(row, macs_share=row.macs / total) for row in rows]


# --- rows of one module ---------------------------------------------------------------------


def _row(index: int, op: Operation, times: Mapping[str, float]) -> Placement:
    precision, decision = ended_in(op), _decision(op)
    if precision is not None and decision.kind == "none":
        decision = _passes_through(precision.value)
    return Placement(
        index=index,
        names=names_of(op),
        op=mnemonic(op),
        operand_shapes=tuple(map(buffer_shape, op.operands)),
        result_shapes=tuple(map(buffer_shape, op.results)),
        precision=None if precision is None else precision.value,
        placed_by=decision.kind,
        decider=decision.who,
        reason=decision.reason,
        moves=_moves(op),
        macs=_macs(op),
        modelled_ns=times,
    )


def _rows_of_kernels(kernels: Mapping[int, Sequence[Operation]]) -> list[Placement]:
    """A row for each op and those it was fused with; its shapes are those of its main kernel."""
    rows: list[Placement] = []
    seen: set[int] = set()
    for index, ops in sorted(kernels.items()):
        if index in seen:
            continue
        main = main_op(ops)
        seen.update(indices_of(main))
        rows.append(_ended(_row(index, main, {}), ops))
    return rows


def names_of(op: Operation) -> tuple[str, ...]:
    """The source names of an `nn` op or a kernel, its own first."""
    layer, absorbed = op.attributes.get("layer"), op.attributes.get("absorbed")
    own = [layer] if layer is not None else []
    others = absorbed.data if isinstance(absorbed, ArrayAttr) else ()
    return tuple(name.data for name in (*own, *others) if isinstance(name, StringAttr))


def mnemonic(op: Operation) -> str:
    """`conv` for `nn.conv` and for a call of that kernel; `map` for `kernel.map`."""
    return op.callee.data if isinstance(op, CallOp) else op.name.split(".", 1)[-1]


def _definition(op: Operation) -> type[Operation] | None:
    return signatures()[op.callee.data].op if isinstance(op, CallOp) else type(op)


def _moves(op: Operation) -> bool:
    definition = _definition(op)
    if definition is not None and issubclass(definition, NnOp):
        return definition.QUANTIZATION is Quantization.MOVES
    return isinstance(op, ViewOp | JoinOp | PartOp)


def _macs(op: Operation) -> int:
    computed = op.tensor_op() if isinstance(op, CallOp) else op
    return computed.macs() if isinstance(computed, NnOp) else 0


def _decision(op: Operation) -> Decision:
    placed_by = op.attributes.get("placed_by")
    if isinstance(placed_by, StringAttr):
        return decision_of(placed_by.data)
    return NO_DECISION if any(map(format_of, (*op.operands, *op.results))) else NOT_REAL


# --- what became of a row -------------------------------------------------------------------


def _ended(row: Placement, ops: Sequence[Operation]) -> Placement:
    """`row` with what computes it now: `ops`, of which views and joins compute nothing."""
    if not ops:
        gone = Decision("fallback", "dce", "nothing of it is left in the program")
        return _decided(replace(row, precision=None, wanted=row.precision), gone)
    main = main_op(ops)
    precision = ended_in(main)
    final = None if precision is None else precision.value
    ended = replace(
        row,
        precision=final,
        wanted=None if row.precision in (None, final) else row.precision,
        kernels=tuple(Kernel(mnemonic(op), _text(ended_in(op))) for op in ops),
        fused_with=tuple(sorted({index for op in ops for index in indices_of(op)} - {row.index})),
        conversions=tuple(
            border.conversion for op in ops for border in borders_of(op, ended_in(op))
        ),
    )
    return ended if final == row.precision else _decided(ended, _new_decision(row, main, final))


def _new_decision(row: Placement, main: Operation, final: str | None) -> Decision:
    """Why an op is not in the precision it was placed in."""
    found = _decision(main)
    if (found.who, found.reason) != (row.decider, row.reason) and found.kind != "none":
        return found
    if row.moves:
        return _passes_through(final)
    others = [index for index in indices_of(main) if index != row.index]
    if others:  # a clamp, say, that quantizing the op before it does anyway
        return Decision("fallback", "fusion", f"part of #{others[0]}, which computes in {final}")
    return Decision("fallback", "lowering", f"placed in {row.precision}, computed in {final}")


def _passes_through(precision: str | None) -> Decision:
    return Decision("movement", "movement", f"{precision} values pass through")


def _decided(row: Placement, decision: Decision) -> Placement:
    return replace(row, placed_by=decision.kind, decider=decision.who, reason=decision.reason)


def main_op(ops: Sequence[Operation]) -> Operation:
    """The op that does most of the work: the first with the most multiplications."""
    return max(ops, key=_macs)


def _text(precision: Precision | None) -> str | None:
    return None if precision is None else precision.value
