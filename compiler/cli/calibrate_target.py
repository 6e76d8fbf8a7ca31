"""`compile --calibrate-target OUT.toml`: measures this machine for the cost model."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_calibration_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--calibrate-target",
        metavar="OUT.toml",
        type=Path,
        help="measure what one core of this machine does, about half a minute, and write a target "
        "file for --target, with the rates of the cost model; end",
    )


def run_calibration_command(args: argparse.Namespace) -> bool:
    """Writes the target file that was asked for; False if none was."""
    path: Path | None = args.calibrate_target
    if path is None:
        return False
    from rich.console import Console

    from compiler.rates.measure import measure_rates
    from compiler.targets import host_file
    from dialects.errors import OctetError
    from runtime.artifact import replacing
    from runtime.kernels.isa import best_isa, cpu_name

    if path.suffix != ".toml":
        raise OctetError(f"--calibrate-target {path}: a target file ends in .toml")
    if not path.parent.is_dir():
        raise OctetError(f"--calibrate-target {path}: there is no folder {path.parent}")
    from compiler.rates.table import rates_text

    isa = best_isa()
    with Console(stderr=True).status("measuring") as status:
        rates = measure_rates(isa, lambda what: status.update(f"measuring {what}"))
    capabilities = host_file().read_text(encoding="utf-8")
    heading = f"# Measured with {isa.name} kernels on one core ({cpu_name()}).\n"
    with replacing(path) as temporary:
        temporary.write_text(f"{capabilities}\n{heading}{rates_text(rates)}", encoding="utf-8")
    print(f"{path}: use it with --target {path}")
    return True
