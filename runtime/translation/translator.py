"""Functions to LLVM IR, statement by statement.

A call of a Python function is translated at the place of the call, with the types (and constants)
that it has there; nothing is left for LLVM to inline.  What a statement or expression may be is
what this module has a method for.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.extending import _Intrinsic

from runtime.translation import operators
from runtime.translation.errors import TranslationError
from runtime.translation.hints import NOT_UNROLLED, loop_hint
from runtime.translation.marks import seldom, unrolled
from runtime.translation.source import Definition, definition_of, free_names
from runtime.translation.values import (
    BOOL,
    I64,
    INT64,
    Value,
    as_value,
    common,
    convert,
    kind_of_dtype,
    llvm_type,
)

_FUNCTIONS: dict[Any, Callable[..., Value]] = {
    abs: operators.absolute,
    min: operators.smallest,
    max: operators.greatest,
    np.sqrt: operators.unary_function("llvm.sqrt"),
    np.floor: operators.unary_function("llvm.floor"),
    np.ceil: operators.unary_function("llvm.ceil"),
    np.trunc: operators.unary_function("llvm.trunc"),
    np.log: operators.unary_function("llvm.log"),
    np.fmod: operators.remainder,
}
_CONVERSIONS = {int: INT64, float: types.float64, bool: BOOL}

_CHEAP = (
    *(ast.Name, ast.Constant, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.BinOp, ast.IfExp),
    *(ast.Load, ast.unaryop, ast.cmpop, ast.boolop),
    *(ast.Add, ast.Sub, ast.Mult, ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift),
)
"""Syntax whose code may run although its result is not asked for: that is cheaper than a branch."""


_SELDOM = 2000
"""Once in so many times, a condition is said to hold that seldom does."""


class _Place(NamedTuple):
    """A variable in memory."""

    kind: Any
    pointer: Any
    suite: int
    """Where it was first assigned: there it may become a variable of another type."""


class _Loop(NamedTuple):
    again: ir.Block
    end: ir.Block


@dataclass
class _Activation:
    """One call of a function, as it is translated."""

    definition: Definition
    free: dict[str, Any]
    globals: dict[str, Any]
    names: dict[str, Any] = field(default_factory=dict)
    returns: list[tuple[Any, ir.Block]] = field(default_factory=list)
    loops: list[_Loop] = field(default_factory=list)


class _Context:
    """What numba's intrinsics ask of the compiler that they are part of."""

    @staticmethod
    def get_value_type(kind: Any) -> ir.Type:
        return llvm_type(kind)

    @staticmethod
    def get_dummy_value() -> None:
        return None


def translate(function: FunctionType, into: ir.Function) -> None:
    """Writes the body of an LLVM function: a call of `function` with its arguments, all int64.

    Raises `TranslationError`, which names the function and line, for what cannot be translated.
    """
    builder = ir.IRBuilder(into.append_basic_block("entry"))
    translator = _Translator(builder)
    result = translator.inlined(function, [Value(INT64, argument) for argument in into.args])
    if result is not None:
        raise TranslationError(f"{function.__qualname__} returns a value; a kernel returns none")
    builder.ret_void()


class _Translator:
    def __init__(self, builder: ir.IRBuilder) -> None:
        self.builder = builder
        self.at: _Activation = None  # pyright: ignore[reportAttributeAccessIssue]
        self.suite = self.suites = 0

    # --- functions ----------------------------------------------------------------------------

    def inlined(self, function: FunctionType, arguments: Sequence[Any]) -> Any:
        """A call of a Python function; its result, None if it has none."""
        definition = definition_of(function.__code__)
        if len(arguments) != len(definition.parameters):
            raise TranslationError(f"{definition.name} takes {len(definition.parameters)} arguments")
        outer, suite = self.at, self.suite
        self.at = _Activation(definition, free_names(function), function.__globals__)
        self.suite = self.suites = self.suites + 1
        for name, argument in zip(definition.parameters, arguments, strict=True):
            self._assign_name(name, argument)
        self._suite(definition.body)
        result = self._result()
        self.at, self.suite = outer, suite
        return result

    def _result(self) -> Any:
        returns = self.at.returns
        if not returns:
            return None
        if self._open():
            if any(value is not None for value, _ in returns):
                name = self.at.definition.name
                raise TranslationError(f"{name} returns a value from some of its branches only")
            returns.append((None, self.builder.block))
        if len(returns) == 1:
            (value, block) = returns[0]
            # The way out that there is: it goes on from here.
            self.builder.position_at_end(block)
            return value
        return self._joined(returns)

    def _joined(self, ways: list[tuple[Any, ir.Block]]) -> Any:
        """What a value is behind several ways, which end in blocks that are still open."""
        after = self.builder.append_basic_block("join")
        values = [value for value, _ in ways]
        if all(isinstance(value, tuple) for value in values):
            columns = list(zip(*values, strict=True))
        else:
            columns = [tuple(values)]
        results = []
        for column in columns:
            results.append(self._phi_of(column, [block for _, block in ways], after))
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

    # --- statements ---------------------------------------------------------------------------

    def _suite(self, statements: Sequence[ast.stmt]) -> None:
        """Statements one after another, up to one that leaves."""
        for statement in statements:
            if self.builder.block.is_terminated or self._has_returned():
                return
            method = getattr(self, f"_{type(statement).__name__}", None)
            with self._told_where(statement):
                if method is None:
                    raise TranslationError(f"no {type(statement).__name__}")
                method(statement)

    def _has_returned(self) -> bool:
        return bool(self.at.returns) and self.at.returns[-1][1] is self.builder.block

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

    @contextmanager
    def _inner_suite(self) -> Iterator[None]:
        """A suite of its own: values assigned in it are not known after it."""
        names, suite = self.at.names, self.suite
        self.at.names = dict(names)
        self.suite = self.suites = self.suites + 1
        yield
        self.suite = suite
        places = {name: held for name, held in self.at.names.items() if isinstance(held, _Place)}
        self.at.names = names | places

    def _Pass(self, statement: ast.Pass) -> None:
        pass

    def _Expr(self, statement: ast.Expr) -> None:
        self.expression(statement.value)

    def _Assign(self, statement: ast.Assign) -> None:
        value = self.expression(statement.value)
        for target in statement.targets:
            self._assign(target, value)

    def _AnnAssign(self, statement: ast.AnnAssign) -> None:
        if statement.value is not None:
            self._assign(statement.target, self.expression(statement.value))

    def _AugAssign(self, statement: ast.AugAssign) -> None:
        target = statement.target
        if isinstance(target, ast.Subscript):
            place, kind = self._element(target)
            now: Any = Value(kind, self.builder.load(place))
            result = self._binary(type(statement.op), now, self.expression(statement.value))
            self.builder.store(self._as(result, kind), place)
        else:
            now = self.expression(ast.Name(target.id, ast.Load()))  # pyright: ignore[reportAttributeAccessIssue]
            self._assign(target, self._binary(type(statement.op), now, self.expression(statement.value)))

    def _assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            self._assign_name(target.id, value)
        elif isinstance(target, ast.Tuple):
            if not isinstance(value, tuple) or len(value) != len(target.elts):
                raise TranslationError(f"{len(target.elts)} names are not assigned as many values")
            for element, item in zip(target.elts, value, strict=True):
                self._assign(element, item)
        elif isinstance(target, ast.Subscript):
            place, kind = self._element(target)
            self.builder.store(self._as(value, kind), place)
        else:
            raise TranslationError(f"no assignment to {type(target).__name__}")

    def _assign_name(self, name: str, value: Any) -> None:
        if name in self.at.definition.values:
            self.at.names[name] = value
            return
        if isinstance(value, tuple):
            raise TranslationError(f"{name}, a tuple, is assigned more than once")
        made = as_value(self.builder, value)
        place = self.at.names.get(name)
        if place is None or place.kind != made.kind and place.suite == self.suite:
            with self.builder.goto_entry_block():
                pointer = self.builder.alloca(llvm_type(made.kind), name=name)
            place = self.at.names[name] = _Place(made.kind, pointer, self.suite)
        elif common(place.kind, made.kind) != place.kind:
            raise TranslationError(f"{name} is {place.kind}, and then {made.kind}")
        self.builder.store(convert(self.builder, made, place.kind).ir, place.pointer)

    def _Return(self, statement: ast.Return) -> None:
        value = None if statement.value is None else self.expression(statement.value)
        self.at.returns.append((value, self.builder.block))

    def _open(self) -> bool:
        """Whether what follows can be reached."""
        return not self.builder.block.is_terminated and not self._has_returned()

    def _If(self, statement: ast.If) -> None:
        test, is_seldom = statement.test, False
        if isinstance(test, ast.Call) and self.expression(test.func) is seldom:
            (test,), is_seldom = test.args, True
        condition = self._truth(self.expression(test))
        if isinstance(condition, bool):
            self._suite(statement.body if condition else statement.orelse)
            return
        ways = [("then", statement.body)]
        if statement.orelse:
            ways.append(("else", statement.orelse))
        blocks = [self.builder.append_basic_block(name) for name, _ in ways]
        after = self.builder.append_basic_block("after")
        other = blocks[1] if statement.orelse else after
        branch = self.builder.cbranch(condition, blocks[0], other)
        if is_seldom:
            branch.set_weights([1, _SELDOM])
        reached = not statement.orelse
        for block, (_, body) in zip(blocks, ways, strict=True):
            self.builder.position_at_end(block)
            with self._inner_suite():
                self._suite(body)
            if self._open():
                reached = True
                self.builder.branch(after)
        self.builder.position_at_end(after)
        if not reached:
            self.builder.unreachable()

    def _While(self, statement: ast.While) -> None:
        again = self.builder.append_basic_block("while")
        inside = self.builder.append_basic_block("body")
        end = self.builder.append_basic_block("end")
        self.builder.branch(again)
        self.builder.position_at_end(again)
        condition = self._truth(self.expression(statement.test))
        if isinstance(condition, bool):
            self.builder.branch(inside if condition else end)
        else:
            self.builder.cbranch(condition, inside, end)
        self.builder.position_at_end(inside)
        self._loop_body(statement.body, _Loop(again, end))
        if self._open():
            self.builder.branch(again)
        self.builder.position_at_end(end)

    def _loop_body(self, body: Sequence[ast.stmt], loop: _Loop) -> None:
        self.at.loops.append(loop)
        with self._inner_suite():
            self._suite(body)
        self.at.loops.pop()

    def _For(self, statement: ast.For) -> None:
        """`for name in range(...)`, the condition below the body as LLVM wants it."""
        call = statement.iter
        function = self.expression(call.func) if isinstance(call, ast.Call) else None
        if not isinstance(call, ast.Call) or function not in (range, unrolled):
            raise TranslationError("a for loop needs a range")
        start, stop, step = self._range([self.expression(argument) for argument in call.args])
        kind, builder = start.kind, self.builder
        down = step < 0
        compare = builder.icmp_signed if kind.signed else builder.icmp_unsigned
        sign = ">" if down else "<"

        before = builder.block
        inside = builder.append_basic_block("for")
        again = builder.append_basic_block("next")
        end = builder.append_basic_block("end")
        builder.cbranch(compare(sign, start.ir, stop.ir), inside, end)
        builder.position_at_end(inside)
        index = builder.phi(llvm_type(kind))
        index.add_incoming(start.ir, before)
        self.at.loops.append(_Loop(again, end))
        with self._inner_suite():
            self._assign(statement.target, Value(kind, index))
            self._suite(statement.body)
        self.at.loops.pop()
        if self._open():
            builder.branch(again)
        builder.position_at_end(again)
        following = builder.add(index, index.type(step), flags=("nsw",) if kind.signed else ())
        index.add_incoming(following, again)
        back = builder.cbranch(compare(sign, following, stop.ir), inside, end)
        if function is range:
            back.set_metadata("llvm.loop", loop_hint(builder.module, NOT_UNROLLED))
        builder.position_at_end(end)

    def _range(self, bounds: list[Any]) -> tuple[Value, Value, int]:
        step = bounds.pop() if len(bounds) == 3 else 1
        if not isinstance(step, int) or step == 0:
            raise TranslationError("the step of a range must be known")
        start, stop = (0, bounds[0]) if len(bounds) == 1 else bounds
        made = [as_value(self.builder, bound) for bound in (start, stop)]
        kind = common(made[0].kind, made[1].kind)
        kind = kind if kind.bitwidth == 64 else INT64
        first, last = (convert(self.builder, bound, kind) for bound in made)
        return first, last, step

    def _Continue(self, statement: ast.Continue) -> None:
        self.builder.branch(self.at.loops[-1].again)

    def _Break(self, statement: ast.Break) -> None:
        self.builder.branch(self.at.loops[-1].end)

    # --- expressions --------------------------------------------------------------------------

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
            if isinstance(held, _Place):
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
            return self._intrinsic(function, arguments)
        apply = _FUNCTIONS.get(function) or _conversion_to(function)
        if apply is None:
            raise TranslationError(f"{function!r} cannot be called")
        return apply(self.builder, *(as_value(self.builder, argument) for argument in arguments))

    def _intrinsic(self, function: Any, arguments: list[Any]) -> Any:
        made = [as_value(self.builder, argument) for argument in arguments]
        signature, generate = function._defn(None, *(value.kind for value in made))
        passed = [
            convert(self.builder, value, kind).ir
            for value, kind in zip(made, signature.args, strict=True)
        ]
        result = generate(_Context, self.builder, signature, passed)
        if signature.return_type == types.void:
            return None
        return Value(signature.return_type, result)


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


@cache
def _conversion_to(target: Any) -> Callable[[ir.IRBuilder, Value], Value] | None:
    """What calling a scalar type does; None if it is none."""
    if isinstance(target, type) and issubclass(target, np.generic):
        kind = kind_of_dtype(np.dtype(target).name)
    elif target in _CONVERSIONS:
        kind = _CONVERSIONS[target]
    else:
        return None
    return lambda builder, value: convert(builder, value, kind)


def _is_cheap(node: ast.expr) -> bool:
    return all(isinstance(inner, _CHEAP) for inner in ast.walk(node))
