"""`--verify-each`: the IR is valid after every pass."""

from __future__ import annotations

from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass
from xdsl.utils.exceptions import VerifyException

from compiler.errors import InternalCompilerError
from compiler.pipeline import Instrument, first_line
from compiler.verification import verify_structure
from dialects.context import OctetContext


class VerifyStructure(Instrument):
    """Verifies types, attributes and the order of definitions; the error names the pass."""

    def after(self, module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
        try:
            verify_structure(module)
        except VerifyException as error:
            raise InternalCompilerError(
                f"pass {module_pass.name} left invalid IR: {first_line(error)}"
            ) from error
