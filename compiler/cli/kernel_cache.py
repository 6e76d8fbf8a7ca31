"""The kernel cache's options of `compile`: --warm-cache, --cache-info, --clear-cache."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.kernels.warming import Warmed


def add_cache_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("kernel cache").add_mutually_exclusive_group()
    group.add_argument(
        "--warm-cache",
        action="store_true",
        help="compile every kernel this machine may need, so that no model waits for one; end",
    )
    group.add_argument(
        "--cache-info", action="store_true", help="print the cache's location and size; end"
    )
    group.add_argument(
        "--prune-cache",
        action="store_true",
        help="delete kernels of other versions and other machines; end",
    )
    group.add_argument("--clear-cache", action="store_true", help="delete all kernels; end")


def run_cache_command(args: argparse.Namespace) -> bool:
    """Does what was asked of the cache; False if nothing was."""
    if args.warm_cache:
        _warm()
    elif args.clear_cache or args.prune_cache:
        _delete(everything=args.clear_cache)
    elif not args.cache_info:
        return False
    _print_info()
    return True


def _print_info() -> None:
    from runtime.kernels.cache import info

    found = info()
    print(f"{found.entries} kernels, {found.bytes / 1e6:.1f} MB, in {found.directory}")


def _delete(everything: bool) -> None:
    from runtime.kernels import cache
    from runtime.kernels.isa import host_isas
    from runtime.kernels.warming import families, kernels_of

    keep = [k for isa in host_isas() for k in kernels_of(isa, families()).values()]
    print(f"{cache.prune([] if everything else keep)} kernels deleted")


def _warm() -> None:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from runtime.kernels.isa import best_isa
    from runtime.kernels.warming import family_times, warm
    from runtime.workers import available_cores

    total, kernels = warm(best_isa(), available_cores())
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    compiled: list[Warmed] = []
    with Progress(*columns, TimeElapsedColumn(), console=Console(file=sys.stderr)) as progress:
        task = progress.add_task(f"kernels for {best_isa()}", total=total)
        for kernel in kernels:
            progress.advance(task)
            compiled += [kernel] if kernel.seconds else []
    for time in family_times(compiled):
        print(
            f"{time.family:<22} {time.kernels:4} kernels {time.seconds:6.1f} s,"
            f" {time.seconds / time.kernels:.2f} each, {time.slowest:.2f} at most"
        )
    seconds = sum(kernel.seconds for kernel in compiled)
    print(f"{len(compiled)} kernels compiled in {seconds:.1f} s of processor time")
