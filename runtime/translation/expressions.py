"""Expressions to LLVM IR.

What is known while a kernel is translated (numbers, functions, types) stays a Python object, and
conditions on it choose what is translated.
"""

from __future__ import annotations

import ast
import builtins
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FunctionType
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.extending import _Intrinsic

from runtime.translation import operators
from runtime.translation.activation import Activation, Place
from runtime.translation.errors import TranslationError
from runtime.translation.functions import call_intrinsic, function_named
from runtime.translation.values import BOOL, INT64, Value, as_value, common, convert, llvm_type

_CHEAP = (
    *(ast.Name, ast.Constant, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.BinOp, ast.IfExp),
    *(ast.Load, ast.unaryop, ast.cmpop, ast.boolop),
    *(ast.Add, ast.Sub, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift),
)
"""Syntax whose code may run although its result is not asked for: that is cheaper than a branch."""

_KNOWN_ARITHMETIC: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
}
_KNOWN_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
}


class Expressions(ABC):
    """The half of the translator that expressions need; the method of each is named like it."""

    builder: Any
    at: Activation

    @abstractmethod
    def inlined(self, function: FunctionType, arguments: Sequence[Any]) -> Any:
        """A call of a Python function; its result, None if it has none."""

    @contextmanager
    def _told_where(self, node: ast.AST) -> Iterator[None]:
        try:
            yield
        except TranslationError as error:
            if getattr(error, "is_placed", False):
                raise
            placed = TranslationError(f"{self.at.definition.place(node)}: {error}")
            placed.is_placed = True  # pyright: ignore[reportAttributeAccessIssue]
            raise placed from error

    def _joined(self, ways: list[tuple[Any, ir.Block]]) -> Any:
        """What a value is behind several ways, which end in blocks that are still open."""
        after = self.builder.append_basic_block("join")
        values = [value for value, _ in ways]
        if all(isinstance(value, tuple) for value in values):
            columns = list(zip(*values, strict=True))
        else:
            columns = [tuple(values)]
        blocks = [block for _, block in ways]
        results = [self._phi_of(column, blocks, after) for column in columns]
        for _, block in ways:
            self.builder.position_at_end(block)
            self.builder.branch(after)
        self.builder.position_at_end(after)
        return tuple(results) if isinstance(values[0], tuple) else results[0]

    def _phi_of(self, values: tuple[Any, ...], blocks: list[ir.Block], after: ir.Block) -> Any:
        if all(value is None for value in values):
            return None
        made = [as_value(self.builder, value) for value in values]
        kind = made[0].kind
        for value in made[1:]:
            kind = common(kind, value.kind)
        incoming = []
        for value, block in zip(made, blocks, strict=True):
            self.builder.position_at_end(block)
            incoming.append((convert(self.builder, value, kind).ir, block))
        self.builder.position_at_end(after)
        phi = self.builder.phi(llvm_type(kind))
        for code, block in incoming:
            phi.add_incoming(code, block)
        return Value(kind, phi)

    def expression(self, node: ast.expr) -> Any:
        """The value of an expression: a `Value`, a tuple of them, or an object that is known."""
        method = getattr(self, f"_{type(node).__name__}", None)
        with self._told_where(node):
            if method is None:
                raise TranslationError(f"no {type(node).__name__}")
            return method(node)

    def _Constant(self, node: ast.Constant) -> Any:
        return node.value

    def _Name(self, node: ast.Name) -> Any:
        at = self.at
        if node.id in at.names:
            held = at.names[node.id]
            if isinstance(held, Place):
                return Value(held.kind, self.builder.load(held.pointer))
            return held
        for names in (at.free, at.globals, vars(builtins)):
            if node.id in names:
                return names[node.id]
        raise TranslationError(f"{node.id} is not known here")

    def _Attribute(self, node: ast.Attribute) -> Any:
        owner = self.expression(node.value)
        if isinstance(owner, Value):
            raise TranslationError(f"a value has no {node.attr}")
        return getattr(owner, node.attr)

    def _Tuple(self, node: ast.Tuple) -> tuple[Any, ...]:
        return tuple(self.expression(element) for element in node.elts)

    def _Subscript(self, node: ast.Subscript) -> Any:
        owner = self.expression(node.value)
        if isinstance(owner, tuple):
            return owner[self.expression(node.slice)]
        place, kind = self._element_of(owner, node)
        return Value(kind, self.builder.load(place))

    def _element(self, node: ast.Subscript) -> tuple[Any, Any]:
        return self._element_of(self.expression(node.value), node)

    def _element_of(self, pointer: Any, node: ast.Subscript) -> tuple[Any, Any]:
        """(the address of an element, its type)"""
        if not isinstance(pointer, Value) or not isinstance(pointer.kind, types.CPointer):
            raise TranslationError("only pointers and tuples have elements")
        index = self._as(self.expression(node.slice), INT64)
        return self.builder.gep(pointer.ir, [index]), pointer.kind.dtype

    def _as(self, value: Any, kind: Any) -> Any:
        """LLVM's value of a value converted to a type."""
        return convert(self.builder, as_value(self.builder, value), kind).ir

    def _BinOp(self, node: ast.BinOp) -> Any:
        left = self.expression(node.left)
        return self._binary(type(node.op), left, self.expression(node.right))

    def _binary(self, operation: type[ast.operator], a: Any, b: Any) -> Any:
        if isinstance(a, int) and isinstance(b, int) and operation in _KNOWN_ARITHMETIC:
            known = _KNOWN_ARITHMETIC[operation](a, b)
            if abs(known) < 1 << 62:
                return known
        made = [as_value(self.builder, value) for value in (a, b)]
        return operators.binary(self.builder, operation, *made)

    def _UnaryOp(self, node: ast.UnaryOp) -> Any:
        value = self.expression(node.operand)
        if isinstance(node.op, ast.Not):
            truth = self._truth(value)
            return not truth if isinstance(truth, bool) else Value(BOOL, self.builder.not_(truth))
        if isinstance(node.op, ast.USub):
            if isinstance(value, int | float | np.floating):
                return -value
            return operators.negative(self.builder, as_value(self.builder, value))
        if isinstance(node.op, ast.Invert):
            return operators.inverted(self.builder, as_value(self.builder, value))
        raise TranslationError(f"no {type(node.op).__name__}")

    def _Compare(self, node: ast.Compare) -> Any:
        if len(node.ops) != 1:
            raise TranslationError("one comparison at a time")
        a, b = self.expression(node.left), self.expression(node.comparators[0])
        if isinstance(a, int) and isinstance(b, int):
            return bool(_KNOWN_COMPARISONS[type(node.ops[0])](a, b))
        made = [as_value(self.builder, value) for value in (a, b)]
        return operators.compare(self.builder, type(node.ops[0]), *made)

    def _truth(self, value: Any) -> Any:
        """A bool that is known, or an i1."""
        if isinstance(value, Value):
            return convert(self.builder, value, BOOL).ir
        return bool(value)

    def _BoolOp(self, node: ast.BoolOp) -> Any:
        is_and = isinstance(node.op, ast.And)
        first, *others = node.values
        result = self._truth(self.expression(first))
        for other in others:
            if isinstance(result, bool):
                if result != is_and:
                    return result
                result = self._truth(self.expression(other))
            elif _is_cheap(other):
                result = self._both(is_and, result, self._truth(self.expression(other)))
            else:
                result = self._short_cut(is_and, result, other)
        return result if isinstance(result, bool) else Value(BOOL, result)

    def _both(self, is_and: bool, a: Any, b: Any) -> Any:
        if isinstance(b, bool):
            return a if b == is_and else b
        return self.builder.and_(a, b) if is_and else self.builder.or_(a, b)

    def _short_cut(self, is_and: bool, first: Any, other: ast.expr) -> Any:
        decided = self.builder.block
        rest = self.builder.append_basic_block("and" if is_and else "or")
        after = self.builder.append_basic_block("decided")
        self.builder.cbranch(first, *((rest, after) if is_and else (after, rest)))
        self.builder.position_at_end(rest)
        second = self._as(self._truth_value(other), BOOL)
        last = self.builder.block
        self.builder.branch(after)
        self.builder.position_at_end(after)
        phi = self.builder.phi(first.type)
        phi.add_incoming(first.type(int(not is_and)), decided)
        phi.add_incoming(second, last)
        return phi

    def _truth_value(self, node: ast.expr) -> Any:
        truth = self._truth(self.expression(node))
        return truth if isinstance(truth, bool) else Value(BOOL, truth)

    def _IfExp(self, node: ast.IfExp) -> Any:
        condition = self._truth(self.expression(node.test))
        if isinstance(condition, bool):
            return self.expression(node.body if condition else node.orelse)
        if _is_cheap(node.body) and _is_cheap(node.orelse):
            made = [as_value(self.builder, self.expression(n)) for n in (node.body, node.orelse)]
            kind = common(made[0].kind, made[1].kind)
            chosen = [convert(self.builder, value, kind).ir for value in made]
            return Value(kind, self.builder.select(condition, *chosen))
        blocks = [self.builder.append_basic_block(name) for name in ("then", "else")]
        self.builder.cbranch(condition, *blocks)
        ways = []
        for block, side in zip(blocks, (node.body, node.orelse), strict=True):
            self.builder.position_at_end(block)
            value = self.expression(side)
            ways.append((value, self.builder.block))
        return self._joined(ways)

    def _Call(self, node: ast.Call) -> Any:
        if node.keywords:
            raise TranslationError("no keywords in calls")
        function = self.expression(node.func)
        arguments = [self.expression(argument) for argument in node.args]
        if isinstance(function, FunctionType):
            return self.inlined(function, arguments)
        if isinstance(function, _Intrinsic):
            made = [as_value(self.builder, argument) for argument in arguments]
            return call_intrinsic(self.builder, function, made)
        apply = function_named(function)
        if apply is None:
            raise TranslationError(f"{function!r} cannot be called")
        return apply(self.builder, *(as_value(self.builder, argument) for argument in arguments))


def _is_cheap(node: ast.expr) -> bool:
    return all(isinstance(inner, _CHEAP) for inner in ast.walk(node))
