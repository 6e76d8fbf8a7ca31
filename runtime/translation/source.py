"""The syntax tree of a function, and where its names are assigned."""

from __future__ import annotations

import ast
import inspect
import linecache
import textwrap
from dataclasses import dataclass, field
from functools import cache
from types import CodeType, FunctionType
from typing import Any

_Path = tuple[int, ...]


@dataclass
class Definition:
    """A function's body, and how its names may be held."""

    name: str
    file: str
    first_line: int
    parameters: list[str]
    body: list[ast.stmt]
    values: set[str]
    """Names that are one value all along: assigned once, used where that is known to have
    happened. The others are places in memory, for LLVM to make values of."""

    def place(self, node: ast.AST) -> str:
        """Where in the source a node is."""
        line = self.first_line + getattr(node, "lineno", 1) - 1
        return f"{self.file}:{line}, in {self.name}"


@cache
def definition_of(code: CodeType) -> Definition:
    """The definition that Python has compiled to `code`."""
    tree = _parsed(code)
    names = _Names()
    names.suite(tree.body, ())
    parameters = [argument.arg for argument in tree.args.args]
    special = [*tree.args.posonlyargs, *tree.args.kwonlyargs, tree.args.vararg, tree.args.kwarg]
    if any(special):
        raise SyntaxError(f"{code.co_qualname}: plain positional parameters only")
    once = {name for name, paths in names.stored.items() if len(paths) == 1}
    once -= set(parameters)
    values = {name for name in once if names.is_known(name)}
    values |= {name for name in parameters if name not in names.stored}
    return Definition(
        code.co_name, code.co_filename, code.co_firstlineno, parameters, tree.body, values
    )


def _parsed(code: CodeType) -> ast.FunctionDef:
    lines = linecache.getlines(code.co_filename)
    last = max((position[1] or 0) for position in code.co_positions())
    text = "".join(lines[code.co_firstlineno - 1 : last])
    try:
        tree = ast.parse(textwrap.dedent(text))
    except SyntaxError:  # a bracket closes on a line that no instruction comes from
        tree = ast.parse(textwrap.dedent(inspect.getsource(code)))
    (function,) = tree.body
    assert isinstance(function, ast.FunctionDef)
    return function


def free_names(function: FunctionType) -> dict[str, Any]:
    """What the names of enclosing functions stand for."""
    cells = function.__closure__ or ()
    return {
        name: cell.cell_contents
        for name, cell in zip(function.__code__.co_freevars, cells, strict=True)
    }


@dataclass
class _Names:
    """In which suites, by their way through the function, names are assigned and used."""

    stored: dict[str, list[_Path]] = field(default_factory=dict)
    used: dict[str, list[_Path]] = field(default_factory=dict)
    suites: int = 0

    def suite(self, body: list[ast.stmt], path: _Path) -> None:
        for statement in body:
            self._statement(statement, path)

    def _statement(self, statement: ast.stmt, path: _Path) -> None:
        if isinstance(statement, ast.If):
            self._names(statement.test, path)
            self.suite(statement.body, self._inside(path))
            self.suite(statement.orelse, self._inside(path))
        elif isinstance(statement, ast.While):
            self._names(statement.test, path)
            self.suite(statement.body, self._inside(path))
        elif isinstance(statement, ast.For):
            self._names(statement.iter, path)
            inside = self._inside(path)
            self._names(statement.target, inside)
            self.suite(statement.body, inside)
        else:
            self._names(statement, path)
            if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
                self.used.setdefault(statement.target.id, []).append(path)

    def _inside(self, path: _Path) -> _Path:
        self.suites += 1
        return (*path, self.suites)

    def _names(self, tree: ast.AST, path: _Path) -> None:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                found = self.stored if isinstance(node.ctx, ast.Store) else self.used
                found.setdefault(node.id, []).append(path)

    def is_known(self, name: str) -> bool:
        (store,) = self.stored[name]
        return all(path[: len(store)] == store for path in self.used.get(name, ()))
