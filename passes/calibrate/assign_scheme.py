"""Pass `assign-scheme`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from xdsl.dialects.builtin import DenseArrayBase, ModuleOp, f64
from xdsl.ir import BlockArgument, OpResult, SSAValue

from dialects.context import OctetContext
from dialects.errors import OctetError
from dialects.nn.base import NnOp, shape_of
from dialects.nn.constant import ConstantOp
from dialects.nn.scheme import Scheme, SchemeAttr
from dialects.program import (
    body_of,
    input_names,
    main_function,
    set_argument_range,
    set_scheme,
)
from passes.base import Numerics, OctetPass
from passes.dataflow import (
    carries_reals,
    data_operands,
    quantizations,
    stored_behind,
    weight_operand,
)
from passes.placement.rules import RESULT, WEIGHT, Rule, noting, parse_rules
from passes.placement.selectors import near, selectable_ops
from passes.placement.selectors.words import unquoted
from passes.quantize.parameters import expressed_bounds


@dataclass(frozen=True)
class AssignSchemePass(OctetPass):
    """Write onto ops and arguments how their values are to be quantized.

    Before, with the rule `select = 'name:stem', tensor = 'result', scale = 0.1, zero_point = 3`:

        %y = nn.conv %x, %w <..> {layer = "stem"} : ..

    After:

        %y = nn.conv %x, %w <..> {layer = "stem", range = array<f64: -0.3, 25.2>,
                                  scheme = #nn.scheme<scale = [0.1], zero_point = [3]>} : ..

    `rules` are those of a recipe; parts that speak of precision are for `place-precision`. What is
    said about an operand is written where its value comes from, the result of another op or an
    argument, since a value has one quantized type for all its users. A weight's is written on the
    op. `calibrate` measures by it, `insert-qdq` quantizes by it, and `unify-scales` keeps it.

    Rules apply in order; of those about one value a later one changes the keys it gives. A fixed
    scale or range is the value's `range` at once, so it needs no calibration data.

    Errors: a selector, input or operand that is not there; a scheme for a value that is quantized
    in the model; fixed numbers for one value under two names; numbers for the result of a layer
    that was fused into a later one, whose result is not its own. With `allow-unmatched`, a selector
    that matches no op is a note on stderr.
    """

    name = "assign-scheme"
    NUMERICS: ClassVar = Numerics.EXACT
    ANNOTATES: ClassVar = True

    rules: tuple[str, ...] | None = None
    allow_unmatched: bool = False

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        ops = selectable_ops(module)
        unmatched = noting(self.name) if self.allow_unmatched else None
        said = _Said()
        for rule in parse_rules(self.rules):
            if not rule.scheme.values():
                continue
            if rule.input is not None:
                said.of_value(_argument(module, rule), rule, f"input '{rule.input}'")
                continue
            matched = rule.ops(ops, unmatched)
            if matched and rule.part(weights=True).values():
                self._say_weights(rule, matched, said)
            if rule.part(weights=False).values():
                for op in matched:
                    said.of_value(*_tensor(op, rule))
        for value, scheme in said.values.items():
            set_scheme(value, scheme)
            fix_range(value, scheme)
            self.count(ctx, "values")
        for op, scheme in said.weights.items():
            op.weight_scheme = SchemeAttr(scheme)
            self.count(ctx, "weights")

    @staticmethod
    def _say_weights(rule: Rule, ops: list[NnOp], said: _Said) -> None:
        with_weights = [op for op in ops if weight_operand(op) is not None]
        if not with_weights:
            raise OctetError(
                f"{_who(rule)}: no op that '{rule.select}' names has a constant weight"
            )
        for op in with_weights:
            said.of_weight(op, rule)


@dataclass
class _Said:
    """What the rules so far say about values and about the weights of ops."""

    values: dict[SSAValue, Scheme] = field(default_factory=dict[SSAValue, Scheme])
    weights: dict[NnOp, Scheme] = field(default_factory=dict[NnOp, Scheme])
    called: dict[SSAValue, str] = field(default_factory=dict[SSAValue, str])
    """The name under which fixed numbers were given to a value."""

    def of_value(self, value: SSAValue, rule: Rule, name: str) -> None:
        if stored_behind(value) is not None or next(quantizations(value), None) is not None:
            raise OctetError(
                f"{_who(rule)}: {name} is quantized in the model; its parameters are part of it"
            )
        scheme = _named(rule.part(weights=False), rule)
        if scheme.scale is not None and len(scheme.scale) > 1:
            raise OctetError(
                f"{_who(rule)}: {name} has one scale; only weights have one per channel"
            )
        known = self.values.get(value, Scheme())
        if scheme.is_fixed:
            before = self.called.setdefault(value, name)
            same = (known.scale, known.zero_point, known.range) == (
                scheme.scale,
                scheme.zero_point,
                scheme.range,
            )
            if before != name and not same:
                raise OctetError(
                    f"{_who(rule)}: {name} is the same value as {before}, whose numbers "
                    f"{known.who} fixes otherwise"
                )
        self.values[value] = _checked(known.then(scheme), rule)

    def of_weight(self, op: NnOp, rule: Rule) -> None:
        scheme = _named(rule.part(weights=True), rule)
        merged = _checked(self.weights.get(op, Scheme()).then(scheme), rule)
        index = weight_operand(op)
        assert index is not None
        name = op.operand_names()[index]
        channels = shape_of(op.operands[index])[op.WEIGHT_AXES[name]]
        if merged.scale is not None and len(merged.scale) not in (1, channels):
            raise OctetError(
                f"{_who(rule)}: the weight of {op.source_name} has {channels} output channels, "
                f"'scale' {len(merged.scale)} numbers"
            )
        self.weights[op] = merged


def _named(scheme: Scheme, rule: Rule) -> Scheme:
    return Scheme(**{**scheme.values(), "origin": rule.where or None})


def _checked(scheme: Scheme, rule: Rule) -> Scheme:
    """The scheme itself; what several rules say together may contradict itself."""
    try:
        checked = Scheme.of(scheme.values())
    except OctetError as error:
        raise OctetError(f"{_who(rule)}: with the rules before it, {error}") from None
    if checked.scale is not None and checked.storage is None:
        raise OctetError(
            f"{_who(rule)}: a fixed 'scale' needs 'storage' beside it: \"u8\" or \"s8\""
        )
    return checked


def _who(rule: Rule) -> str:
    return rule.origin or "assign-scheme"


def _argument(module: ModuleOp, rule: Rule) -> SSAValue:
    function = main_function(module)
    names = input_names(function)
    assert rule.input is not None
    if rule.input not in names:
        raise OctetError(
            f"{_who(rule)}: the program has no input '{rule.input}'{near(rule.input, names)}"
        )
    argument = body_of(function).args[names.index(rule.input)]
    if not carries_reals(argument):
        raise OctetError(f"{_who(rule)}: input '{rule.input}' holds {argument.type}, no reals")
    return argument


def _tensor(op: NnOp, rule: Rule) -> tuple[SSAValue, Rule, str]:
    """The value of `op` that the rule is about, and its name. Raises OctetError."""
    if rule.tensor in (None, RESULT):
        _check_result(op, rule)
        return op.results[0], rule, f"the result of {op.source_name}"
    names = op.operand_names()
    candidates = [names[index] for index in data_operands(op)]
    if rule.tensor not in candidates:
        offered = ", ".join(dict.fromkeys((RESULT, WEIGHT, *candidates)))
        raise OctetError(
            f"{_who(rule)}: {op.mnemonic} {op.source_name} has no tensor '{rule.tensor}' of reals; "
            f"expected one of {offered}"
        )
    value = op.operands[names.index(rule.tensor)]
    if not isinstance(value, BlockArgument) and isinstance(value.owner, ConstantOp):
        raise OctetError(
            f"{_who(rule)}: operand {rule.tensor} of {op.source_name} is a constant; a weight is "
            f'tensor = "{WEIGHT}", others are not quantized by a scheme'
        )
    return value, rule, f"operand {rule.tensor} of {op.source_name}"


def _check_result(op: NnOp, rule: Rule) -> None:
    if len(op.results) != 1 or not carries_reals(op.results[0]):
        raise OctetError(f"{_who(rule)}: {op.mnemonic} {op.source_name} has no single real result")
    kind, _, written = (rule.select or "").partition(":")
    name = unquoted(written)
    if rule.scheme.is_fixed and kind == "name" and name in op.names and op.names[-1] != name:
        raise OctetError(
            f"{_who(rule)}: '{name}' was fused into an op whose result is that of "
            f"'{op.names[-1]}': its own does not exist; fix that one"
        )


def fix_range(value: SSAValue, scheme: Scheme) -> None:
    """Numbers that were given take the place of measured ones."""
    bounds = expressed_bounds(scheme)
    if bounds is None:
        return
    if isinstance(value, BlockArgument):
        set_argument_range(value, *bounds)
    elif isinstance(value, OpResult) and isinstance(value.op, NnOp):
        value.op.range = DenseArrayBase.from_list(f64, list(bounds))
