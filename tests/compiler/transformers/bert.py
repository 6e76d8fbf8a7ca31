"""A small seeded BERT as PyTorch exports it, with symbolic batch and sequence length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.compiler.frontends.onnx.attention_exports import WIDTH, Graph, divided, products, qkv

WORDS, LONGEST, HIDDEN, LAYERS = 60, 48, 96, 2
OUTLIER = 5
"""The channel between the products of each layer that is far greater than the others."""


def small_bert(path: Path, outlier: float = 1.0) -> Path:
    """Writes the model: ids and keep [N, S] int64 to hidden states [N, S, 16]."""
    g = Graph()
    g.inputs.append("keep")
    words = g.constant(g.random.normal(size=(WORDS, WIDTH)))
    positions = g.constant(g.random.normal(size=(LONGEST, WIDTH)))
    length = g.op("Squeeze", g.size("ids", 1), g.ints(0))
    counted = g.op("Range", g.constant(0, np.int64), length, g.constant(1, np.int64))
    embedded = g.op("Add", g.op("Gather", words, "ids"), g.op("Gather", positions, counted))
    kept = g.op("Cast", g.op("Unsqueeze", "keep", g.ints(1, 2)), to=TensorProto.FLOAT)
    mask = g.op("Mul", g.op("Sub", g.constant(1.0), kept), g.constant(-10000.0))
    x = _norm(g, embedded)
    for _ in range(LAYERS):
        attended = products(g, lambda s: g.op("Add", divided(g, s), mask), *qkv(g, x))
        x = _norm(g, g.op("Add", x, attended))
        up = g.random.normal(size=(WIDTH, HIDDEN)) / 4
        up[:, OUTLIER] *= outlier
        hidden = g.op("Add", g.op("MatMul", x, g.constant(up)), g.constant(np.zeros(HIDDEN)))
        ratio = g.op("Erf", g.op("Div", hidden, g.constant(np.sqrt(2))))
        gelu = g.op("Mul", hidden, g.op("Add", ratio, g.constant(1.0)))
        gelu = g.op("Mul", gelu, g.constant(0.5))
        x = _norm(g, g.op("Add", x, g.linear(gelu, WIDTH, HIDDEN)))
    sizes = ["N", "S"]
    graph = helper.make_graph(
        g.nodes,
        "bert",
        [helper.make_tensor_value_info(n, TensorProto.INT64, sizes) for n in ("ids", "keep")],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [*sizes, WIDTH])],
        [numpy_helper.from_array(array, name) for name, array in g.arrays.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path
    )
    return path


def _norm(g: Graph, x: str) -> str:
    scale = g.constant(g.random.uniform(0.5, 1.5, WIDTH))
    return g.op("LayerNormalization", x, scale, g.constant(np.zeros(WIDTH)), axis=-1)


def sentences(batch: int, length: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Random words; each sample keeps at least its first one."""
    random = np.random.default_rng((seed, batch, length))
    kept = random.integers(1, length + 1, batch)
    return {
        "ids": random.integers(0, WORDS, (batch, length)),
        "keep": (np.arange(length) < kept[:, None]).astype(np.int64),
    }
