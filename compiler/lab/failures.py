"""Reproducers of steps that failed, for `octet-opt --run-reproducer`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from xdsl.dialects.builtin import ModuleOp

from compiler.errors import InternalCompilerError
from compiler.instrumentation.reproducer import write_reproducer
from compiler.lab.engine import Step, pass_of_text
from compiler.lab.provenance import digest_of
from compiler.lab.space import Order
from dialects.errors import OctetError

if TYPE_CHECKING:
    from compiler.lab.lab import Key, Lab


@dataclass(frozen=True)
class Failures:
    """A folder of reproducers: the IR before the pass, its weights, a batch of data."""

    folder: Path

    def write(self, lab: Lab, path: Order, key: Key, step: Step) -> str:
        """Writes the reproducer of a failed step; gives its name, or nothing for one that did not
        fail. A pass whose contract does not hold was not run."""
        if step.status == "ok" or step.error.startswith("requires "):
            return ""
        one = pass_of_text(key.text)
        name = f"{one.name}-{digest_of([key.ir, key.text])}.mlir"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OctetError(f"{self.folder}: {error.strerror}") from error
        module = cast(ModuleOp, lab.engine.module_at(path).clone())
        error = InternalCompilerError(f"{step.status}: {step.error}")
        flags = (f"--hardware={lab.request.target}", *_checks(step))
        write_reproducer(self.folder / name, one, lab.subject.ctx, module, error, flags)
        return name


def _checks(step: Step) -> tuple[str, ...]:
    return ("--verify-each=numeric",) if step.status == "numeric_fail" else ()
