"""Pass `place-precision`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Operation

from dialects.context import OctetContext
from dialects.elements import is_quantized
from dialects.errors import OctetError
from dialects.nn.attributes import Precision, PrecisionAttr
from dialects.nn.base import NnOp, Quantization, element_of_value
from dialects.nn.constant import ConstantOp
from dialects.program import nn_ops
from dialects.quant import DequantizeCastOp, QuantizeCastOp
from dialects.target import Target
from passes.base import Numerics, OctetPass
from passes.dataflow import carries_reals, consumers, data_operands, sources, varying_operand
from passes.placement.capabilities import (
    ANCHORS,
    obstacle,
    quantized_in_source,
)
from passes.placement.selectors import near, select


@dataclass(frozen=True)
class PlacePrecisionPass(OctetPass):
    """Choose the precision of every op and write down why.

    Before:

        %0 = nn.conv %x, %w <..> {layer = "stem"} : ..
        %1 = nn.softmax %0 <axis = 1> {layer = "prob"} : ..

    After:

        %0 = nn.conv %x, %w <..> {layer = "stem",
                                  placed_by = "default: target host runs conv in int8",
                                  precision = #nn<precision int8>} : ..
        %1 = nn.softmax %0 <axis = 1> {layer = "prob",
                                       placed_by = "target host: softmax has no int8 form",
                                       precision = #nn<precision f32>} : ..

    An op runs in int8 when all of this holds, checked in this order:

    1. *Policy*: the last rule that matches it asks for int8. Rules in order: the default (every op
       type the target can run, or those of `op-types`), then `include`, then `exclude`.
    2. *Capability*: the target has the kernel, operands that must be constant are, and every value
       to be quantized has a calibrated range or parameters from the model.
    3. *Neighbours*: convolutions and matrix products stand on their own. Other ops need int8 on
       both sides, seen through movement: an operand from an int8 op and an int8 op among the
       users. An op that `include` names directly is exempt.

    Ops that the model itself wraps in Q/DQ are int8 unless excluded, and need no neighbours.
    Movement ops get no precision: quantized values pass through them later, unless `exclude`
    names them. Ops on indices and booleans alone get none either.

    `precision=int8` is the default rule "int8 wherever the target can", `f32` the rule "nothing";
    `op-types` limits the default rule to these types. `include` and `exclude` are selectors.
    """

    name = "place-precision"
    NUMERICS: ClassVar = Numerics.EXACT

    precision: Literal["int8", "f32"] = "int8"
    op_types: tuple[str, ...] | None = None
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        ops = [op for op in nn_ops(module) if not isinstance(op, ConstantOp)]
        rules = Policy.of(self, ops, ctx.target)
        for op, placement in place(ops, rules, ctx.target).items():
            write(op, placement)
            if placement is not None:
                self.count(ctx, placement.precision.value)


@dataclass(frozen=True)
class Placement:
    """A decision about one op, and its reason."""

    precision: Precision
    reason: str

    @property
    def is_int8(self) -> bool:
        return self.precision is Precision.INT8


@dataclass(frozen=True)
class Wish:
    """What the last matching rule asks for one op."""

    int8: bool
    rule: str
    """The rule's text, as the user wrote it."""
    named: bool = False
    """The user speaks about this op, so that Q/DQ in the model and neighbours do not matter."""


@dataclass(frozen=True)
class Policy:
    """The wishes of an ordered list of rules; the last rule that matches an op wins."""

    wishes: dict[NnOp, Wish]

    @classmethod
    def of(cls, options: PlacePrecisionPass, ops: Sequence[NnOp], target: Target | None) -> Policy:
        """Raises OctetError for a selector or an op type that matches nothing."""
        wishes = {op: default_wish(options, op, target) for op in ops}
        if options.op_types is not None:
            known = {op.mnemonic for op in ops}
            for name in options.op_types:
                if name not in known:
                    raise OctetError(
                        f"place-precision: op-types '{name}' matches no op"
                        f"{near(name, sorted(known))}"
                    )
        for int8, verb, selectors in (
            (True, "include", options.include or ()),
            (False, "exclude", options.exclude or ()),
        ):
            for selector in selectors:
                for op in select(selector, ops):
                    wishes[op] = Wish(int8, f"{verb} {selector}: user", named=True)
        return cls(wishes)


def default_wish(options: PlacePrecisionPass, op: NnOp, target: Target | None) -> Wish:
    """What the default rule says about `op`."""
    if options.precision == "f32":
        return Wish(False, "default: precision=f32", named=True)
    if options.op_types is not None:
        listed = op.mnemonic in options.op_types
        return Wish(listed, f"op-types: {op.mnemonic} is {'' if listed else 'not '}listed")
    if target is None:
        return Wish(True, f"default: {op.mnemonic} has int8 arithmetic")
    return Wish(True, f"default: target {target.name} runs {op.mnemonic} in int8")


def place(
    ops: Sequence[NnOp], policy: Policy, target: Target | None
) -> dict[NnOp, Placement | None]:
    """The placement of every op; None for those that need none: movement, integer arithmetic."""
    placements = {op: _on_its_own(op, policy.wishes[op], target) for op in ops}
    # A movement op in float is no longer transparent, and the walks below read the IR.
    for op in ops:
        write(op, placements[op])

    def in_int8(op: Operation | None) -> bool:
        if isinstance(op, DequantizeCastOp | QuantizeCastOp):
            return True
        placement = placements.get(op) if isinstance(op, NnOp) else None
        return placement is not None and placement.is_int8

    # Follows sources in program order and users in reverse order. Removing one op may isolate
    # others on either side, so both sweeps repeat until nothing changes.
    candidates = [op for op in ops if _needs_neighbours(op, placements[op], policy.wishes[op])]
    changed = True
    while changed:
        changed = False
        for sweep, missing in ((candidates, _no_source), (candidates[::-1], _no_user)):
            for op in sweep:
                if in_int8(op) and (reason := missing(op, in_int8)) is not None:
                    placements[op] = Placement(Precision.F32, reason)
                    changed = True
    return placements


def write(op: NnOp, placement: Placement | None) -> None:
    """Puts a placement into the IR, in place of an earlier one."""
    op.precision = None if placement is None else PrecisionAttr(placement.precision)
    op.placed_by = None if placement is None else StringAttr(placement.reason)


def _on_its_own(op: NnOp, wish: Wish, target: Target | None) -> Placement | None:
    """The placement of `op` by policy and capability, whatever its neighbours."""
    if any(is_quantized(element_of_value(value)) for value in (*op.operands, *op.results)):
        return Placement(Precision.INT8, "model: integer op in the source")
    if not any(carries_reals(value) for value in (*op.operands, *op.results)):
        return None
    if op.QUANTIZATION is Quantization.MOVES:
        return Placement(Precision.F32, wish.rule) if wish.named and not wish.int8 else None
    if not wish.int8 and wish.named:
        return Placement(Precision.F32, wish.rule)
    problem = obstacle(op, target)
    if problem is None and quantized_in_source(op):
        return Placement(Precision.INT8, "model: Q/DQ in the source")
    if not wish.int8:
        return Placement(Precision.F32, wish.rule)
    if problem is not None:
        suffix = f" (asked for by {wish.rule})" if wish.named else ""
        return Placement(Precision.F32, f"{_runner(target)}: {problem}{suffix}")
    return Placement(Precision.INT8, wish.rule)


def _runner(target: Target | None) -> str:
    return "int8" if target is None else f"target {target.name}"


def _needs_neighbours(op: NnOp, placement: Placement | None, wish: Wish) -> bool:
    return (
        placement is not None
        and placement.is_int8
        and op.mnemonic not in ANCHORS
        and not (wish.named and wish.int8)
        and not quantized_in_source(op)
        and not any(is_quantized(element_of_value(value)) for value in op.operands)
    )


def _no_source(op: NnOp, in_int8: Callable[[Operation | None], bool]) -> str | None:
    varying = varying_operand(op)
    positions: Iterable[int] = data_operands(op) if varying is None else (varying,)
    if any(in_int8(source) for index in positions for source in sources(op.operands[index])):
        return None
    return f"neighbours: no operand of {op.mnemonic} comes from an int8 op"


def _no_user(op: NnOp, in_int8: Callable[[Operation | None], bool]) -> str | None:
    if any(in_int8(user) for result in op.results for user in consumers(result)):
        return None
    return f"neighbours: no int8 op uses the result of {op.mnemonic}"
