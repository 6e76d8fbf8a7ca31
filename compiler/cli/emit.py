"""What `--emit` writes: the IR of stages, the source of loops, a QDQ model for other runtimes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compiler.backends.onnx import ExportedModel
    from compiler.driver import Compilation

NUMBA = "numba"
"""What `--emit` calls the generated source."""

ONNX_QDQ = "onnx-qdq"
"""What `--emit` calls the ONNX model with QuantizeLinear and DequantizeLinear."""

EXPORTED = "quantize"
"""The stage an ONNX model shows: quantizes and dequantizes stand in the program, and ops are still
those that other tools know."""


@dataclass
class Emission:
    """What to write besides the output, or as the output.

    - stages: those whose IR is written beside the output.
    - output: where the result goes, `-` for stdout, None for nowhere.
    - stop_after: the last stage to run; an ONNX output needs none after `EXPORTED`.
    """

    stages: list[str]
    loops: bool
    onnx: bool
    output: str | None
    stop_after: str
    exported: ExportedModel | None = None

    @classmethod
    def of(cls, text: str, output: str | None, stop_after: str) -> Emission:
        """Reads `--emit`. Raises OctetError for what cannot be written to `output`."""
        from compiler.stages import LAST, stage_index
        from dialects.errors import OctetError

        names = [name for name in text.split(",") if name]
        stages = [name for name in names if name not in (NUMBA, ONNX_QDQ)]
        for name in stages:
            stage_index(name, "--emit")
        if stages and output in (None, "-"):
            raise OctetError(
                "--emit names its files after the output: give -o OUT.octet or OUT.mlir"
            )
        emission = cls(stages, NUMBA in names, ONNX_QDQ in names, output, stop_after)
        if not emission.onnx:
            if emission.writes_onnx:
                raise OctetError(f"{output}: an ONNX model is written with --emit {ONNX_QDQ}")
            return emission
        if output in (None, "-"):
            raise OctetError(f"--emit {ONNX_QDQ} writes a file: give -o OUT.onnx")
        if emission.writes_onnx and stop_after == LAST:
            emission.stop_after = EXPORTED
        if stage_index(emission.stop_after, "--stop-after") < stage_index(EXPORTED):
            raise OctetError(
                f"--emit {ONNX_QDQ} shows the program after stage '{EXPORTED}', which "
                f"--stop-after={stop_after} does not reach"
            )
        return emission

    @property
    def writes_onnx(self) -> bool:
        """The output itself is the ONNX model."""
        return self.output is not None and Path(self.output).suffix == ".onnx"

    @property
    def replaces_output(self) -> bool:
        """There is nothing else to write to the output."""
        return self.writes_onnx or (self.loops and self.output == "-")

    def after_stage(self, stage: str, compilation: Compilation) -> None:
        """Writes the IR of a stage that was asked for; keeps what is exported."""
        from compiler.module_files import write_module

        if stage in self.stages:
            path = Path(self.output or "").with_suffix(f".{stage}.mlir")
            write_module(compilation.module, compilation.ctx.weights, path)
        if stage == EXPORTED and self.onnx:
            self._export(compilation)

    def write(self, compilation: Compilation) -> None:
        """Writes what the end of a compilation gives."""
        if self.loops:
            self._write_loops(compilation)
        if self.onnx:
            self._write_onnx(compilation)

    # --- ONNX -------------------------------------------------------------------------------

    def _export(self, compilation: Compilation) -> None:
        from compiler.backends.onnx import export_onnx

        with compilation.timing.step("export"):
            self.exported = export_onnx(compilation.module, compilation.ctx.weights)

    def _write_onnx(self, compilation: Compilation) -> None:
        from compiler.stages import LAST
        from dialects.errors import OctetError

        if self.exported is None:
            # A custom pipeline, or IR that had come this far before.
            if compilation.stage == LAST:
                raise OctetError(
                    f"--emit {ONNX_QDQ}: this program is at stage '{LAST}', whose kernels ONNX "
                    f"does not know; compile from stage '{EXPORTED}' or before"
                )
            self._export(compilation)
        assert self.exported is not None
        if not any(node.op_type == "QuantizeLinear" for node in self.exported.nodes):
            print(
                "compile: note: nothing in the ONNX model is quantized; int8 needs calibration "
                "data or ranges from a recipe",
                file=sys.stderr,
            )
        path = Path(self.output or "")
        self.exported.write(path if self.writes_onnx else path.with_suffix(".qdq.onnx"))

    # --- loops ------------------------------------------------------------------------------

    def _write_loops(self, compilation: Compilation) -> None:
        """The source of the program's loops, beside the output or on stdout."""
        from compiler.stages import LAST
        from dialects.errors import OctetError
        from runtime.artifact import replacing
        from runtime.emission.loops import loops_text

        if compilation.stage != LAST:
            raise OctetError(
                f"--emit={NUMBA}: loops are made in stage '{LAST}'; this program is at "
                f"'{compilation.stage}'"
            )
        if self.output is None:
            raise OctetError(
                f"--emit={NUMBA} names its file after the output: give -o OUT, or -o -"
            )
        text = loops_text(compilation.module)
        if self.output == "-":
            sys.stdout.write(text)
        else:
            with replacing(Path(self.output).with_suffix(f".{NUMBA}.py")) as temporary:
                temporary.write_text(text, encoding="utf-8")
