"""`octet-opt`: parses IR, runs passes, prints IR. xDSL's tool over xDSL's and Octet's dialects."""

from __future__ import annotations

import argparse
import sys
from io import StringIO
from pathlib import Path
from typing import IO

from xdsl.dialects.builtin import ModuleOp, StringAttr
from xdsl.utils.exceptions import PassFailedException
from xdsl.xdsl_opt_main import xDSLOptMain

from compiler.cli.errors import run_tool
from compiler.instrumentation.options import (
    add_instrumentation_arguments,
    instruments_of,
    with_bare_values,
)
from compiler.instrumentation.reproducer import configuration_of
from compiler.instrumentation.structure import VerifyStructure
from compiler.instrumentation.timing import Timing
from compiler.module_files import load_weights_beside, write_program_text
from compiler.pipeline import PassManager, Pipeline, available_passes, parse_pipeline
from compiler.selection import add_select_argument, selection_text
from compiler.stages import TARGET
from compiler.verification import verify_structure
from compiler.version import __version__
from dialects.context import OctetContext, make_context
from dialects.errors import OctetError
from dialects.target import Target
from runtime.artifact import weight_digests

DESCRIPTION = """\
Parses IR, runs passes over it and prints it. A FILE.mlir finds its weights in the
FILE.safetensors beside it, and -o OUT.mlir writes OUT.safetensors."""

EXAMPLES = """\
examples:
  octet-opt in.mlir -p fold-constants,fold-batch-norm
  octet-opt in.mlir --pass-pipeline="builtin.module(calibrate{method=percentile},cse)" \\
      --calibration-data=images.npz -o out.mlir
  octet-opt in.mlir -p fuse-activation --print-ir-after-change --verify-each=numeric
  octet-opt in.mlir -p fuse-activation --select 'pattern(conv->relu)'
  octet-opt --run-reproducer crash.mlir
"""


class OctetOpt(xDSLOptMain):
    """xDSL's tool with Octet's dialects, passes, weights and instruments."""

    ctx: OctetContext
    version_format = f"octet-opt {__version__}, built on xDSL {{xdsl_version}}"

    def register_all_dialects(self) -> None:
        self.ctx = make_context()

    def register_all_passes(self) -> None:
        for name, factory in available_passes().items():
            self.register_pass(name, factory)

    def register_all_arguments(self, arg_parser: argparse.ArgumentParser) -> None:
        super().register_all_arguments(arg_parser)
        arg_parser.prog = "octet-opt"
        arg_parser.epilog = EXAMPLES
        arg_parser.formatter_class = argparse.RawDescriptionHelpFormatter
        arg_parser.add_argument(
            "--pass-pipeline",
            metavar="PIPELINE",
            help='passes in MLIR\'s spelling: "builtin.module(a{x=1 y=2},b)"; the same as -p',
        )
        arg_parser.add_argument(
            "--calibration-data",
            metavar="X.npz",
            type=Path,
            help="inputs for passes that run the program: a .npz, or a folder of .npy or .npz",
        )
        arg_parser.add_argument(
            "--hardware",
            metavar="TARGET",
            help="what passes compile for (see compile --list-targets)",
        )
        arg_parser.add_argument(
            "--run-reproducer",
            action="store_true",
            help="take the flags from the first line of the input, as a failed run wrote it",
        )
        add_select_argument(arg_parser)
        add_instrumentation_arguments(arg_parser)

    def setup_pipeline(self) -> None:
        if self.args.run_reproducer:
            self._take_reproducer_flags()
        if self.args.passes and self.args.pass_pipeline:
            raise OctetError("-p and --pass-pipeline are the same; give one of them")
        self.passes: Pipeline = parse_pipeline(self.args.pass_pipeline or self.args.passes)
        self.timing = Timing()
        # xDSL's own two flags print to stdout, into the IR; here they are names for Octet's.
        self.args.timing = self.args.timing or self.args.time_passes
        self.args.print_ir_after_all |= self.args.print_between_passes
        instruments = instruments_of(self.args, self.timing)
        if not self.args.disable_verify and self.args.verify_each is None:
            instruments.insert(1, VerifyStructure())
        self.manager = PassManager(instruments)

    def _take_reproducer_flags(self) -> None:
        if self.args.input_file is None:
            raise OctetError("--run-reproducer reads its flags from a file; name one")
        parser = argparse.ArgumentParser()
        self.register_all_arguments(parser)
        flags = configuration_of(Path(self.args.input_file))
        for name, value in vars(parser.parse_args(flags)).items():
            if value != parser.get_default(name):
                setattr(self.args, name, value)

    def get_input_stream(self) -> tuple[IO[bytes], str]:
        if self.args.input_file == "-":
            self.args.input_file = None
        if self.args.input_file is not None:
            load_weights_beside(Path(self.args.input_file), self.ctx.weights)
        return super().get_input_stream()

    def prepare_output(self) -> IO[str]:
        """Holds the output back until everything has run, so that a failure leaves no file."""
        self.pending = _HeldOutput()
        self.handles: set[str] = set()
        return self.pending

    def apply_passes(self, prog: ModuleOp) -> None:
        if not self.args.disable_verify:
            verify_structure(prog)
        self.ctx.target = self._target(prog)
        if self.args.calibration_data:
            from compiler.calibration.data import open_calibration_data
            from compiler.calibration.session import Session

            self.ctx.calibration_data = open_calibration_data(self.args.calibration_data, prog)
            self.ctx.calibrator = Session()
        try:
            self.manager.run(self.ctx, prog, self.passes)
        except OctetError as error:
            if self.args.verify_diagnostics:
                raise PassFailedException(str(error)) from error
            raise

    def _target(self, prog: ModuleOp) -> Target | None:
        """The target of the command line, else the one the program was compiled for so far."""
        recorded = prog.attributes.get(TARGET)
        name = self.args.hardware or (recorded.data if isinstance(recorded, StringAttr) else None)
        if name is None:
            return None
        from compiler.targets import load_target

        return load_target(name)

    def output_resulting_program(self, prog: ModuleOp) -> str:
        if self.args.select is not None:
            return selection_text(prog, self.args.select)
        self.handles.update(weight_digests(prog))
        return super().output_resulting_program(prog)

    def run(self) -> None:
        try:
            super().run()
        finally:
            self.manager.finish()
        text = self.pending.getvalue()
        if self.args.output_file in (None, "-"):
            sys.stdout.write(text)
            return
        held = [handle for handle in sorted(self.handles) if handle in self.ctx.weights]
        write_program_text(text, held, self.ctx.weights, Path(self.args.output_file))


class _HeldOutput(StringIO):
    """xDSL's tool closes its output when it is done; this one can still be read then."""

    def close(self) -> None:
        self.flush()


def run(arguments: list[str]) -> None:
    """Runs the tool; exceptions are the caller's."""
    OctetOpt(DESCRIPTION, with_bare_values(arguments)).run()


def main(arguments: list[str] | None = None) -> int:
    """The console command: `run` with errors as one line; returns the exit code."""
    return run_tool("octet-opt", run, arguments)


if __name__ == "__main__":
    sys.exit(main())
