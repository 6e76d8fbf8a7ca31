"""Self-attention as exporters write it: one function per form, each a small model with a symbolic
batch and sequence length.

Width 16 in 2 heads. x is [N, S, 16]; masks are what each form takes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

WIDTH, HEADS = 16, 2
DEPTH = WIDTH // HEADS
INPUTS: dict[str, tuple[int, list[str]]] = {
    "keep": (TensorProto.INT64, ["N", "S"]),
    "allowed": (TensorProto.BOOL, ["N", "S"]),
}


@dataclass
class Graph:
    """Nodes and initializers, with names made up on the way."""

    nodes: list[NodeProto] = field(default_factory=list[NodeProto])
    arrays: dict[str, np.ndarray] = field(default_factory=dict[str, np.ndarray])
    inputs: list[str] = field(default_factory=list[str])
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(7))

    def op(self, kind: str, *operands: str, results: int = 1, **attributes: object) -> str:
        names = [f"v{len(self.nodes)}_{index}" for index in range(results)]
        self.nodes.append(helper.make_node(kind, list(operands), names, **attributes))
        return names[0] if results == 1 else ",".join(names)

    def constant(self, array: object, dtype: type = np.float32) -> str:
        name = f"c{len(self.arrays)}"
        self.arrays[name] = np.asarray(array, dtype)
        return name

    def ints(self, *values: int) -> str:
        return self.constant(values, np.int64)

    def takes(self, name: str) -> str:
        self.inputs.append(name)
        return name

    def linear(self, x: str, columns: int = WIDTH, rows: int = WIDTH) -> str:
        weight = self.constant(self.random.normal(size=(rows, columns)) / np.sqrt(rows))
        bias = self.constant(self.random.normal(size=columns))
        return self.op("Add", self.op("MatMul", x, weight), bias)

    def size(self, x: str, axis: int) -> str:
        """One size of x, as a list of one integer."""
        size = self.op("Gather", self.op("Shape", x), self.constant(axis, np.int64), axis=0)
        return self.op("Unsqueeze", size, self.ints(0))

    def heads(self, x: str, permutation: Sequence[int] = (0, 2, 1, 3)) -> str:
        """[N, S, 16] as [N, 2, S, 8], the shape computed as `view(N, S, 2, 8)` is exported."""
        target = self.op(
            "Concat", self.size(x, 0), self.size(x, 1), self.ints(HEADS), self.ints(DEPTH), axis=0
        )
        return self.op("Transpose", self.op("Reshape", x, target), perm=list(permutation))

    def merged(self, x: str) -> str:
        joined = self.op("Transpose", x, perm=[0, 2, 1, 3])
        target = self.op(
            "Concat", self.size(joined, 0), self.size(joined, 1), self.ints(WIDTH), axis=0
        )
        return self.op("Reshape", joined, target)

    def model(self, result: str, opset: int = 17, microsoft: bool = False) -> ModelProto:
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "S", WIDTH])]
        inputs += [helper.make_tensor_value_info(n, *INPUTS[n]) for n in self.inputs]
        graph = helper.make_graph(
            self.nodes,
            "attention",
            inputs,
            [helper.make_tensor_value_info(result, TensorProto.FLOAT, ["N", "S", WIDTH])],
            [numpy_helper.from_array(array, name) for name, array in self.arrays.items()],
        )
        opsets = [helper.make_opsetid("", opset)]
        opsets += [helper.make_opsetid("com.microsoft", 1)] if microsoft else []
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def products(g: Graph, scores: Callable[[str], str], q: str, k: str, v: str) -> str:
    """softmax(scores(q @ k)) @ v, heads joined and projected."""
    weights = g.op("Softmax", scores(g.op("MatMul", q, k)), axis=-1)
    return g.linear(g.merged(g.op("MatMul", weights, v)))


def qkv(g: Graph, x: str = "x") -> tuple[str, str, str]:
    """Three linear layers; the keys are transposed for the product."""
    q, k, v = (g.linear(x) for _ in range(3))
    return g.heads(q), g.heads(k, (0, 2, 3, 1)), g.heads(v)


def divided(g: Graph, scores: str) -> str:
    return g.op("Div", scores, g.constant(np.sqrt(DEPTH)))


def bert() -> ModelProto:
    """Hugging Face's BERT: scores / sqrt(d) + (1 - mask) * -10000."""
    g = Graph()
    mask = g.op("Unsqueeze", g.takes("keep"), g.ints(1, 2))
    away = g.op("Sub", g.constant(1.0), g.op("Cast", mask, to=TensorProto.FLOAT))
    mask = g.op("Mul", away, g.constant(-10000.0))
    q, k, v = qkv(g)
    return g.model(products(g, lambda s: g.op("Add", divided(g, s), mask), q, k, v))


def scaled_both_sides() -> ModelProto:
    """`scaled_dot_product_attention` by torch.onnx: q and k^T each times sqrt(scale), the scale
    computed from the shape of q; a boolean mask becomes 0 and -inf."""
    g = Graph()
    allowed = g.op("Unsqueeze", g.takes("allowed"), g.ints(1, 2))
    q, k, v = qkv(g)
    size = g.op("Slice", g.op("Shape", q), g.ints(-1), g.ints(2**31))
    root = g.op("Sqrt", g.op("Cast", size, to=TensorProto.FLOAT))
    scale = g.op("Sqrt", g.op("Div", g.constant([1.0]), root))
    q, k = g.op("Mul", q, scale), g.op("Mul", k, scale)
    mask = g.op("Where", allowed, g.constant(0.0), g.constant(-np.inf))
    return g.model(products(g, lambda s: g.op("Add", s, mask), q, k, v))


def masked_fill() -> ModelProto:
    """`scores.masked_fill(mask == 0, finfo.min)` with the mask expanded to the scores' shape."""
    g = Graph()
    q, k, v = qkv(g)
    gone = g.op("Equal", g.op("Unsqueeze", g.takes("keep"), g.ints(1, 2)), g.ints(0))

    def scores(product: str) -> str:
        filled = g.op("Expand", gone, g.op("Shape", product))
        least = g.constant(np.finfo(np.float32).min)
        return g.op("Where", filled, least, divided(g, product))

    return g.model(products(g, scores, q, k, v))


def kept_or_infinite() -> ModelProto:
    """`where(mask, scores, -inf)`."""
    g = Graph()
    q, k, v = qkv(g)
    allowed = g.op("Unsqueeze", g.takes("allowed"), g.ints(1, 2))
    return g.model(
        products(g, lambda s: g.op("Where", allowed, divided(g, s), g.constant(-np.inf)), q, k, v)
    )


def causal_buffer() -> ModelProto:
    """GPT-2's `bias` buffer: a triangle of the longest length, cut to [S, S]."""
    g = Graph()
    q, k, v = qkv(g)
    triangle = g.constant(np.tril(np.ones((1, 1, 64, 64), bool)), np.bool_)
    length = g.size("x", 1)
    rows = g.op("Slice", triangle, g.ints(0), length, g.ints(2))
    allowed = g.op("Slice", rows, g.ints(0), length, g.ints(3))
    least = g.constant(np.finfo(np.float32).min)
    return g.model(products(g, lambda s: g.op("Where", allowed, divided(g, s), least), q, k, v))


def causal_counted() -> ModelProto:
    """Recent exports: arange(S) <= arange(S)[:, None], and the padding mask."""
    g = Graph()
    q, k, v = qkv(g)
    length = g.op("Squeeze", g.size("x", 1), g.ints(0))
    positions = g.op("Range", g.constant(0, np.int64), length, g.constant(1, np.int64))
    rows = g.op("Unsqueeze", positions, g.ints(1))
    causal = g.op("LessOrEqual", positions, rows)
    allowed = g.op("Unsqueeze", g.takes("allowed"), g.ints(1, 2))
    both = g.op("And", causal, allowed)
    mask = g.op("Where", both, g.constant(0.0), g.constant(-1e9))
    return g.model(products(g, lambda s: g.op("Add", divided(g, s), mask), q, k, v))


def causal_triangle() -> ModelProto:
    """`ones(S, S).triu(1) * -1e9`."""
    g = Graph()
    q, k, v = qkv(g)
    length = g.size("x", 1)
    shape = g.op("Concat", length, length, axis=0)
    one = numpy_helper.from_array(np.ones(1, np.float32))
    ones = g.op("ConstantOfShape", shape, value=one)
    upper = g.op("Trilu", ones, g.constant(1, np.int64), upper=1)
    mask = g.op("Mul", upper, g.constant(-1e9))
    return g.model(products(g, lambda s: g.op("Add", divided(g, s), mask), q, k, v))


def packed_split() -> ModelProto:
    """One linear layer for q, k and v, its columns split in three."""
    g = Graph()
    packed = g.linear("x", 3 * WIDTH)
    q, k, v = g.op("Split", packed, g.ints(WIDTH, WIDTH, WIDTH), results=3, axis=-1).split(",")
    return g.model(
        products(g, lambda s: divided(g, s), g.heads(q), g.heads(k, (0, 2, 3, 1)), g.heads(v))
    )


def packed_gather() -> ModelProto:
    """timm's: reshape(N, S, 3, heads, depth), permute(2, 0, 3, 1, 4), q scaled, k transposed."""
    g = Graph()
    packed = g.linear("x", 3 * WIDTH)
    target = g.op(
        "Concat", g.size("x", 0), g.size("x", 1), g.ints(3), g.ints(HEADS), g.ints(DEPTH), axis=0
    )
    parts = g.op("Transpose", g.op("Reshape", packed, target), perm=[2, 0, 3, 1, 4])
    q, k, v = (g.op("Gather", parts, g.constant(i, np.int64), axis=0) for i in range(3))
    q = g.op("Mul", q, g.constant(DEPTH**-0.5))
    return g.model(products(g, lambda s: s, q, g.op("Transpose", k, perm=[0, 1, 3, 2]), v))


def onnx_attention(*, causal: bool = False) -> ModelProto:
    """ai.onnx Attention (opset 23) of [N, S, 16] operands."""
    g = Graph()
    q, k, v = (g.linear("x") for _ in range(3))
    mask: list[str] = []
    if not causal:
        batch, length, one = g.size("x", 0), g.size("x", 1), g.ints(1)
        shape = g.op("Concat", batch, one, length, length, axis=0)
        mask = [g.op("Expand", g.op("Unsqueeze", g.takes("allowed"), g.ints(1, 2)), shape)]
    extra = {"is_causal": 1} if causal else {}
    y = g.op("Attention", q, k, v, *mask, q_num_heads=HEADS, kv_num_heads=HEADS, **extra)
    return g.model(g.linear(y), opset=23)


def onnx_attention_4d() -> ModelProto:
    """... of [N, 2, S, 8] operands, with a scale of its own and no mask."""
    g = Graph()
    q, k, v = (g.heads(g.linear("x")) for _ in range(3))
    return g.model(g.linear(g.merged(g.op("Attention", q, k, v, scale=0.25))), opset=23)


def microsoft_attention() -> ModelProto:
    """ONNX Runtime's fused op with packed weights and a mask [N, S] of zeros and ones."""
    g = Graph()
    mask = g.op("Cast", g.takes("keep"), to=TensorProto.INT32)
    weight = g.constant(g.random.normal(size=(WIDTH, 3 * WIDTH)) / 4)
    bias = g.constant(g.random.normal(size=3 * WIDTH))
    y = g.op("Attention", "x", weight, bias, mask, num_heads=HEADS, domain="com.microsoft")
    return g.model(g.linear(y), microsoft=True)


def microsoft_multi_head() -> ModelProto:
    """ONNX Runtime's MultiHeadAttention of separate q, k and v, without a mask."""
    g = Graph()
    q, k, v = (g.linear("x") for _ in range(3))
    y = g.op("MultiHeadAttention", q, k, v, num_heads=HEADS, domain="com.microsoft")
    return g.model(g.linear(y), microsoft=True)


FORMS: dict[str, Callable[[], ModelProto]] = {
    form.__name__: form
    for form in (
        bert, scaled_both_sides, masked_fill, kept_or_infinite, causal_buffer, causal_counted,
        causal_triangle, packed_split, packed_gather, onnx_attention, onnx_attention_4d,
        microsoft_attention, microsoft_multi_head,
    )
} | {"onnx_attention_causal": lambda: onnx_attention(causal=True)}  # fmt: skip


def feeds(model: ModelProto, batch: int, length: int, seed: int = 3) -> dict[str, np.ndarray]:
    """x, and masks that keep at least the first token of each sample."""
    random = np.random.default_rng(seed)
    keep = np.arange(length) < random.integers(1, length + 1, batch)[:, None]
    known = {
        "x": random.normal(size=(batch, length, WIDTH)).astype(np.float32),
        "keep": keep.astype(np.int64),
        "allowed": keep,
    }
    return {entry.name: known[entry.name] for entry in model.graph.input}
