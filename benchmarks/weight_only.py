"""Matrix products with weights of few bits beside float32 ones: time, and accuracy of an encoder.

    python benchmarks/weight_only.py                        one product, rows by rows
    python benchmarks/weight_only.py --models M [--pairs N] MiniLM on the pairs of STS-B

The first table: microseconds of one product of M rows with K x N weights on one thread, the fastest
of many calls; rounds alternate between the formats, so that a busy machine is busy for all.  GB/s
is what a product with one row reads of its weights.  The second: SQNR of normalised sentence
embeddings against float onnxruntime, Spearman correlation of cosines with the scores, beside
onnxruntime's own dynamic quantization; and the size of the weights' file.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from rich.console import Console
from rich.table import Table
from scipy.stats import spearmanr
from tokenizers import Tokenizer
from workloads import sqnr

import compiler
from runtime.program import Program

FORMATS: dict[str, dict[str, Any]] = {
    "float32": {},
    "int8 weights": {"weight_only": "int8"},
    "int4 weights, groups of 32": {"weight_only": "int4:32"},
    "int4 weights, groups of 128": {"weight_only": "int4:128"},
    "dynamic int8": {"dynamic_quantization": "type:matmul"},
}
LENGTHS = 16
"""Sentences are padded to multiples of it: few shapes to plan for."""
BATCH = 32


def product_model(k: int, n: int, folder: Path) -> Path:
    """One matrix product, `y = x @ w`."""
    path = folder / f"product-{k}-{n}.onnx"
    weight = np.random.default_rng(0).standard_normal((k, n)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], name="product")],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["m", k])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["m", n])],
        [numpy_helper.from_array(weight, "w")],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def fastest(programs: dict[str, Program], feed: dict[str, np.ndarray], rounds: int) -> list[float]:
    """Seconds of the fastest call of each program, in rounds that alternate between them."""
    best = dict.fromkeys(programs, float("inf"))
    for _ in range(rounds):
        for name, program in programs.items():
            for _ in range(3):
                start = time.perf_counter()
                program.run(feed)
                best[name] = min(best[name], time.perf_counter() - start)
    return list(best.values())


def products(rounds: int) -> Table:
    table = Table("K x N", "rows", *FORMATS, title="microseconds, one thread")
    with tempfile.TemporaryDirectory() as folder:
        for k, n in ((4096, 4096), (768, 3072), (384, 1536)):
            path = product_model(k, n, Path(folder))
            programs = {
                name: compiler.compile(path, shapes={"x": (1, k)}, **options)
                for name, options in FORMATS.items()
            }
            for m in (1, 4, 16, 128):
                feed = {"x": np.random.default_rng(m).standard_normal((m, k)).astype(np.float32)}
                times = fastest(programs, feed, rounds)
                cells = [f"{1e6 * one:.0f} ({times[0] / one:.2f}x)" for one in times]
                table.add_row(f"{k} x {n}", str(m), *cells)
    return table


def sentence_pairs(folder: Path, count: int) -> tuple[list[str], list[str], list[float]]:
    """The first pairs of the STS-B development set, and their scores."""
    with (folder / "minilm/stsb-en-dev.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[:count]
    return [row[0] for row in rows], [row[1] for row in rows], [float(row[2]) for row in rows]


def embeddings(
    run: Callable[[dict[str, np.ndarray]], np.ndarray], tokenizer: Tokenizer, texts: list[str]
) -> np.ndarray:
    """Mean over the tokens of each sentence, normalised."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    result: dict[int, np.ndarray] = {}
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        encoded = [tokenizer.encode(texts[i]).ids for i in chosen]
        length = -(-max(map(len, encoded)) // LENGTHS) * LENGTHS
        ids = np.zeros((len(chosen), length), np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(encoded):
            ids[row, : len(tokens)], mask[row, : len(tokens)] = tokens, 1
        feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = run(feeds)
        mean = (hidden * mask[..., None]).sum(1) / mask.sum(1)[:, None]
        mean /= np.linalg.norm(mean, axis=1, keepdims=True)
        result.update(zip(chosen, mean, strict=True))
    return np.stack([result[i] for i in range(len(texts))])


def onnxruntime_run(model: Path) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model), options, ["CPUExecutionProvider"])
    return lambda feeds: session.run(None, feeds)[0]


def octet_run(model: Path, options: dict[str, Any]) -> tuple[Any, int]:
    """A function that runs sentences of any length, and bytes of the weights."""
    programs: dict[tuple[int, ...], Program] = {}
    size = 0

    def run(feeds: dict[str, np.ndarray]) -> np.ndarray:
        shape = feeds["input_ids"].shape
        if shape[1:] not in programs:
            shapes = dict.fromkeys(feeds, (1, shape[1]))
            programs[shape[1:]] = compiler.compile(model, shapes=shapes, **options)
        (hidden,) = programs[shape[1:]].run(feeds).values()
        return hidden

    with tempfile.TemporaryDirectory() as folder:
        shapes = dict.fromkeys(("input_ids", "attention_mask", "token_type_ids"), (1, 16))
        path = Path(folder) / "m.octet"
        compiler.compile(model, shapes=shapes, **options).save(path)
        size = path.stat().st_size
    return run, size


def encoder(models: Path, count: int) -> Table:
    model = models / "minilm/all_minilm_l6_v2_fp32.onnx"
    tokenizer = Tokenizer.from_file(str(models / "minilm/tokenizer.json"))
    tokenizer.no_padding()
    first, second, scores = sentence_pairs(models, count)

    def evaluated(run: Callable[[dict[str, np.ndarray]], np.ndarray]) -> np.ndarray:
        return np.stack([embeddings(run, tokenizer, texts) for texts in (first, second)])

    def spearman(vectors: np.ndarray) -> str:
        cosines = (vectors[0] * vectors[1]).sum(-1)
        return f"{spearmanr(cosines, scores).statistic:.4f}"

    reference = evaluated(onnxruntime_run(model))
    table = Table("MiniLM", "SQNR dB", "Spearman", "MB", title=f"{count} pairs of STS-B")
    table.add_row("onnxruntime float", "", spearman(reference), f"{model.stat().st_size / 1e6:.1f}")
    for name, options in FORMATS.items():
        run, size = octet_run(model, options)
        vectors = evaluated(run)
        table.add_row(
            name, f"{sqnr(reference, vectors):.1f}", spearman(vectors), f"{size / 1e6:.1f}"
        )
    with tempfile.TemporaryDirectory() as folder:
        from onnxruntime.quantization import quantize_dynamic

        path = Path(folder) / "dynamic.onnx"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            quantize_dynamic(model, path)
        vectors = evaluated(onnxruntime_run(path))
        table.add_row(
            "onnxruntime dynamic",
            f"{sqnr(reference, vectors):.1f}",
            spearman(vectors),
            f"{path.stat().st_size / 1e6:.1f}",
        )
    return table


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=Path, help="folder with the models and data")
    parser.add_argument("--pairs", type=int, default=300, help="of sentences (default 300)")
    parser.add_argument("--rounds", type=int, default=30)
    args = parser.parse_args()
    Console().print(
        products(args.rounds) if args.models is None else encoder(args.models, args.pairs)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
