"""IR of single ops as text that fits a panel."""

from __future__ import annotations

import re
from collections.abc import Iterable
from io import StringIO

from xdsl.dialects.builtin import ModuleOp
from xdsl.ir import Operation
from xdsl.printer import Printer

from dialects.program import body_of, main_function

LONG_LIST = re.compile(r"\{([^{}<>\"]*)\}")
SHOWN = 3


def texts_of(module: ModuleOp) -> dict[Operation, str]:
    """The text of every op of a program, with the value names of the whole: `%0` is the first
    input."""
    block = body_of(main_function(module))
    stream = StringIO()
    printer = Printer(stream)
    for argument in block.args:
        printer.print_ssa_value(argument)
    found: dict[Operation, str] = {}
    for op in block.ops:
        start = stream.tell()
        printer.print_op(op)
        found[op] = shortened(stream.getvalue()[start:].strip())
    return found


def shortened(text: str) -> str:
    """`text` with long lists of numbers cut: the scales of a channel each."""

    def cut(match: re.Match[str]) -> str:
        items = match[1].split(", ")
        if len(items) <= SHOWN + 1:
            return match[0]
        return f"{{{', '.join(items[:SHOWN])}, … {len(items)} in all}}"

    return LONG_LIST.sub(cut, text)


def joined(ops: Iterable[Operation], texts: dict[Operation, str]) -> tuple[str, ...]:
    return tuple(texts[op] for op in ops)
