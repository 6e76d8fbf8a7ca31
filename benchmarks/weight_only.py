"""Matrix products with weights of few bits beside float32 ones: time, and accuracy of an encoder.

    python benchmarks/weight_only.py                      one product
    python benchmarks/weight_only.py --models MODELS      MiniLM on pairs of sentences of STS-B

The first table: a product of M rows with K x N weights on one thread, the fastest of many calls;
rounds alternate between the formats, so that a busy machine is busy for all.  The second: SQNR of
normalised sentence embeddings against float onnxruntime, Spearman correlation of cosines with the
scores, the size of the file, and the fastest run of one sentence on one thread; beside what
onnxruntime's own tool makes of the model.
"""

from __future__ import annotations

import argparse
import csv
import logging
import sys
import tempfile
import time
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

Run = Callable[[dict[str, np.ndarray]], Any]
"""Inputs to outputs: of an encoder the hidden state of the tokens."""


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


def fastest(runs: dict[str, Run], feed: dict[str, np.ndarray], rounds: int) -> list[float]:
    """Seconds of the fastest call of each, in rounds that alternate between them."""
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(rounds):
        for name, run in runs.items():
            for _ in range(3):
                start = time.perf_counter()
                run(feed)
                best[name] = min(best[name], time.perf_counter() - start)
    return list(best.values())


def products(rounds: int) -> Table:
    table = Table(
        "K x N", "rows", *FORMATS, title="one thread: time in float32, and how many times faster"
    )
    with tempfile.TemporaryDirectory() as folder:
        for k, n in ((4096, 4096), (768, 3072), (384, 1536)):
            path = product_model(k, n, Path(folder))
            programs = {
                name: compiler.compile(path, shapes={"x": (1, k)}, **options)
                for name, options in FORMATS.items()
            }
            for m in (1, 4, 16, 128):
                feed = {"x": np.random.default_rng(m).standard_normal((m, k)).astype(np.float32)}
                times = fastest({name: of.run for name, of in programs.items()}, feed, rounds)
                cells = [f"{1e6 * times[0]:.0f} us"]
                cells += [f"{times[0] / one:.2f}" for one in times[1:]]
                table.add_row(f"{k} x {n}", str(m), *cells)
    return table


def sentence_pairs(folder: Path, count: int) -> tuple[list[str], list[str], list[float]]:
    """The first pairs of the STS-B development set, and their scores."""
    with (folder / "minilm/stsb-en-dev.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))[:count]
    return [row[0] for row in rows], [row[1] for row in rows], [float(row[2]) for row in rows]


def embeddings(run: Run, tokenizer: Tokenizer, texts: list[str]) -> np.ndarray:
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


def onnxruntime_run(model: Path) -> Run:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(model), options, ["CPUExecutionProvider"])
    return lambda feeds: session.run(None, feeds)[0]


def octet_run(model: Path, options: dict[str, Any]) -> tuple[Run, int]:
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


TOKENS = (16, 128)
"""Lengths of the one sentence that is timed."""


def feeds_of(length: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    ids = random.integers(1000, 30000, (1, length))
    ones = np.ones_like(ids)
    return {"input_ids": ids, "attention_mask": ones, "token_type_ids": 0 * ones}


def quantized_by_onnxruntime(model: Path, folder: Path) -> dict[str, Path]:
    """The model with dynamic quantization, as onnxruntime's own tool makes it."""
    from onnxruntime.quantization import quantize_dynamic

    made = {
        "onnxruntime dynamic": folder / "dynamic.onnx",
        "onnxruntime dynamic, per channel": folder / "channels.onnx",
    }
    logging.disable(logging.WARNING)
    dynamic, channels = made.values()
    quantize_dynamic(model, dynamic)
    quantize_dynamic(model, channels, per_channel=True, op_types_to_quantize=["MatMul"])
    return made


def encoder(models: Path, count: int, rounds: int) -> Table:
    model = models / "minilm/all_minilm_l6_v2_fp32.onnx"
    tokenizer = Tokenizer.from_file(str(models / "minilm/tokenizer.json"))
    tokenizer.no_padding()
    first, second, scores = sentence_pairs(models, count)

    def evaluated(run: Run) -> np.ndarray:
        return np.stack([embeddings(run, tokenizer, texts) for texts in (first, second)])

    def spearman(vectors: np.ndarray) -> str:
        cosines = (vectors[0] * vectors[1]).sum(-1)
        return f"{spearmanr(cosines, scores).statistic:.4f}"

    with tempfile.TemporaryDirectory() as folder:
        files = quantized_by_onnxruntime(model, Path(folder))
        sizes = {"onnxruntime float": model.stat().st_size}
        sizes |= {name: path.stat().st_size for name, path in files.items()}
        runs = {"onnxruntime float": onnxruntime_run(model)}
        runs |= {name: onnxruntime_run(path) for name, path in files.items()}
        for name, options in FORMATS.items():
            runs[name], sizes[name] = octet_run(model, options)
    times = [fastest(runs, feeds_of(length), rounds) for length in TOKENS]
    columns = [f"ms, {length} tokens" for length in TOKENS]
    table = Table("MiniLM", "SQNR dB", "Spearman", "MB", *columns, title=f"{count} pairs of STS-B")
    reference = evaluated(runs["onnxruntime float"])
    for index, (name, run) in enumerate(runs.items()):
        vectors = evaluated(run) if index else reference
        table.add_row(
            name,
            f"{sqnr(reference, vectors):.1f}" if index else "",
            spearman(vectors),
            f"{sizes[name] / 1e6:.1f}",
            *(f"{1e3 * of_length[index]:.2f}" for of_length in times),
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
        products(args.rounds)
        if args.models is None
        else encoder(args.models, args.pairs, args.rounds)
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
