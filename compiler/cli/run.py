"""`octet-run`: runs an artifact on inputs from a file, times it, profiles it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.cli.errors import run_tool

if TYPE_CHECKING:
    import numpy as np

    from runtime.program import Program

DESCRIPTION = "Runs a compiled program."

EXAMPLES = """\
examples:
  octet-run model.octet --inputs x.npz --outputs y.npz    run once, any batch size
  octet-run model.octet                                   what the program takes and gives
  octet-run model.octet --benchmark --threads 4           latency, on random inputs
  octet-run model.octet --autotune --benchmark            cut products as is fastest here
  octet-run model.octet --profile --inputs x.npz          time per op
  octet-run model.octet --profile --compare-model         beside what the cost model predicts
  octet-run model.octet --threads 2 --trace t.json        timeline, for ui.perfetto.dev
  octet-run model.octet --compare-float --inputs x.npz    which layers lose accuracy, and why
"""


def make_parser() -> argparse.ArgumentParser:
    from compiler.cli.compare_float import add_compare_arguments

    parser = argparse.ArgumentParser(
        prog="octet-run",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("program", metavar="PROGRAM.octet", type=Path)
    parser.add_argument("--inputs", metavar="X.npz", type=Path, help="one array per input, by name")
    parser.add_argument(
        "--outputs", metavar="Y.npz", type=Path, help="where to write the outputs, by name"
    )
    parser.add_argument(
        "--print-recipe",
        action="store_true",
        help="print the recipe it was compiled by, for compile --recipe",
    )
    parser.add_argument("--benchmark", action="store_true", help="measure the latency")
    parser.add_argument(
        "--autotune",
        action="store_true",
        help="first measure how to cut each matrix product, and store it for later runs",
    )
    parser.add_argument(
        "--profile",
        nargs="?",
        const="table",
        choices=("table", "json"),
        help="print the time of each op, as a table or as JSON",
    )
    parser.add_argument(
        "--compare-model",
        nargs="?",
        const="",
        metavar="TARGET.toml",
        help="with --profile: beside each time what the cost model says, with the rates of this "
        "instruction set or of a target, and the rank correlation",
    )
    parser.add_argument(
        "--trace", metavar="T.json", type=Path, help="write a run's timeline for a trace viewer"
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="at most N threads, fewer where that is faster; 0: as many as there are cores "
        "(default 1)",
    )
    parser.add_argument("--isa", help="use the kernels of this instruction set")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the random inputs, where none are given"
    )
    add_compare_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def run(arguments: list[str]) -> None:
    """Runs the tool; exceptions are the caller's."""
    args = make_parser().parse_args(arguments)

    from dialects.errors import OctetError
    from runtime.program import Program

    if args.threads < 0:
        raise OctetError(f"--threads {args.threads}: expected at least 1, or 0 for all cores")
    if args.outputs is not None and args.inputs is None:
        raise OctetError("--outputs without --inputs: name the inputs to run on")
    if args.compare_model is not None and (not args.profile or args.threads != 1):
        raise OctetError("--compare-model goes with --profile, on one thread: it is a model of one")
    if args.compare_float:
        from compiler.cli.compare_float import run_comparison

        run_comparison(args)
        return
    program = Program.load(args.program, isa=args.isa)
    if args.print_recipe:
        sys.stdout.write(program.manifest.get("recipe", ""))
        return
    if args.autotune:
        print(f"tilings stored in {program.autotune()}")
    if not (args.inputs or args.benchmark or args.profile or args.trace):
        if not args.autotune:
            _describe(program)
        return
    feeds = _load(args.inputs) if args.inputs else _random_inputs(program, args.seed)
    if args.inputs:
        outputs = program.run(feeds, threads=args.threads)
        if args.outputs is None:
            _summarize(outputs)
        else:
            _save(args.outputs, outputs)
    if args.benchmark:
        _benchmark(program, feeds, args.threads)
    if args.profile or args.trace:
        _profile(program, feeds, args)


def _describe(program: Program) -> None:
    for kind, specs in (("input", program.inputs), ("output", program.outputs)):
        for spec in specs:
            meaning = "" if spec.quantized is None else f"  {spec.quantized}"
            print(f"{kind:6}  {spec.name}  {spec.dtype} {list(spec.shape)}{meaning}")


def _load(path: Path) -> dict[str, np.ndarray]:
    from compiler.array_files import load_arrays
    from dialects.errors import OctetError

    loaded = load_arrays(path)
    if not isinstance(loaded, dict):
        raise OctetError(f"{path} holds one array without a name; expected a .npz")
    return loaded


def _random_inputs(program: Program, seed: int) -> dict[str, np.ndarray]:
    """Normal floats; integers are 0 or 1, valid as indices and as masks."""
    import numpy as np

    generator = np.random.default_rng(seed)
    return {
        spec.name: (
            generator.standard_normal(spec.shape)
            if spec.dtype.kind not in "biu"
            else generator.integers(0, 2, spec.shape)
        ).astype(spec.dtype)
        for spec in program.inputs
    }


def _summarize(outputs: dict[str, np.ndarray]) -> None:
    for name, array in outputs.items():
        print(f"{name}  {array.dtype} {list(array.shape)}")


def _save(path: Path, outputs: dict[str, np.ndarray]) -> None:
    import numpy as np

    from runtime.artifact import replacing

    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **outputs)  # pyright: ignore[reportArgumentType]


def _benchmark(program: Program, feeds: dict[str, np.ndarray], threads: int) -> None:
    import numpy as np

    milliseconds = 1e3 * np.array(program.benchmark(feeds, threads=threads))
    print(
        f"latency over {len(milliseconds)} runs on {threads} thread(s): "
        f"median {np.median(milliseconds):.3f} ms, fastest {milliseconds.min():.3f} ms, "
        f"95% within {np.percentile(milliseconds, 95):.3f} ms"
    )


def _profile(program: Program, feeds: dict[str, np.ndarray], args: argparse.Namespace) -> None:
    import json

    from rich.console import Console

    from compiler.profile_table import as_table
    from compiler.targets import load_target
    from dialects.rates import RATES_OF_ISA
    from runtime.artifact import replacing
    from runtime.profiling.comparison import compare
    from runtime.profiling.trace import trace_events

    form, trace, against = args.profile, args.trace, args.compare_model
    rates = load_target(against).rates if against else RATES_OF_ISA[program.isa.name]
    profile = program.profile(feeds, threads=args.threads)
    comparison = None if against is None else compare(profile, rates)
    if form == "json":
        print(json.dumps((comparison or profile).to_json(), indent=1))
    elif form == "table":
        console = Console(width=None if sys.stdout.isatty() else 140)
        console.print(as_table(profile, comparison))
    if trace is not None:
        with replacing(trace) as temporary:
            temporary.write_text(json.dumps(trace_events(profile)))


def main(arguments: list[str] | None = None) -> int:
    """The console command: `run` with errors as one line; returns the exit code."""
    return run_tool("octet-run", run, arguments)


if __name__ == "__main__":
    sys.exit(main())
