"""`pdl:file.mlir`: the ops that the root of a PDL pattern matches.

The file is data: its patterns are matched by xDSL's PDL interpreter, what they rewrite to is not
looked at.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from xdsl.dialects import pdl
from xdsl.dialects.builtin import ModuleOp
from xdsl.interpreters.pdl import PDLMatcher
from xdsl.ir import Operation, OpResult
from xdsl.parser import Parser
from xdsl.utils.exceptions import ParseError, VerifyException

from dialects.context import OctetContext, make_context
from dialects.errors import OctetError
from dialects.nn.base import NnOp

MAX_BYTES = 1_000_000
"""Size of a file of patterns; real ones have a few lines per op."""

SUPPORTED = (
    *(pdl.PatternOp, pdl.OperationOp, pdl.OperandOp, pdl.ResultOp),
    *(pdl.AttributeOp, pdl.TypeOp, pdl.RewriteOp),
)


@dataclass(frozen=True)
class PdlFile:
    """The roots of the patterns of a file, each an op of its pattern."""

    path: Path
    roots: tuple[OpResult, ...]

    @classmethod
    def read(cls, path: Path) -> PdlFile:
        """Raises OctetError that names the file, and the line where there is one."""
        text = _text_of(path)
        if pdl.PatternOp.name not in text:
            raise OctetError(f"{path}: there is no pdl.pattern in this file")
        context = make_context()
        try:
            module = Parser(context, text, str(path)).parse_module()
        except ParseError as error:
            message = error.msg.strip().split("\n", 1)[0]
            where = error.span.get_location()
            raise OctetError(f"{where}: the patterns cannot be read: {message}") from None
        except RecursionError:
            raise OctetError(f"{path}: regions nest too deep") from None
        lines = _Lines(path, text, module)
        return cls(path, tuple(_checked_root(op, context, lines) for op in module.body.ops))

    def matches(self, op: NnOp) -> bool:
        """Any of the patterns matches with `op` at its root."""
        for root in self.roots:
            assert isinstance(root.op, pdl.OperationOp)
            if PDLMatcher().match_operation(root, root.op, op):
                return True
        return False

    def root_names(self) -> list[str]:
        """The op names of the roots, each once; those without a name left out."""
        names = [root.op.opName for root in self.roots if isinstance(root.op, pdl.OperationOp)]
        return list(dict.fromkeys(name.data for name in names if name is not None))


def _text_of(path: Path) -> str:
    if not path.is_file():
        raise OctetError(f"{path}: there is no such file of PDL patterns")
    if path.stat().st_size > MAX_BYTES:
        raise OctetError(f"{path}: a file of PDL patterns has at most {MAX_BYTES:,} bytes")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise OctetError(f"{path}: not text: {error.reason} at byte {error.start}") from None


def _checked_root(pattern: Operation, context: OctetContext, lines: _Lines) -> OpResult:
    """The root of a pattern that holds nothing but what the interpreter can match."""
    if not isinstance(pattern, pdl.PatternOp):
        raise lines.error(pattern, f"a pdl.pattern is expected here, got {pattern.name}")
    _verify(pattern, lines)
    rewrite = pattern.body.block.last_op
    assert isinstance(rewrite, pdl.RewriteOp)
    root = rewrite.root
    if not isinstance(root, OpResult) or not isinstance(root.op, pdl.OperationOp):
        raise lines.error(rewrite, 'the root is missing: pdl.rewrite %op with "select"')
    for op in pattern.body.block.ops:
        if not isinstance(op, SUPPORTED):
            offered = ", ".join(kind.name for kind in SUPPORTED)
            raise lines.error(op, f"{op.name} cannot be matched here; patterns hold {offered}")
        _verify(op, lines)
        if isinstance(op, pdl.OperationOp):
            _check_name(op, context, lines)
            _check_operands(op, lines)
    return root


def _verify(op: Operation, lines: _Lines) -> None:
    try:
        op.verify(verify_nested_ops=False)
    except VerifyException as error:
        raise lines.error(op, str(error).strip().split("\n", 1)[0]) from None


def _check_name(op: pdl.OperationOp, context: OctetContext, lines: _Lines) -> None:
    if op.opName is None or context.get_optional_op(op.opName.data) is not None:
        return
    known = [kind.name for kind in context.get_dialect("nn").operations]
    close = difflib.get_close_matches(op.opName.data, known, n=3)
    nearest = f"; nearest: {', '.join(close)}" if close else ""
    raise lines.error(op, f"there is no op '{op.opName.data}'{nearest}")


def _check_operands(op: pdl.OperationOp, lines: _Lines) -> None:
    """What the interpreter takes for granted."""
    for values, kinds in (
        (op.operand_values, (pdl.OperandOp, pdl.ResultOp)),
        (op.attribute_values, (pdl.AttributeOp,)),
        (op.type_values, (pdl.TypeOp,)),
    ):
        for value in values:
            if not isinstance(value.owner, kinds):
                expected = " or ".join(kind.name for kind in kinds)
                raise lines.error(op, f"this operand should come from {expected}")
            if isinstance(value.owner, pdl.AttributeOp) and value.owner.value_type is not None:
                raise lines.error(value.owner, "an attribute is matched by value, not by type")


class _Lines:
    """Finds the lines on which the ops of a module stand: the parser does not keep them."""

    def __init__(self, path: Path, text: str, module: ModuleOp) -> None:
        self.path = path
        # In the text and in the module, ops of one name stand in the same order.
        self.lines: dict[str, list[int]] = {}
        for number, line in enumerate(text.split("\n"), 1):
            for match in re.finditer(r"(?<![!\w.])[a-z]\w*\.\w+", line.split("//", 1)[0]):
                self.lines.setdefault(match[0], []).append(number)
        self.ordinals: dict[Operation, int] = {}
        counts: dict[str, int] = {}
        for op in module.walk():
            self.ordinals[op] = counts.get(op.name, 0)
            counts[op.name] = self.ordinals[op] + 1

    def error(self, op: Operation, message: str) -> OctetError:
        lines: Sequence[int] = self.lines.get(op.name, ())
        ordinal = self.ordinals[op]
        where = f"{self.path}:{lines[ordinal]}" if ordinal < len(lines) else str(self.path)
        return OctetError(f"{where}: {message}")
