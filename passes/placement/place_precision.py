"""Pass `place-precision`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar, Literal

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.ir import Operation

from dialects.context import OctetContext
from dialects.elements import is_quantized
from dialects.errors import OctetError
from dialects.nn.attributes import HALF_PRECISIONS, Precision, PrecisionAttr
from dialects.nn.base import NnOp, Quantization, element_of_value
from dialects.nn.linear import MatmulOp
from dialects.nn.linear_format import LinearFormat, LinearFormatAttr
from dialects.quant import DequantizeCastOp, QuantizeCastOp
from dialects.target import Target
from passes.base import Numerics, OctetPass
from passes.dataflow import carries_reals, consumers, data_operands, sources, varying_operand
from passes.facts import (
    CASTS_INSERTED,
    INTEGER_OPS,
    MOVEMENT_ON_INTEGERS,
    PRECISION_PLACED,
    QDQ_INSERTED,
    SCALES_UNIFIED,
    TABLES_FUSED,
)
from passes.placement import halves
from passes.placement.capabilities import ANCHORS, obstacle, quantized_in_source
from passes.placement.formats import check_weights, format_obstacle
from passes.placement.halves import half_obstacle
from passes.placement.rules import noting, parse_rules
from passes.placement.selectors import near, selectable_ops


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

    `precision` is the default rule: `int8` asks for int8 wherever the target can, `bf16` and `f16`
    for these, `f32` for nothing. `op-types` limits it to these types. `rules` come after it, each a
    selector and a precision, `type:conv=int8`, or a table of a recipe on one line; the last rule
    that matches an op wins, and `placed_by` names it. A selector that matches no op is an error;
    with `allow-unmatched` it is a note on stderr.

    An op gets what its rule asks for when all of this holds, else f32:

    1. *Capability*: the target has the kernel. In int8 also: operands that must be constant are,
       and every value to be quantized has a calibrated range or parameters from the model. In
       bf16 and f16: no constant or calibrated range exceeds what 16 bits can hold.
    2. *Neighbours*: convolutions and matrix products stand on their own. Other ops need
       neighbours on both sides, seen through movement: an operand from an int8 op and an int8 op
       among the users; for 16 bits, from and by ops of 16 or 8 bits. An op that a selector names
       is exempt.

    A rule may also name a *format* of matrix products with constant weights: `weights = "int8"` or
    `"int4"` keeps those in few bits and computes in f32, `activations = "dynamic"` computes in int8
    with activations that are quantized when the program runs. Both take and give float32. The
    format is written onto the op (`linear_format`); `quantize-weights` and `quantize-dynamic` carry
    it out.

    Ops that the model itself wraps in Q/DQ are int8 unless a selector says otherwise, or
    `precision=f32` does; they need no neighbours. Movement ops get no precision: quantized values
    and 16-bit floats pass through them later, unless a rule places them in f32, or the default is
    f32 and none of their neighbours is in 8 or 16 bits. Ops on indices and booleans alone get none
    either.
    """

    name = "place-precision"
    NUMERICS: ClassVar = Numerics.EXACT
    ESTABLISHES: ClassVar = frozenset({PRECISION_PLACED})
    INVALIDATES: ClassVar = frozenset(
        {
            QDQ_INSERTED,
            SCALES_UNIFIED,
            MOVEMENT_ON_INTEGERS,
            CASTS_INSERTED,
            INTEGER_OPS,
            TABLES_FUSED,
        }
    )

    precision: Literal["int8", "bf16", "f16", "f32"] = "int8"
    op_types: tuple[str, ...] | None = None
    rules: tuple[str, ...] | None = None
    allow_unmatched: bool = False

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        ops = selectable_ops(module)
        rules = Policy.of(self, ops, ctx.target)
        for op, placement in place(ops, rules, ctx).items():
            write(op, placement)
            if placement is not None:
                self.count(ctx, placement.precision.value)


@dataclass(frozen=True)
class Placement:
    """A decision about one op, and its reason."""

    precision: Precision
    reason: str
    format: LinearFormat | None = None
    """How a matrix product keeps its weights, if not as its precision does."""


@dataclass(frozen=True)
class Wish:
    """What the last matching rule asks for one op."""

    precision: Precision
    rule: str
    """The rule's text, as the user wrote it."""
    named: bool = False
    """The user speaks about this op, so that Q/DQ in the model and neighbours do not matter."""
    format: LinearFormat | None = None
    follows: bool = False
    """A movement op that is f32 only among ops that are: it passes on what rules make int8."""


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
        unmatched = noting(options.name) if options.allow_unmatched else None
        for rule in parse_rules(options.rules):
            if not rule.places:
                continue
            text = f"{rule.label}: {rule.reason or 'user'}"
            matched = rule.ops(ops, unmatched)
            if rule.format is not None:
                precision = Precision.INT8 if rule.format.is_dynamic else Precision.F32
                for op in check_weights(rule, matched):
                    wishes[op] = Wish(precision, text, named=True, format=rule.format)
            elif rule.precision is not None:
                for op in matched:
                    wishes[op] = Wish(rule.precision, text, named=True)
        return cls(wishes)


def default_wish(options: PlacePrecisionPass, op: NnOp, target: Target | None) -> Wish:
    """What the default rule says about `op`."""
    default = Precision(options.precision)
    if default is Precision.F32:
        moves = op.QUANTIZATION is Quantization.MOVES
        return Wish(default, "default: precision=f32", named=not moves, follows=moves)
    if options.op_types is not None:
        listed = op.mnemonic in options.op_types
        rule = f"op-types: {op.mnemonic} is {'' if listed else 'not '}listed"
        return Wish(default if listed else Precision.F32, rule)
    if target is None:
        return Wish(default, f"default: {op.mnemonic} has {default} arithmetic")
    return Wish(default, f"default: target {target.name} runs {op.mnemonic} in {default}")


def place(ops: Sequence[NnOp], policy: Policy, ctx: OctetContext) -> dict[NnOp, Placement | None]:
    """The placement of every op; None for those that need none: movement, integer arithmetic."""
    placements = {op: _on_its_own(op, policy.wishes[op], ctx) for op in ops}
    # A movement op in float is no longer transparent, and the walks below read the IR.
    for op in ops:
        write(op, placements[op])

    def serves(neighbour: Operation | None, precision: Precision) -> bool:
        """A neighbour hands over, or takes, values that an op in `precision` need not convert."""
        if isinstance(neighbour, DequantizeCastOp | QuantizeCastOp):
            return True
        placement = placements.get(neighbour) if isinstance(neighbour, NnOp) else None
        if placement is None or placement.format is not None:
            return False  # takes and gives float32, whatever it computes in
        if precision is Precision.INT8:
            return placement.precision is Precision.INT8
        return placement.precision is not Precision.F32

    # Follows sources in program order and users in reverse order. Removing one op may isolate
    # others on either side, so both sweeps repeat until nothing changes.
    candidates = [op for op in ops if _needs_neighbours(op, placements[op], policy.wishes[op])]
    changed = True
    while changed:
        changed = False
        for sweep, missing in ((candidates, _no_source), (candidates[::-1], _no_user)):
            for op in sweep:
                placement = placements[op]
                if placement is None or placement.precision is Precision.F32:
                    continue
                if (reason := missing(op, placement.precision, serves)) is not None:
                    placements[op] = Placement(Precision.F32, reason)
                    changed = True
    for op in ops:
        if policy.wishes[op].follows and not _touches_few_bits(op, placements):
            placements[op] = Placement(Precision.F32, policy.wishes[op].rule)
    return placements


def _touches_few_bits(op: NnOp, placements: Mapping[NnOp, Placement | None]) -> bool:
    """A source or a user of a movement op, seen through movement, is placed in 8 or 16 bits."""
    around = [*chain.from_iterable(sources(value) for value in op.operands)]
    around += chain.from_iterable(consumers(value) for value in op.results)
    if any(isinstance(neighbour, DequantizeCastOp | QuantizeCastOp) for neighbour in around):
        return True
    found = (placements.get(other) for other in around if isinstance(other, NnOp))
    return any(
        placed is not None and placed.precision is not Precision.F32 and placed.format is None
        for placed in found
    )


def write(op: NnOp, placement: Placement | None) -> None:
    """Puts a placement into the IR, in place of an earlier one."""
    op.precision = None if placement is None else PrecisionAttr(placement.precision)
    op.placed_by = None if placement is None else StringAttr(placement.reason)
    if isinstance(op, MatmulOp):
        format = None if placement is None else placement.format
        op.linear_format = None if format is None else LinearFormatAttr(format)


def _on_its_own(op: NnOp, wish: Wish, ctx: OctetContext) -> Placement | None:
    """The placement of `op` by policy and capability, whatever its neighbours."""
    if any(is_quantized(element_of_value(value)) for value in (*op.operands, *op.results)):
        return Placement(Precision.INT8, "model: integer op in the source")
    if not any(carries_reals(value) for value in (*op.operands, *op.results)):
        return None
    for precision, half in halves.ELEMENTS.items():
        if any(element_of_value(value) == half for value in (*op.operands, *op.results)):
            return Placement(precision, f"model: {precision} tensors in the source")
    float32 = Placement(Precision.F32, wish.rule)
    if op.QUANTIZATION is Quantization.MOVES:
        return float32 if wish.named and wish.precision is Precision.F32 else None
    if wish.format is not None:
        problem = format_obstacle(op, wish.format, ctx.target, ctx.weights)
        if problem is None:
            return Placement(wish.precision, wish.rule, wish.format)
        return Placement(Precision.F32, _obstructed(problem, wish, ctx.target))
    if wish.precision is Precision.F32 and wish.named:
        return float32
    from_model = quantized_in_source(op) and obstacle(op, ctx.target) is None
    if from_model and not (wish.named and wish.precision in HALF_PRECISIONS):
        return Placement(Precision.INT8, "model: Q/DQ in the source")
    if wish.precision is Precision.F32:
        return float32
    problem = (
        half_obstacle(op, wish.precision, ctx.target, ctx.weights)
        if wish.precision in HALF_PRECISIONS
        else obstacle(op, ctx.target)
    )
    if problem is not None:
        return Placement(Precision.F32, _obstructed(problem, wish, ctx.target))
    return Placement(wish.precision, wish.rule)


def _obstructed(problem: str, wish: Wish, target: Target | None) -> str:
    """The reason of an op that does not get its wish: who cannot, why, and who asked."""
    runner = wish.precision.value if target is None else f"target {target.name}"
    suffix = f" (asked for by {wish.rule})" if wish.named else ""
    return f"{runner}: {problem}{suffix}"


def _needs_neighbours(op: NnOp, placement: Placement | None, wish: Wish) -> bool:
    if placement is None or placement.precision is Precision.F32 or wish.named:
        return False
    if placement.precision in HALF_PRECISIONS:
        return op.mnemonic not in halves.ANCHORS
    return (
        op.mnemonic not in ANCHORS
        and not quantized_in_source(op)
        and not any(is_quantized(element_of_value(value)) for value in op.operands)
    )


Serves = Callable[[Operation | None, Precision], bool]


def _no_source(op: NnOp, precision: Precision, serves: Serves) -> str | None:
    varying = varying_operand(op)
    positions: Iterable[int] = data_operands(op) if varying is None else (varying,)
    for index in positions:
        if any(serves(source, precision) for source in sources(op.operands[index])):
            return None
    return f"neighbours: no operand of {op.mnemonic} comes from {_article(precision)} op"


def _no_user(op: NnOp, precision: Precision, serves: Serves) -> str | None:
    if any(serves(user, precision) for result in op.results for user in consumers(result)):
        return None
    return f"neighbours: no {precision} op uses the result of {op.mnemonic}"


def _article(precision: Precision) -> str:
    return f"an {precision}" if precision is Precision.INT8 else f"a {precision}"
