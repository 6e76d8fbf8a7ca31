"""`compile`: an ONNX model, or IR at any stage, to an artifact or to IR."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compiler.cli.errors import run_tool

if TYPE_CHECKING:
    from compiler.driver import Compilation

DESCRIPTION = "Compiles a neural network to a program that runs in mixed precision on the CPU."

USAGE = """\
compile MODEL [-o OUT] [--calibration-data DATA] [options]
       compile diff A B"""

EXAMPLES = """\
examples:
  compile model.onnx                                      float program: model.octet
  compile model.onnx --calibration-data x.npz -o m.octet  int8 where it pays
  compile model.onnx --weight-only int4 -o m.octet        fewer bytes of weights, without data
  compile model.onnx --dynamic-quantization -o m.octet    int8 products, without data
  compile model.onnx --calibration-data x.npz --correct-bias 64 --round-adaptively 64
  compile model.onnx --shape input=1x3x224x224 --timing

  which ops, and why
  compile model.onnx --select 'pattern(conv->conv)[1:]'   what a selector picks
  compile model.onnx --calibration-data x.npz --nodes-to-exclude /head/Gemm -o m.octet
  compile model.onnx --calibration-data x.npz --explain   what became of each op, and why
  compile model.onnx --calibration-data x.npz --require 'int8=type:conv'    or fail
  compile model.onnx --calibration-data x.npz --report r.html               a page that shows it all
  compile model.onnx --calibration-data x.npz --bisect-accuracy             after which op it drops
  compile diff a.octet b.octet                            what is placed differently

  looking inside, and going on from there
  compile model.onnx --stop-after=simplify -o -           the IR of a stage, on stdout
  compile model.onnx --stop-after=import -o m.mlir        ... or in a file, to edit
  compile m.mlir --calibration-data x.npz -o m.octet      and to go on from
  compile model.onnx --emit=numba -o -                    the source of its generated loops
  compile model.onnx --calibration-data x.npz --emit onnx-qdq -o q.onnx     for other runtimes

Calibration data is a .npz with one array per input, samples along the first axis, or a folder
of .npy files with one sample each. Without it the program stays float.
An .mlir output has its weights in the .safetensors of the same name beside it.
"""


def make_parser() -> argparse.ArgumentParser:
    """The command line, without the options of passes being checked yet."""
    from compiler.calibration.options import add_calibration_arguments
    from compiler.cli.bisect import add_bisect_arguments
    from compiler.cli.calibrate_target import add_calibration_arguments as add_rates_arguments
    from compiler.cli.explain import add_explain_arguments
    from compiler.cli.kernel_cache import add_cache_arguments
    from compiler.cli.recipes import add_recipe_arguments
    from compiler.cli.report import add_report_arguments
    from compiler.cli.settings import add_setting_arguments
    from compiler.cli.targets import add_target_arguments
    from compiler.instrumentation.options import add_instrumentation_arguments
    from compiler.selection import add_select_argument
    from compiler.stages import LAST, STAGE_NAMES
    from compiler.strategy.arguments import add_strategy_arguments
    from compiler.version import __version__

    parser = argparse.ArgumentParser(
        prog="compile",
        usage=USAGE,
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", nargs="?", help="a .onnx model or .mlir text")
    parser.add_argument("--version", action="version", version=f"octet {__version__}")
    parser.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        help=".octet or .mlir file, or - for IR on stdout (default: MODEL's name with .octet, in "
        "this folder; with --stop-after, -); .onnx with --emit onnx-qdq",
    )
    parser.add_argument(
        "--calibration-data",
        metavar="DATA",
        help="representative inputs: a .npz, or a folder of .npy or .npz files",
    )
    parser.add_argument(
        "--shape",
        metavar="INPUT=1x3x224x224",
        action="append",
        default=[],
        help="the shape of an input with symbolic dimensions; may be given several times",
    )
    parser.add_argument(
        "--debug-info",
        action="store_true",
        help="keep the float program in the .octet file, for octet-run --compare-float; the "
        "program that runs is the same",
    )
    add_target_arguments(parser)
    add_rates_arguments(parser)
    _add_stage_arguments(parser, LAST, STAGE_NAMES)
    groups = {
        "calibration": add_calibration_arguments(parser),
        "placement": add_recipe_arguments(parser),
    }
    add_setting_arguments(parser, groups)
    add_strategy_arguments(parser)
    add_select_argument(parser)
    add_explain_arguments(parser)
    add_report_arguments(parser)
    add_bisect_arguments(parser)
    add_instrumentation_arguments(parser)
    add_cache_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _add_stage_arguments(parser: argparse.ArgumentParser, last: str, names: Sequence[str]) -> None:
    group = parser.add_argument_group("stages")
    group.add_argument(
        "--stop-after", metavar="STAGE", default=last, help=f"one of {', '.join(names)}"
    )
    group.add_argument(
        "--emit",
        metavar="STAGE,...",
        default="",
        help="write the IR of these stages as well, to OUT.STAGE.mlir; numba is the Python source "
        "generated for the program's loops, to OUT.numba.py, or with -o - in place of the IR; "
        "onnx-qdq is the quantized model for other runtimes, to an OUT.onnx or else beside OUT to "
        "OUT.qdq.onnx",
    )
    group.add_argument(
        "--pass-pipeline",
        metavar="PIPELINE",
        help='passes to run in place of the stages: "fold-constants,calibrate{method=min-max}"',
    )


def run(arguments: list[str]) -> int:
    """Runs the tool and returns its exit code; exceptions are the caller's."""
    from compiler.cli.calibrate_target import run_calibration_command
    from compiler.cli.explain import DIFF, run_diff
    from compiler.cli.kernel_cache import run_cache_command
    from compiler.cli.targets import run_target_command
    from compiler.instrumentation.options import with_bare_values

    if arguments[:1] == [DIFF]:
        run_diff(arguments[1:])
        return 0
    parser = make_parser()
    args = parser.parse_args(with_bare_values(arguments))
    if (args.list_targets or args.print_target is not None) and run_target_command(args):
        return 0
    if run_cache_command(args) or run_calibration_command(args):
        return 0
    if args.model is None:
        parser.error("MODEL is missing: a .onnx model or .mlir text")
    if args.select is not None:
        _select(args)
        return 0
    return _compile(args)


def _select(args: argparse.Namespace) -> None:
    """Prints what `--select` picks from the program as it is before placement, or where
    `--stop-after` says."""
    from compiler.driver import Compilation, CompileRequest
    from compiler.selection import run_passes_before_placement, selection_text
    from compiler.stages import LAST

    stopped = args.stop_after != LAST
    compilation = Compilation(
        CompileRequest(
            model=Path(args.model),
            stop_after=args.stop_after if stopped else "simplify",
            target=args.target,
            shapes=dict(map(_shape, args.shape)),
        )
    )
    compilation.run()
    if not stopped:
        run_passes_before_placement(compilation)
    sys.stdout.write(selection_text(compilation.module, args.select))


def _compile(args: argparse.Namespace) -> int:
    from compiler.calibration.options import options_from
    from compiler.cli.bisect import check_bisect_arguments, run_bisection
    from compiler.cli.emit import Emission
    from compiler.cli.report import recorder_of, write_report
    from compiler.driver import Compilation, CompileRequest
    from compiler.instrumentation.options import instruments_of
    from compiler.instrumentation.timing import Timing
    from compiler.strategy.apply import apply_strategy, end_search
    from compiler.strategy.arguments import strategy_from

    check_bisect_arguments(args)
    output = _output_of(args)
    emission = Emission.of(args.emit, output, args.stop_after)
    timing = Timing()
    request = CompileRequest(
        model=Path(args.model),
        calibration_data=args.calibration_data,
        stop_after=emission.stop_after,
        pass_pipeline=args.pass_pipeline,
        target=args.target,
        shapes=dict(map(_shape, args.shape)),
        options=_pass_options(args),
        calibration=options_from(args),
        debug_info=args.debug_info,
    )
    applied = apply_strategy(request, strategy_from(args, output), show=True)
    if args.bisect_accuracy:
        run_bisection(args, applied.request)
        return 0
    compilation = Compilation(
        applied.request,
        instruments=instruments_of(args, timing),
        timing=timing,
        after_stage=emission.after_stage,
    )
    if args.print_recipe and output is None and not (args.explain or args.report):
        sys.stdout.write(compilation.effective_recipe().text())
        return end_search(applied)
    recorder = recorder_of(args, compilation)
    compilation.run()
    given = args.calibration_data or args.calibration_table
    if given and not compilation.calibrated and not args.pass_pipeline:
        what = "data was" if args.calibration_data else "table was"
        print(
            f"compile: note: the calibration {what} not used: stage 'calibrate' did not run",
            file=sys.stderr,
        )
    emission.write(compilation)
    if not emission.replaces_output:
        _write(compilation, output)
    if recorder is not None:
        write_report(args, recorder)
    if args.explain:
        _explain(compilation, args.explain, to_stderr=output == "-")
    if args.print_recipe:
        stream = sys.stderr if output == "-" else sys.stdout
        stream.write(compilation.effective_recipe().text())
    return end_search(applied)


def _output_of(args: argparse.Namespace) -> str | None:
    """Where the result goes; None for nowhere. Checked before anything is compiled."""
    from compiler.stages import LAST
    from dialects.errors import OctetError

    output: str | None = args.output
    stopped = args.stop_after != LAST
    if output is None:
        if args.explain or args.report or args.print_recipe:
            return None
        return "-" if stopped else f"{Path(args.model).stem}.octet"
    if output == "-":
        return output
    path = Path(output)
    if path.suffix not in (".octet", ".mlir", ".onnx"):
        raise OctetError(f"{path}: an output ends in .octet or .mlir, or is -; .onnx with --emit")
    if path.suffix == ".octet" and stopped:
        raise OctetError(
            f"{path}: an artifact holds a program that can run, so it cannot be written after "
            f"stage '{args.stop_after}'; write .mlir"
        )
    if not path.parent.is_dir():
        raise OctetError(f"{path}: there is no folder {path.parent}")
    if path.is_dir():
        raise OctetError(f"{path} is a folder")
    return output


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    """`input=1x3x224x224`; the name may hold `=` itself."""
    from dialects.errors import OctetError

    name, equals, sizes = text.rpartition("=")
    try:
        shape = tuple(int(size) for size in sizes.split("x")) if sizes else ()
    except ValueError:
        shape = (-1,)
    if not equals or not name or any(size < 1 for size in shape):
        raise OctetError(f"--shape {text}: expected INPUT=1x3x224x224, sizes of at least 1")
    return name, shape


def _pass_options(args: argparse.Namespace) -> dict[str, Any]:
    """The compile options that were given, as `compiler.options` takes them."""
    from compiler.cli.explain import requirements_of
    from compiler.cli.recipes import recipe_options
    from compiler.cli.settings import setting_options
    from compiler.options import with_requirements

    options = {**recipe_options(args), **setting_options(args)}
    return with_requirements(options, requirements_of(args.require))


def _write(compilation: Compilation, output: str | None) -> None:
    if output is None:
        return
    if output == "-":
        from runtime.artifact import program_text

        sys.stdout.write(program_text(compilation.module))
        return
    compilation.write(Path(output))


def _explain(compilation: Compilation, form: str, *, to_stderr: bool) -> None:
    from rich.console import Console

    explanation = compilation.explanation()
    if not explanation.ops:
        print(
            f"compile: note: nothing is placed yet at stage '{compilation.stage}'", file=sys.stderr
        )
    stream = sys.stderr if to_stderr else sys.stdout
    if form == "json":
        print(explanation.as_json(), file=stream)
        return
    width = None if stream.isatty() else 160
    Console(file=stream, width=width).print(explanation.as_table())


def main(arguments: list[str] | None = None) -> int:
    """The console command: `run` with errors as one line; returns the exit code."""
    return run_tool("compile", run, arguments)


if __name__ == "__main__":
    sys.exit(main())
