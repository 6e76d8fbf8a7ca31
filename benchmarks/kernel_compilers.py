"""Kernels that are Python functions, compiled by Octet's translator and by numba: which is faster.

    python benchmarks/kernel_compilers.py               all cases
    python benchmarks/kernel_compilers.py argmax max    only those whose name contains a word
    python benchmarks/kernel_compilers.py --seconds 2   how long each case is measured
    python benchmarks/kernel_compilers.py --json kernel_compilers.json

Each case is one call of a kernel on one thread. Both must give the same bits; the two take turns,
each with an output of its own, and the least time of each counts. What is written as LLVM IR is
left out: tiles of products are the same machine code, whoever compiles the loop around them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table as Lines

from runtime.executor import Table
from runtime.kernels.abi import Call, View
from runtime.kernels.attention import attention_calls
from runtime.kernels.compilers import KERNEL_COMPILERS, VARIABLE, KernelCompiler
from runtime.kernels.convert import dequantize_calls, quantize_calls
from runtime.kernels.copy import copy_calls
from runtime.kernels.elementwise import binary_calls, unary_calls, where_calls
from runtime.kernels.gather import gather_calls
from runtime.kernels.isa import best_isa
from runtime.kernels.lookup import lookup_calls
from runtime.kernels.normalization import layer_norm_calls
from runtime.kernels.pooling import Window, average_pool_calls, max_pool_calls
from runtime.kernels.quantized_elementwise import Quantization, quantized_binary_calls
from runtime.kernels.reduction import Operation, reduce_calls
from runtime.kernels.resize import Sampling, resize_calls
from runtime.kernels.selection import arg_calls, topk_calls
from runtime.kernels.softmax import log_softmax_calls, softmax_calls

Build = Callable[[], tuple[list[Call], np.ndarray]]

TURNS = 8
"""Runs of one compiler before it is the other's turn."""


@dataclass(frozen=True)
class Case:
    """One call: `build` gives it and the array that it writes."""

    name: str
    build: Build


@dataclass(frozen=True)
class Measured:
    """The least microseconds of a case, by each compiler."""

    name: str
    octet: float
    numba: float

    @property
    def ratio(self) -> float:
        """How often Octet's code runs in the time of numba's once."""
        return self.numba / self.octet


def floats(*shape: int) -> np.ndarray:
    """Values around N(0, 1)."""
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def octets(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def cases() -> list[Case]:
    """Every family of kernels that has loops in Python."""
    return [
        *(_arg(shape, axis) for shape, axis in (((128, 1000), 1), ((1, 30522), 1), ((64, 512), 0))),
        _top_k((16, 1000), 5),
        *(_reduce(of, (512, 768), axis) for of in ("max", "sum", "mean") for axis in (1, 0)),
        _reduce("max", (64, 56, 56), 0),
        _nearest((1, 64, 28, 28)),
        _nearest_pixels((1, 28, 28, 64)),
        _bilinear((1, 28, 28, 64)),
        _written("softmax 1536 x 128", floats(1536, 128), lambda x, y: softmax_calls(x, y, 1)),
        _written(
            "log softmax 128 x 1000", floats(128, 1000), lambda x, y: log_softmax_calls(x, y, 1)
        ),
        _written(
            "layer norm 128 x 768",
            floats(128, 768),
            lambda x, y: layer_norm_calls(x, y, axis=1, epsilon=1e-5, scale=None, bias=None),
        ),
        *(
            _written(f"{of} 98304", floats(98304), lambda x, y, of=of: unary_calls(of, x, y))
            for of in ("relu", "gelu", "exp", "sqrt", "floor")
        ),
        *(_binary(of, (128, 768)) for of in ("add", "mul", "div", "max")),
        _where((128, 768)),
        _transpose((768, 512), np.float32),
        _transpose((768, 512), np.uint8),
        _gather((30522, 384), 128),
        _lookup(200704),
        _quantize(98304),
        _dequantize(98304),
        _quantized_add(200704),
        _pool("max", (1, 64, 112, 112)),
        _pool("average", (1, 64, 56, 56)),
        _attention(12, 128, 64),
    ]


def _written(
    name: str, x: np.ndarray, calls: Callable[[View, View], list[Call]], y: np.ndarray | None = None
) -> Case:
    """A kernel of one input; without `y` its output is like the input."""

    def build() -> tuple[list[Call], np.ndarray]:
        result = np.zeros_like(x if y is None else y)
        return calls(View.of(x), View.of(result)), result

    return Case(name, build)


def _text(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _arg(shape: tuple[int, int], axis: int) -> Case:
    y = np.zeros(shape[1 - axis], np.int64)
    name = f"argmax {_text(shape)} axis {axis}"
    return _written(name, floats(*shape), lambda x, y: arg_calls("argmax", x, y, axis), y)


def _top_k(shape: tuple[int, int], k: int) -> Case:
    x = floats(*shape)

    def build() -> tuple[list[Call], np.ndarray]:
        values, indices = np.zeros((shape[0], k), np.float32), np.zeros((shape[0], k), np.int64)
        return topk_calls(View.of(x), View.of(values), View.of(indices), 1), indices

    return Case(f"top {k} {_text(shape)}", build)


def _reduce(operation: Operation, shape: tuple[int, ...], axis: int) -> Case:
    kept = tuple(size for place, size in enumerate(shape) if place != axis)
    name = f"{operation} {_text(shape)} axis {axis}"
    calls = lambda x, y: reduce_calls(operation, x, y, (axis,))  # noqa: E731
    return _written(name, floats(*shape), calls, np.zeros(kept, np.float32))


def _nearest(shape: tuple[int, int, int, int]) -> Case:
    index = np.arange(2 * shape[2])[None] // 2
    y = np.zeros((*shape[:2], 2 * shape[2], 2 * shape[3]), np.float32)
    samplings = (Sampling(2, index), Sampling(3, index))
    name = f"resize nearest {_text(shape)}"
    return _written(name, floats(*shape), lambda x, y: resize_calls(x, y, samplings), y)


def _nearest_pixels(shape: tuple[int, int, int, int]) -> Case:
    index = np.arange(2 * shape[1])[None] // 2
    y = np.zeros((shape[0], 2 * shape[1], 2 * shape[2], shape[3]), np.float32)
    samplings = (Sampling(1, index), Sampling(2, index))
    name = f"resize nearest {_text(shape)}, channels last"
    return _written(name, floats(*shape), lambda x, y: resize_calls(x, y, samplings), y)


def _bilinear(shape: tuple[int, int, int, int]) -> Case:
    size = shape[1]
    first = np.arange(2 * size) // 2
    index = np.stack([first, np.minimum(first + 1, size - 1)])
    weight = np.stack([np.full(2 * size, 0.75), np.full(2 * size, 0.25)]).astype(np.float32)
    samplings = (Sampling(1, index, weight), Sampling(2, index, weight))
    y = np.zeros((shape[0], 2 * size, 2 * size, shape[3]), np.float32)
    name = f"resize linear {_text(shape)}, channels last"
    return _written(name, floats(*shape), lambda x, y: resize_calls(x, y, samplings), y)


def _binary(operation: str, shape: tuple[int, ...]) -> Case:
    other = np.abs(floats(*shape)) + 1
    calls = lambda x, y: binary_calls(operation, x, View.of(other), y)  # noqa: E731
    return _written(f"{operation} {_text(shape)}", floats(*shape), calls)


def _where(shape: tuple[int, ...]) -> Case:
    x = floats(*shape)
    condition, other = x > 0, x[::-1].copy()
    calls = lambda x, y: where_calls(View.of(condition), x, View.of(other), y)  # noqa: E731
    return _written(f"where {_text(shape)}", x, calls)


def _transpose(shape: tuple[int, int], dtype: type[np.generic]) -> Case:
    x, y = octets(*shape).astype(dtype), np.zeros(shape[::-1], dtype)
    name = f"transpose {_text(shape)} {dtype.__name__}"
    return _written(name, x, lambda x, y: copy_calls(x.transpose((1, 0)), y), y)


def _gather(shape: tuple[int, int], count: int) -> Case:
    indices = np.random.default_rng(0).integers(0, shape[0], count)
    calls = lambda x, y: gather_calls(x, View.of(indices), y, 0)  # noqa: E731
    y = np.zeros((count, shape[1]), np.float32)
    return _written(f"gather {count} of {_text(shape)}", floats(*shape), calls, y)


def _lookup(size: int) -> Case:
    table = octets(256)
    return _written(f"lookup {size}", octets(size), lambda x, y: lookup_calls(x, y, table))


def _quantize(size: int) -> Case:
    calls = lambda x, y: quantize_calls(x, y, scale=0.02, zero_point=128)  # noqa: E731
    return _written(f"quantize {size}", floats(size), calls, np.zeros(size, np.uint8))


def _dequantize(size: int) -> Case:
    calls = lambda x, y: dequantize_calls(x, y, scale=0.02, zero_point=128)  # noqa: E731
    return _written(f"dequantize {size}", octets(size), calls, np.zeros(size, np.float32))


def _quantized_add(size: int) -> Case:
    other = octets(size)[::-1].copy()
    q = [Quantization(scale, 128) for scale in (0.02, 0.03, 0.05)]

    def calls(x: View, y: View) -> list[Call]:
        return quantized_binary_calls("add", x, View.of(other), y, qa=q[0], qb=q[1], qy=q[2])

    return _written(f"quantized add {size}", octets(size), calls)


def _pool(kind: str, shape: tuple[int, int, int, int]) -> Case:
    """3x3 windows, stride 2, of float32 planes."""
    window = Window((3, 3), (2, 2), (0, 0, 0, 0), (1, 1))
    make = max_pool_calls if kind == "max" else average_pool_calls
    sizes = [(size - 3) // 2 + 1 for size in shape[2:]]
    y = np.zeros((*shape[:2], *sizes), np.float32)
    name = f"{kind} pool 3x3 {_text(shape)}"
    return _written(name, floats(*shape), lambda x, y: make(x, y, window), y)


def _attention(heads: int, tokens: int, depth: int) -> Case:
    q, k, v = (floats(1, tokens, heads * depth) for _ in range(3))

    def calls(x: View, y: View) -> list[Call]:
        return attention_calls(
            x, View.of(k), View.of(v), None, y, heads=heads, scale=0.125, isa=best_isa()
        )

    return _written(f"attention {heads} heads {tokens} x {depth}", q, calls)


def compiled_by(compiler: KernelCompiler, case: Case) -> tuple[Table, np.ndarray]:
    """A case ready to run, and what it writes."""
    os.environ[VARIABLE] = compiler
    calls, result = case.build()
    return Table(calls), result


def measure(case: Case, seconds: float) -> Measured:
    """Raises `SystemExit` if the two do not compute the same."""
    tables, results = zip(*(compiled_by(name, case) for name in KERNEL_COMPILERS), strict=True)
    for table in tables:
        table.run()
    if results[0].tobytes() != results[1].tobytes():
        raise SystemExit(f"{case.name}: {' and '.join(KERNEL_COMPILERS)} give different results")
    least = [float("inf")] * len(tables)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for index, table in enumerate(tables):
            for _ in range(TURNS):
                start = time.perf_counter()
                table.run()
                least[index] = min(least[index], time.perf_counter() - start)
    return Measured(case.name, *(1e6 * of for of in least))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("words", nargs="*", help="only cases whose name contains one of them")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each is measured")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    args = parser.parse_args()

    chosen = [c for c in cases() if not args.words or any(word in c.name for word in args.words)]
    if not chosen:
        parser.error(f"no case's name contains {' or '.join(args.words)}")
    measured = [measure(case, args.seconds) for case in chosen]
    lines = Lines("kernel", "octet [us]", "numba [us]", "times faster")
    for of in measured:
        color = "red" if of.ratio < 0.97 else "default"
        cells = f"{of.octet:.1f}", f"{of.numba:.1f}", f"[{color}]{of.ratio:.2f}"
        lines.add_row(of.name, *cells)
    Console().print(lines)
    if args.json:
        figures = [{**asdict(of), "ratio": of.ratio} for of in measured]
        args.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
