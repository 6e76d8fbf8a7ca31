"""Runs every lit file in this process: milliseconds instead of a third of a second per RUN line.

The files stay lit's; `make test` runs real lit over them as well. A RUN line here is a pipe of
`octet-opt` and `filecheck` commands, each with an optional `not` before and `2>&1` behind.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from filecheck.matcher import Matcher
from filecheck.options import parse_argv_options
from xdsl.ir import Attribute

from compiler.cli import opt

HERE = Path(__file__).parent
FILES = sorted(HERE.rglob("*.mlir"))


@dataclass(frozen=True)
class Result:
    code: int
    stdout: str
    stderr: str


def run_lines(path: Path) -> list[str]:
    """The RUN lines of a file, continuation lines joined."""
    lines: list[str] = []
    continued = False
    for line in path.read_text().splitlines():
        found = re.match(r"\s*//\s*RUN:\s*(.*)", line)
        if found is None:
            continue
        text = found[1].rstrip()
        if continued:
            lines[-1] = f"{lines[-1]} {text.removesuffix(chr(92))}"
        else:
            lines.append(text.removesuffix("\\"))
        continued = text.endswith("\\")
    return lines


def substitute(line: str, path: Path, scratch: Path) -> str:
    """lit's %s, %S, %p, %t and %%."""
    values = {"s": str(path), "S": str(path.parent), "p": str(path.parent), "%": "%"}
    values["t"] = str(scratch / path.stem)
    return re.sub(r"%([sSpt%])", lambda match: values[match[1]], line)


def split_pipe(line: str) -> list[list[str]]:
    """The words of each command of a pipe."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|")
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[list[str]] = [[]]
    for word in lexer:
        if word == "|":
            commands.append([])
        else:
            commands[-1].append(word)
    return commands


def run_command(words: list[str], stdin: str) -> Result:
    """Runs one command of a pipe in this process."""
    expect_failure = words[0] == "not"
    words = words[1:] if expect_failure else words
    merge = words[-1] == "2>&1"
    words = words[:-1] if merge else words
    out = io.StringIO()
    err = out if merge else io.StringIO()
    with standard_input(stdin), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = call(words)
    if expect_failure:
        code = int(code == 0)
    return Result(code, out.getvalue(), err.getvalue())


def call(words: list[str]) -> int:
    match words:
        case ["octet-opt", *arguments]:
            with verification_restored():
                return call_tool(arguments)
        case ["filecheck", *_]:
            return Matcher.from_opts(parse_argv_options(list(words))).run()
        case _:
            raise ValueError(f"a RUN line is a pipe of octet-opt and filecheck, got {words[0]}")


def call_tool(arguments: list[str]) -> int:
    try:
        return opt.main(arguments)
    except SystemExit as end:  # how argparse ends for a wrong flag
        return end.code if isinstance(end.code, int) else 1


@contextlib.contextmanager
def standard_input(text: str) -> Iterator[None]:
    previous = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8")
    try:
        yield
    finally:
        sys.stdin = previous


@contextlib.contextmanager
def verification_restored() -> Iterator[None]:
    """`--disable-verify` switches xDSL's attribute verification off for the whole process."""
    original = Attribute.__post_init__
    try:
        yield
    finally:
        Attribute.__post_init__ = original


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(HERE)) for path in FILES])
def test_lit_file(path: Path, tmp_path: Path) -> None:
    lines = run_lines(path)
    assert lines, f"{path} has no RUN line"
    for line in lines:
        stdin, commands = "", split_pipe(substitute(line, path, tmp_path))
        for index, words in enumerate(commands):
            result = run_command(words, stdin)
            last = index == len(commands) - 1
            # As in a shell with `pipefail`, which lit uses, every command has to succeed.
            shown = (result.stdout if last else "") + result.stderr
            assert result.code == 0, f"{' '.join(words)}\n{shown}"
            stdin = result.stdout
