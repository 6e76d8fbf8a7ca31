"""How long compiling ResNet-50 takes, stage by stage, and loading the artifact.

    python benchmarks/compile_time.py               float to int8 with 16 calibration images
    python benchmarks/compile_time.py --images 100

The model is seeded random (models/). The kernel cache is warm: one run comes first, unless
`--cold` is given. Compiling and loading each happen in a process of their own, whose peak
memory and whole time, imports included, are reported.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

SIZE = (3, 224, 224)


def compile_model(model: Path, output: Path, images: int) -> dict[str, float]:
    """Seconds of each stage; runs in a process of its own."""
    from compiler.driver import Compilation, CompileRequest

    data = np.random.default_rng(0).standard_normal((images, *SIZE)).astype(np.float32)
    marks = [("", time.perf_counter())]
    compilation = Compilation(
        CompileRequest(model, calibration_data={"input": data}),
        after_stage=lambda stage, _: marks.append((stage, time.perf_counter())),
    )
    compilation.run()
    compilation.write(output)
    marks.append(("write", time.perf_counter()))
    return {name: end - start for (_, start), (name, end) in pairwise(marks)}


def load_model(path: Path) -> dict[str, float]:
    """Seconds to import, load and run once; runs in a process of its own."""
    start = time.perf_counter()
    from runtime.program import Program

    imported = time.perf_counter()
    program = Program.load(path)
    loaded = time.perf_counter()
    program.run({"input": np.zeros((1, *SIZE), np.float32)})
    ran = time.perf_counter()
    return {
        "import": imported - start,
        "load": loaded - imported,
        "plan and first run": ran - loaded,
    }


def in_process(*arguments: str) -> tuple[dict[str, float], float, float]:
    """Runs this script in a new process: its figures, wall seconds and peak memory in MB."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, *arguments], check=True, capture_output=True, text=True
    )
    result = json.loads(done.stdout.splitlines()[-1])
    return result["seconds"], time.perf_counter() - start, result["peak"] / 1024


def report_child(seconds: dict[str, float]) -> None:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"seconds": seconds, "peak": peak}))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=int, default=16)
    parser.add_argument("--cold", action="store_true", help="no run before to warm the cache")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        kind, *paths = args.child
        if kind == "compile":
            report_child(compile_model(Path(paths[0]), Path(paths[1]), args.images))
        else:
            report_child(load_model(Path(paths[0])))
        return 0

    from models import write_model

    with tempfile.TemporaryDirectory() as folder:
        model, output = write_model("resnet50", Path(folder)), Path(folder) / "resnet50.octet"
        images = ["--images", str(args.images)]
        compiling = [*images, "--child", "compile", str(model), str(output)]
        if not args.cold:
            in_process(*compiling)
            in_process("--child", "load", str(output))
        stages, compile_wall, compile_peak = in_process(*compiling)
        steps, load_wall, load_peak = in_process("--child", "load", str(output))
        size = output.stat().st_size / 1e6
    table = Table("ResNet-50", "seconds")
    for name, seconds in stages.items():
        table.add_row(f"compile: {name}", f"{seconds:.2f}")
    table.add_row("compile: whole process", f"{compile_wall:.2f}", end_section=True)
    for name, seconds in steps.items():
        table.add_row(f"load: {name}", f"{seconds:.2f}")
    table.add_row("load: whole process", f"{load_wall:.2f}")
    console = Console()
    console.print(table)
    console.print(
        f"peak memory: compiling {compile_peak:.0f} MB, loading {load_peak:.0f} MB; "
        f"artifact {size:.1f} MB; {args.images} calibration images"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
