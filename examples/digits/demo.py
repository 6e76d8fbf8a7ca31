"""Compiles the digits network to int8 and compares it with float: `make demo`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from compiler.driver import Compilation, CompileRequest
from compiler.explain import as_table
from runtime.program import Program

HERE = Path(__file__).parent
BUILD = HERE.parents[1] / "build"


def compile_model(calibration_data: Path | None) -> Compilation:
    compilation = Compilation(CompileRequest(HERE / "digits.onnx", calibration_data))
    compilation.run()
    return compilation


def accuracy(program: Program, images: np.ndarray, labels: np.ndarray) -> float:
    """The share of images whose largest output is their label."""
    logits = program.run({"image": images})["logits"]
    return float((logits.argmax(1) == labels).mean())


def microseconds(program: Program, images: np.ndarray) -> float:
    """Median latency of one image on one thread."""
    return 1e6 * float(np.median(program.benchmark({"image": images[:1]})))


def main() -> None:
    console = Console()
    with np.load(HERE / "held_out.npz") as held_out:
        images, labels = held_out["image"], held_out["label"]

    console.print("Compiling to float and to int8 (the first time, kernels are compiled too) ...")
    quantized = compile_model(HERE / "calibration.npz")
    programs = {"float": compile_model(None).program(), "int8": quantized.program()}
    console.print(as_table(quantized.placements))

    BUILD.mkdir(exist_ok=True)
    table = Table(title=f"{len(labels)} held-out digits")
    table.add_column("program")
    for heading in ("accuracy", "latency, batch 1", "artifact"):
        table.add_column(heading, justify="right")
    for name, program in programs.items():
        path = BUILD / f"digits-{name}.octet"
        program.save(path)
        table.add_row(
            name,
            f"{accuracy(program, images, labels):.2%}",
            f"{microseconds(program, images):.1f} us",
            f"{path.stat().st_size / 1024:.0f} KiB",
        )
    console.print(table)
    artifact = (BUILD / "digits-int8.octet").relative_to(BUILD.parent)
    console.print(f"The int8 program is {artifact}; try: .venv/bin/octet-run {artifact} --profile")


if __name__ == "__main__":
    main()
