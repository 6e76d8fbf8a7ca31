"""Peak memory and time of calibrating on few images and on many, by kernels and by the reference.

    python benchmarks/calibration_memory.py MODEL.onnx                10 and 1000 images
    python benchmarks/calibration_memory.py MODEL.onnx --images 10 100 --method mse --workers 2
    python benchmarks/calibration_memory.py MODEL.onnx --images 64 --reference

The images are seeded noise, one batch of 8 made at a time. Each run simplifies the model and
calibrates it in a process of its own; its peak is that of the largest process, workers included.
The seconds are those of calibration, kernels that are not cached yet compiled among them.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

BATCH = 8


def images(name: str, shape: tuple[int, ...], count: int) -> Iterator[dict[str, np.ndarray]]:
    """Batches of standard normal noise."""
    for start in range(0, count, BATCH):
        size = (min(BATCH, count - start), *shape[1:])
        noise = np.random.default_rng(start).standard_normal(size, dtype=np.float32)
        yield {name: noise}


def calibrate(model: Path, count: int, args: argparse.Namespace) -> dict[str, float]:
    """Seconds and peak memory in MB; for a process of its own."""
    from compiler.calibration.data import input_specs
    from compiler.calibration.options import CalibrationOptions
    from compiler.calibration.session import Session
    from compiler.driver import Compilation, CompileRequest
    from passes.calibrate.calibrate import CalibratePass

    simplified = Compilation(CompileRequest(model, stop_after="simplify"))
    simplified.run()
    ctx, module = simplified.ctx, simplified.module
    (spec,) = input_specs(module)
    ctx.calibration_data = lambda: images(spec.name, spec.shape, count)
    ctx.calibrator = None if args.reference else Session(CalibrationOptions(workers=args.workers))
    start = time.perf_counter()
    CalibratePass(method=args.method).apply(ctx, module)
    seconds = time.perf_counter() - start
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    peak = max(resource.getrusage(one).ru_maxrss for one in who)
    return {"seconds": seconds, "peak": peak / 1024}


def in_process(args: argparse.Namespace, count: int) -> dict[str, float]:
    command = [sys.executable, __file__, str(args.model), "--images", str(count), "--child"]
    command += ["--method", args.method, "--workers", str(args.workers)]
    command += ["--reference"] if args.reference else []
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("--images", type=int, nargs="+", default=[10, 1000])
    parser.add_argument("--method", default="sqnr")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--reference", action="store_true", help="in place of kernels")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(calibrate(args.model, args.images[0], args)))
        return 0
    results = {count: in_process(args, count) for count in args.images}
    table = Table("images", "peak memory, MB", "seconds")
    for count, result in results.items():
        table.add_row(str(count), f"{result['peak']:.0f}", f"{result['seconds']:.1f}")
    console = Console()
    console.print(table)
    least, most = min(results), max(results)
    more = results[most]["peak"] - results[least]["peak"]
    by = "the reference" if args.reference else f"kernels in {args.workers} process(es)"
    console.print(f"{args.model.name}, {args.method}, by {by}")
    if most > least:
        console.print(f"{most} images take {more:.0f} MB more than {least}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
