"""Functions to LLVM IR, statement by statement.

A call of a Python function is translated at the place of the call, with the types (and constants)
that it has there; nothing is left for LLVM to inline.  What a statement may be is what this module
has a method for; expressions have theirs in `expressions`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FunctionType
from typing import Any

from llvmlite import ir

from runtime.translation.activation import Activation, Loop, Place
from runtime.translation.errors import TranslationError
from runtime.translation.expressions import Expressions
from runtime.translation.hints import NOT_UNROLLED, ROLLED, loop_hint
from runtime.translation.marks import rolled, seldom, unrolled
from runtime.translation.source import definition_of, free_names
from runtime.translation.values import INT64, Value, as_value, common, convert, llvm_type

_SELDOM = 2000
"""Once in so many times, a condition is said to hold that seldom does."""


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


class _Translator(Expressions):
    def __init__(self, builder: ir.IRBuilder) -> None:
        self.builder: Any = builder
        self.at: Any = None
        self.suite = self.suites = 0

    # --- functions ----------------------------------------------------------------------------

    def inlined(self, function: FunctionType, arguments: Sequence[Any]) -> Any:
        """A call of a Python function; its result, None if it has none."""
        definition = definition_of(function.__code__)
        if len(arguments) != len(definition.parameters):
            raise TranslationError(
                f"{definition.name} takes {len(definition.parameters)} arguments"
            )
        outer, suite = self.at, self.suite
        self.at = Activation(definition, free_names(function), function.__globals__)
        self.suite = self.suites = self.suites + 1
        try:
            for name, argument in zip(definition.parameters, arguments, strict=True):
                self._assign_name(name, argument)
            self._suite(definition.body)
            result = self._result()
        finally:
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
    def _inner_suite(self) -> Iterator[None]:
        """A suite of its own: values assigned in it are not known after it."""
        names, suite = self.at.names, self.suite
        self.at.names = dict(names)
        self.suite = self.suites = self.suites + 1
        yield
        self.suite = suite
        places = {name: held for name, held in self.at.names.items() if isinstance(held, Place)}
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
            self._assign(
                target, self._binary(type(statement.op), now, self.expression(statement.value))
            )

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
        if place is None or (place.kind != made.kind and place.suite == self.suite):
            with self.builder.goto_entry_block():
                pointer = self.builder.alloca(llvm_type(made.kind), name=name)
            place = self.at.names[name] = Place(made.kind, pointer, self.suite)
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
        self._loop_body(statement.body, Loop(again, end))
        if self._open():
            self.builder.branch(again)
        self.builder.position_at_end(end)

    def _loop_body(self, body: Sequence[ast.stmt], loop: Loop) -> None:
        self.at.loops.append(loop)
        with self._inner_suite():
            self._suite(body)
        self.at.loops.pop()

    def _For(self, statement: ast.For) -> None:
        """`for name in range(...)`, the condition below the body as LLVM wants it."""
        call = statement.iter
        function = self.expression(call.func) if isinstance(call, ast.Call) else None
        if not isinstance(call, ast.Call) or function not in (range, rolled, unrolled):
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
        self.at.loops.append(Loop(again, end))
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
        if function is not unrolled:
            hint = ROLLED if function is rolled else NOT_UNROLLED
            back.set_metadata("llvm.loop", loop_hint(builder.module, hint))
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
