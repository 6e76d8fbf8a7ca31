"""How the command-line tools end when something is wrong: one line on stderr, exit code 1.

An error in a selector has two lines more, with a caret under what is at fault.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xdsl.utils.exceptions import ParseError

DEBUG_FLAG = "--debug"


def run_tool(
    name: str, tool: Callable[[list[str]], int | None], arguments: list[str] | None
) -> int:
    """Runs `tool` and turns exceptions into messages; returns the exit code, `tool`'s own or 0
    if it ended well.

    `--debug`, taken out of the arguments here, adds the traceback.
    """
    given = sys.argv[1:] if arguments is None else list(arguments)
    debug = DEBUG_FLAG in given
    try:
        code = tool([argument for argument in given if argument != DEBUG_FLAG])
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe has seen enough (`compile -o - | head`); Python would complain
        # once more while it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted", file=sys.stderr)
        return 130
    except BaseException as error:  # xDSL's ArgSpecParseError is a BaseException
        if isinstance(error, (SystemExit, GeneratorExit)):
            raise
        if debug:
            traceback.print_exc()
        print(f"{name}: error: {describe(error)}", file=sys.stderr)
        return 1
    return code or 0


def describe(error: BaseException) -> str:
    """One line that says what is wrong, and an excerpt where the error has one."""
    from xdsl.utils.exceptions import ArgSpecParseError, DiagnosticException, ParseError

    from compiler.errors import InternalCompilerError
    from dialects.errors import OctetError

    match error:
        case OctetError() if error.excerpt:
            return f"{_one_line(str(error).removesuffix(error.excerpt))}\n{error.excerpt}"
        case OctetError() | InternalCompilerError():
            return _one_line(str(error))
        case ParseError():
            return _one_line(_parse_error(error))
        case DiagnosticException():
            return _one_line(str(error).strip().split("\n", 1)[0])
        case ArgSpecParseError():
            return _one_line(str(error))
        case UnicodeDecodeError():
            return f"the input is not text: {error.reason} at byte {error.start}"
        case OSError():
            return _one_line(_os_error(error))
        case MemoryError():
            return "out of memory"
        case _:
            return (
                f"internal error: {type(error).__name__}: {_one_line(str(error))} "
                f"({DEBUG_FLAG} shows where)"
            )


def _parse_error(error: ParseError) -> str:
    """`file:line:column: message`, without the excerpt xDSL draws below."""
    location = error.span.get_location()
    return f"{location}: {error.msg.strip()}"


def _os_error(error: OSError) -> str:
    if error.filename is None:
        return str(error)
    return f"{error.filename}: {error.strerror}"


def _one_line(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text.strip())
