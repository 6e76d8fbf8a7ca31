"""`--print-ir-after-all`, `--print-ir-after-change` and `--print-ir-after=PASS`."""

from __future__ import annotations

import sys
from collections.abc import Container
from dataclasses import dataclass, field
from typing import TextIO

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from compiler.pipeline import Instrument, print_pass
from dialects.context import OctetContext
from runtime.artifact import program_text


@dataclass
class PrintIr(Instrument):
    """Prints the module after passes, under a heading in the form of MLIR's.

    `only` limits it to passes of these names, `changed` to passes that changed the text.
    """

    only: Container[str] | None = None
    changed: bool = False
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    _before: str = field(default="", init=False)

    def before(self, module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
        if self.changed:
            self._before = program_text(module)

    def after(self, module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
        if self.only is not None and module_pass.name not in self.only:
            return
        text = program_text(module)
        if self.changed and text == self._before:
            return
        self.stream.write(f"// -----// IR Dump After {print_pass(module_pass)} //----- //\n{text}")
