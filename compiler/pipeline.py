"""Pass pipelines: their text, and running them.

The text is MLIR's: `fold-constants,calibrate{method=percentile percentile=99.99}`, with
`builtin.module(...)` around it or not. Printing is canonical: every option stands there with its
value, so that the text alone says what was run, whatever the defaults become.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.arg_spec import ArgSpec, ParameterListType, ParameterType
from xdsl.utils.arg_spec import parse_pipeline as parse_specs
from xdsl.utils.exceptions import ArgSpecParseError, DiagnosticException
from xdsl.utils.hints import isa, type_repr

from compiler.errors import InternalCompilerError
from dialects.assembly import format_float
from dialects.context import OctetContext
from dialects.errors import OctetError
from passes import get_all_passes

PassTable = Mapping[str, Callable[[], type[ModulePass]]]
Pipeline = tuple[ModulePass, ...]


@cache
def available_passes() -> PassTable:
    """Every pass by name: xDSL's and Octet's."""
    from xdsl.universe import Universe

    return {**Universe.get_multiverse().all_passes, **get_all_passes()}


# --- text to passes -------------------------------------------------------------------------


def parse_pipeline(text: str) -> Pipeline:
    """The passes of a pipeline string. Raises OctetError naming what is wrong with it."""
    return tuple(pass_of(spec) for spec in parse_pipeline_specs(text))


def parse_pipeline_specs(text: str) -> tuple[ArgSpec, ...]:
    """The names and options of a pipeline string, not yet checked against the passes."""
    body = text.strip()
    if wrapped := re.fullmatch(r"builtin\.module\s*\((.*)\)", body, re.DOTALL):
        body = wrapped[1]
    try:
        return tuple(
            spec.normalize_parameter_names() for spec in parse_specs(_normalize_spaces(body))
        )
    except ArgSpecParseError as error:
        reason = str(error).strip().splitlines()[-1].strip(" ^")
        raise OctetError(
            f"pass pipeline '{text}' cannot be read: {reason}; "
            "expected pass,pass{option=value option=value}"
        ) from None


_OPTIONS = re.compile(r'(\{(?:"(?:\\.|[^"\\])*"|[^"}])*\})')


def _normalize_spaces(text: str) -> str:
    """Drops white space that xDSL's lexer refuses: around passes, and inside `{ }` at the ends."""
    return "".join(
        f"{{{piece[1:-1].strip()}}}" if piece.startswith("{") else re.sub(r"\s+", "", piece)
        for piece in _OPTIONS.split(text)
    )


def pass_of(spec: ArgSpec) -> ModulePass:
    """The pass a spec names, with its options. Raises OctetError for an unknown name or option."""
    table = available_passes()
    if spec.name not in table:
        raise OctetError(f"there is no pass '{spec.name}'{did_you_mean(spec.name, table)}")
    return make_pass(table[spec.name](), spec.parameters)


def make_pass(pass_class: type[ModulePass], options: Mapping[str, ParameterListType]) -> ModulePass:
    """`pass_class` with options as a pipeline string gives them: each a list of values."""
    known = {option.name: option for option in options_of(pass_class)}
    hints = typing.get_type_hints(pass_class)
    for name in options:
        if name not in known:
            offered = ", ".join(map(_dashed, known)) or "none"
            raise OctetError(
                f"pass {pass_class.name} has no option '{_dashed(name)}' (its options: {offered})"
            )
    for name in sorted(pass_class.required_fields() & known.keys()):
        if name not in options:
            raise OctetError(
                f"pass {pass_class.name} needs its option '{_dashed(name)}': "
                f"write {pass_class.name}{{{_dashed(name)}=...}}"
            )
    values = {
        name: _typed_value(pass_class.name, name, hints[name], given)
        for name, given in options.items()
    }
    try:
        return pass_class(**values)
    except ValueError as error:
        raise OctetError(f"pass {pass_class.name}: {error}") from None


def options_of(pass_class: type[ModulePass]) -> list[dataclasses.Field[Any]]:
    """The options of a pass: its dataclass fields."""
    return [option for option in dataclasses.fields(pass_class) if option.init]


def _typed_value(pass_name: str, option: str, hint: Any, given: ParameterListType) -> Any:
    """The value of an option as its field's type wants it: one value, a tuple, or None."""
    alternatives = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    if not given and type(None) in alternatives:
        return None
    for alternative in alternatives:
        if len(given) == 1 and isa(given[0], alternative):
            return given[0]
        if isa(given, alternative):
            return given
    raise OctetError(
        f"pass {pass_name}: option '{_dashed(option)}' takes {_type_text(hint)}, "
        f"got {values_text(given) or 'nothing'}"
    )


def _type_text(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(str(choice) for choice in typing.get_args(hint))
    return type_repr(hint)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The close matches of a mistyped name, as the end of an error message."""
    close = difflib.get_close_matches(name, list(known), n=3)
    return f"; did you mean {' or '.join(close)}?" if close else ""


# --- passes to text -------------------------------------------------------------------------


def print_pipeline(pipeline: Iterable[ModulePass]) -> str:
    """The canonical text of a pipeline; `parse_pipeline` reads it back to equal passes."""
    return ",".join(map(print_pass, pipeline))


def print_pass(module_pass: ModulePass) -> str:
    """`name{option=value ...}` with every option; one that is None or empty has no `=`."""
    options = [
        _option_text(option.name, getattr(module_pass, option.name))
        for option in options_of(type(module_pass))
    ]
    return module_pass.name + (f"{{{' '.join(options)}}}" if options else "")


def _option_text(name: str, value: Any) -> str:
    given = () if value is None else value if isinstance(value, tuple) else (value,)
    return _dashed(name) + (f"={values_text(given)}" if given else "")


def values_text(values: Sequence[ParameterType]) -> str:
    """Values as a pipeline string spells them: `1,2`, `0.5`, `true`, `word`, `"two words"`."""
    return ",".join(map(_value_text, values))


def _value_text(value: ParameterType) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case float():
            return format_float(value)
        case str() if re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", value) and value not in (
            "true",
            "false",
        ):
            return value
        case str():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t") + '"'


def _dashed(option: str) -> str:
    return option.replace("_", "-")


# --- running --------------------------------------------------------------------------------


class Instrument:
    """Something that watches a pipeline run: printing, timing, checking. Does nothing itself."""

    def before(self, module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
        """Called before a pass."""

    def after(self, module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
        """Called after a pass that ended well."""

    def failed(self, module_pass: ModulePass, ctx: OctetContext, error: Exception) -> None:
        """Called when a pass, or a check after it, raised `error`, which is raised on."""

    def finish(self) -> None:
        """Called once, when everything has run or something failed."""


@dataclass(frozen=True)
class PassManager:
    """Runs passes under instruments, which nest: the first begins first and ends last."""

    instruments: Sequence[Instrument] = ()

    def run(self, ctx: OctetContext, module: ModuleOp, pipeline: Iterable[ModulePass]) -> None:
        """Runs the passes in order on `module`, in place.

        Raises OctetError for what the user can mend and InternalCompilerError, naming the pass,
        for everything else.
        """
        for module_pass in pipeline:
            for instrument in self.instruments:
                instrument.before(module_pass, ctx, module)
            try:
                self._apply(module_pass, ctx, module)
                for instrument in reversed(self.instruments):
                    instrument.after(module_pass, ctx, module)
            except Exception as error:
                for instrument in reversed(self.instruments):
                    instrument.failed(module_pass, ctx, error)
                raise

    def finish(self) -> None:
        """Lets the instruments report. Call once, also after a failure."""
        for instrument in self.instruments:
            instrument.finish()

    @staticmethod
    def _apply(module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
        try:
            module_pass.apply(ctx, module)
        except OctetError:
            raise
        except DiagnosticException as error:
            raise OctetError(f"pass {module_pass.name}: {first_line(error)}") from error
        except Exception as error:
            raise InternalCompilerError(
                f"pass {module_pass.name} failed: {type(error).__name__}: {first_line(error)}"
            ) from error


def first_line(error: BaseException) -> str:
    """The first line of a message: xDSL appends whole modules to some of its own."""
    return str(error).strip().split("\n", 1)[0]
