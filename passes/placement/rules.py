"""Rules: what a user asks for about the ops that a selector names.

A rule is a TOML table, in a recipe file as in the options of passes, where it is on one line:

    select = "type:conv", precision = "int8", reason = "big", origin = "r.toml:3: rule 1"

A pass option may also be just `SELECTOR=PRECISION`.
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dialects.assembly import format_float
from dialects.errors import OctetError
from dialects.nn.attributes import Precision
from dialects.nn.base import NnOp
from dialects.nn.linear_format import KEYS as FORMAT_KEYS
from dialects.nn.linear_format import LinearFormat
from dialects.nn.scheme import KEYS, OF_CALIBRATION, OF_WEIGHTS, Scheme
from passes.placement.selectors import SelectorError, near, select
from passes.placement.selectors.evaluation import Unmatched

RESULT, WEIGHT = "result", "weight"
"""What `tensor` may say besides the name of an operand."""

RULE_KEYS = ("select", "input", "tensor", "precision", "reason", "origin", "allow_unmatched")


@dataclass(frozen=True)
class Rule:
    """One rule. It selects ops, or with `input` an input of the program."""

    select: str | None = None
    input: str | None = None
    tensor: str | None = None
    """Which tensor of the op the scheme is about: `result`, `weight`, or an operand's name."""
    precision: Precision | None = None
    format: LinearFormat | None = None
    """How matrix products keep their weights and take their activations."""
    scheme: Scheme = field(default_factory=Scheme)
    reason: str | None = None
    origin: str | None = None
    """Where it was written: `r.toml:12: rule 3`, or a flag."""
    allow_unmatched: bool = False
    """Matching no op is no error."""

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Rule:
        """The rule that a table describes. Raises OctetError naming the key that is wrong."""
        for key in table:
            known = (*RULE_KEYS, *FORMAT_KEYS, *KEYS)
            if key not in known:
                raise OctetError(f"unknown key '{key}'{near(key, known)}")
        for key in ("select", "input", "tensor", "reason", "origin"):
            if key in table and (not isinstance(table[key], str) or not table[key]):
                raise OctetError(f"'{key}' should be text, got {table[key]!r}")
        if not isinstance(table.get("allow_unmatched", False), bool):
            raise OctetError(
                f"'allow_unmatched' should be true or false, got {table['allow_unmatched']!r}"
            )
        rule = cls(
            precision=_precision(table["precision"]) if "precision" in table else None,
            format=_format({key: table[key] for key in FORMAT_KEYS if key in table}),
            scheme=Scheme.of({key: table[key] for key in KEYS if key in table}),
            **{
                key: table[key]
                for key in RULE_KEYS
                if key != "precision" and key in table
            },
        )  # fmt: skip
        rule._check()
        return rule

    def _check(self) -> None:
        """Raises OctetError for keys that do not go together."""
        given = self.scheme.values()
        if (self.select is None) == (self.input is None):
            raise OctetError("a rule has 'select', which names ops, or 'input', and not both")
        if self.precision is None and self.format is None and not given:
            raise OctetError("the rule asks for nothing: give it a 'precision' or a scheme")
        if self.format is not None and self.precision is not None:
            key = next(iter(self.format.values()))
            raise OctetError(f"'{key}' says what the op computes in: leave out 'precision'")
        if self.format is not None and self.input is not None:
            raise OctetError("an 'input' has no weights: 'select' the ops instead")
        if self.input is not None and (self.precision is not None or self.tensor is not None):
            raise OctetError("an 'input' has no 'precision' and no 'tensor': it is one itself")
        if self.tensor is not None and not given:
            raise OctetError("'tensor' says what a scheme is about, but the rule has none")
        for key in given:
            self._check_tensor(key)

    def _check_tensor(self, key: str) -> None:
        """Raises OctetError if `key` says nothing about the tensor the rule is about."""
        about_weight = self.tensor == WEIGHT
        if key in OF_WEIGHTS and (self.input is not None or self.tensor not in (None, WEIGHT)):
            raise OctetError(f"'{key}' is about weights: set tensor = \"{WEIGHT}\"")
        if key in OF_CALIBRATION and about_weight:
            raise OctetError(f"'{key}' is about measured values; a weight is known")
        if key in OF_WEIGHTS | OF_CALIBRATION or self.input is not None or self.tensor is not None:
            return
        raise OctetError(
            f"'{key}' needs a 'tensor': \"{RESULT}\", \"{WEIGHT}\", or the name of an operand"
        )

    def part(self, *, weights: bool) -> Scheme:
        """The scheme as far as it is about weights, or about other values.

        Without `tensor`, `per_channel` is about the weight and the others about the result.
        """
        if self.tensor is not None or self.input is not None:
            return self.scheme if weights is (self.tensor == WEIGHT) else Scheme()
        return Scheme(
            **{
                key: value
                for key, value in self.scheme.values().items()
                if (key in OF_WEIGHTS) is weights
            }
        )

    @property
    def where(self) -> str:
        """File and line, or the flag."""
        return (self.origin or "").split(": rule ")[0]

    @property
    def label(self) -> str:
        """The rule as the user wrote it, and where: `type:conv=int8 (r.toml:12)`."""
        place = f" ({self.where})" if self.origin is not None else ""
        return f"{self.select}={self.precision or self.format}{place}"

    @property
    def places(self) -> bool:
        """It says what ops compute in, or how."""
        return self.precision is not None or self.format is not None

    def ops(self, ops: Sequence[NnOp], unmatched: Unmatched | None = None) -> list[NnOp]:
        """The ops that the rule names.

        `unmatched` takes the error of a part of the selector that matches nothing, in place of its
        being raised. Raises OctetError that says where the rule stands.
        """
        assert self.select is not None
        if self.allow_unmatched:
            unmatched = _accept
        try:
            return select(self.select, ops, unmatched=unmatched)
        except SelectorError as error:
            raise error if self.origin is None else error.at(self.origin) from None
        except OctetError as error:
            raise OctetError(f"{self.origin}: {error}" if self.origin else str(error)) from None

    def table(self) -> dict[str, Any]:
        """The plain values of the keys that were given, in a fixed order."""
        entries = {
            "select": self.select,
            "input": self.input,
            "tensor": self.tensor,
            "precision": None if self.precision is None else self.precision.value,
            **({} if self.format is None else self.format.values()),
            **self.scheme.values(),
            "reason": self.reason,
            "origin": self.origin,
            "allow_unmatched": self.allow_unmatched or None,
        }
        return {key: value for key, value in entries.items() if value is not None}


def _accept(_error: SelectorError) -> None:
    """A rule whose selector may match nothing."""


def noting(pass_name: str) -> Unmatched:
    """Says on stderr that a selector matches nothing, where that is allowed."""
    return lambda error: print(f"{pass_name}: note: {error}", file=sys.stderr)


def _format(values: Mapping[str, Any]) -> LinearFormat | None:
    return LinearFormat.of(values) if values else None


def _precision(value: Any) -> Precision:
    names = [precision.value for precision in Precision]
    if value not in names:
        raise OctetError(f"'precision' should be one of {', '.join(names)}, got {value!r}")
    return Precision(value)


# --- text -------------------------------------------------------------------------------------

_TABLE = re.compile(rf"\s*(?:{'|'.join((*RULE_KEYS, *FORMAT_KEYS, *KEYS))})\s*=")
"""How a table begins; a selector and a precision may look like it, and are written as one then."""


def parse_rule(text: str) -> Rule:
    """A rule on one line, as passes take it. Raises OctetError that quotes it."""
    try:
        if _TABLE.match(text):
            return Rule.of(tomllib.loads(f"rule = {{{text}}}")["rule"])
        selector, equals, precision = text.rpartition("=")
        if not equals:
            raise OctetError("expected SELECTOR=PRECISION")
        return Rule.of({"select": selector, "precision": precision})
    except tomllib.TOMLDecodeError as error:
        raise OctetError(f"rule '{text}': {error}") from None
    except OctetError as error:
        raise OctetError(f"rule '{text}': {error}") from None


def parse_rules(texts: Iterable[str] | None) -> list[Rule]:
    return [parse_rule(text) for text in texts or ()]


def rule_text(rule: Rule) -> str:
    """The canonical line of a rule; `parse_rule` reads it back."""
    table = rule.table()
    short = f"{table.get('select')}={table.get('precision')}"
    if table.keys() == {"select", "precision"} and not _TABLE.match(short):
        return short
    return ", ".join(f"{key} = {toml_value(value, literal=True)}" for key, value in table.items())


def toml_value(value: Any, *, literal: bool = False) -> str:
    """A plain value in TOML; `literal` prefers 'text', which pipelines need not escape."""
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return format_float(value)
        case str() if literal and "'" not in value and value.isprintable():
            return f"'{value}'"
        case str():
            return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        case list() | tuple():
            return f"[{', '.join(toml_value(item, literal=literal) for item in value)}]"
        case _:
            raise TypeError(f"{value!r} has no form in a recipe")
