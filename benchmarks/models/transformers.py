"""Post-norm transformer encoders as exporters write them (Devlin et al., 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx

from models.graph import GraphBuilder
from models.inputs import VOCABULARY

SEQUENCE = 128


@dataclass(frozen=True)
class TransformerShape:
    """Sizes of an encoder; `pooling` is "classify" (first token) or "mean" (of the sentence)."""

    name: str
    layers: int
    width: int
    heads: int
    inner: int
    pooling: str
    classes: int = 10


BERT_BASE = TransformerShape("bert_base", 12, 768, 12, 3072, "classify")
MINILM_L6 = TransformerShape("minilm_l6", 6, 384, 12, 1536, "mean")

WEIGHT_DEVIATION = 0.04
OUTLIER_SHARE, OUTLIER_FACTOR = 200, 5
"""One in so many features is so much larger: trained encoders have such features (Dettmers et al.,
2022), and they are what makes int8 hard."""


class _Encoder(GraphBuilder):
    def heavy_tailed(self, name: str, *shape: int) -> str:
        """A weight from Student's t with six degrees of freedom, as trained weights look."""
        values = self.random(name).standard_t(6, shape) * (WEIGHT_DEVIATION / np.sqrt(1.5))
        return self.weight(name, values)

    def linear(self, x: str, name: str, cin: int, cout: int) -> str:
        weight = self.heavy_tailed(f"{name}.weight", cin, cout)
        bias = self.weight(f"{name}.bias", self.random(f"{name}.bias").normal(0, 0.05, cout))
        y = self.node("MatMul", [x, weight], f"{name}.matmul")
        return self.node("Add", [bias, y], f"{name}.add")

    def layer_norm(self, x: str, name: str, width: int) -> str:
        random = self.random(name)
        scale = 1 + 0.1 * random.standard_normal(width)
        outliers = random.choice(width, max(1, width // OUTLIER_SHARE), replace=False)
        scale[outliers] *= OUTLIER_FACTOR
        parameters = [
            self.weight(f"{name}.weight", scale),
            self.weight(f"{name}.bias", random.normal(0, 0.1, width)),
        ]
        return self.node("LayerNormalization", [x, *parameters], name, axis=-1, epsilon=1e-12)

    def gelu(self, x: str, name: str) -> str:
        """0.5 x (1 + erf(x / sqrt(2))), in the order that PyTorch exports it."""
        scaled = self.node("Div", [x, self.weight("sqrt2", np.float32(2**0.5))], f"{name}.div")
        erf = self.node("Erf", [scaled], f"{name}.erf")
        y = self.node("Add", [erf, self.weight("one", np.float32(1))], f"{name}.add")
        y = self.node("Mul", [x, y], f"{name}.mul")
        return self.node("Mul", [y, self.weight("half", np.float32(0.5))], name)

    def additive_mask(self) -> str:
        """0 where a token counts, -10000 where it is padding; [N, 1, 1, length]."""
        axes = [self.weight(f"axis{axis}", np.array([axis])) for axis in (1, 2)]
        mask = self.node("Unsqueeze", ["attention_mask", axes[0]], "mask.unsqueeze1")
        mask = self.node("Unsqueeze", [mask, axes[1]], "mask.unsqueeze2")
        mask = self.node("Cast", [mask], "mask.cast", to=onnx.TensorProto.FLOAT)
        mask = self.node("Sub", [self.weight("one", np.float32(1)), mask], "mask.sub")
        return self.node("Mul", [mask, self.weight("minus", np.float32(-10000))], "mask")

    def attention(self, x: str, mask: str, name: str, width: int, heads: int) -> str:
        size = width // heads
        split = self.weight("split_heads", np.array([0, 0, heads, size]))
        merge = self.weight("merge_heads", np.array([0, 0, width]))

        def projected(part: str, perm: list[int]) -> str:
            y = self.linear(x, f"{name}.{part}", width, width)
            y = self.node("Reshape", [y, split], f"{name}.{part}.reshape")
            return self.node("Transpose", [y], f"{name}.{part}.transpose", perm=perm)

        query = projected("query", [0, 2, 1, 3])
        key = projected("key", [0, 2, 3, 1])
        value = projected("value", [0, 2, 1, 3])
        scores = self.node("MatMul", [query, key], f"{name}.scores")
        root = self.weight("sqrt_size", np.float32(size**0.5))
        scores = self.node("Div", [scores, root], f"{name}.scaled")
        scores = self.node("Add", [scores, mask], f"{name}.masked")
        shares = self.node("Softmax", [scores], f"{name}.softmax", axis=-1)
        y = self.node("MatMul", [shares, value], f"{name}.context")
        y = self.node("Transpose", [y], f"{name}.context.transpose", perm=[0, 2, 1, 3])
        y = self.node("Reshape", [y, merge], f"{name}.context.reshape")
        return self.linear(y, f"{name}.output", width, width)


def transformer(shape: TransformerShape) -> onnx.ModelProto:
    """The encoder, opset 17, inputs int64 [N, 128]."""
    graph, width = _Encoder(shape.name), shape.width
    mask = graph.additive_mask()
    words = graph.heavy_tailed("words", VOCABULARY, width)
    x = graph.node("Gather", [words, "input_ids"], "embedding", axis=0)
    x = graph.node("Add", [x, graph.heavy_tailed("positions", 1, SEQUENCE, width)], "positioned")
    x = graph.layer_norm(x, "embedding_norm", width)
    for index in range(shape.layers):
        name = f"layer{index}"
        y = graph.attention(x, mask, f"{name}.attention", width, shape.heads)
        x = graph.node("Add", [y, x], f"{name}.attention.residual")
        x = graph.layer_norm(x, f"{name}.attention_norm", width)
        y = graph.linear(x, f"{name}.inner", width, shape.inner)
        y = graph.linear(graph.gelu(y, f"{name}.gelu"), f"{name}.outer", shape.inner, width)
        x = graph.node("Add", [y, x], f"{name}.residual")
        x = graph.layer_norm(x, f"{name}.norm", width)
    outputs = _classifier(graph, x, shape) if shape.pooling == "classify" else _mean(graph, x)
    ids = ("int64", ["N", SEQUENCE])
    size = shape.classes if shape.pooling == "classify" else width
    return graph.model({"input_ids": ids, "attention_mask": ids}, {outputs: ["N", size]})


def _classifier(graph: _Encoder, x: str, shape: TransformerShape) -> str:
    first = graph.weight("first", np.array(0))
    x = graph.node("Gather", [x, first], "pooler.first", axis=1)
    x = graph.node("Tanh", [graph.gemm(x, "pooler", shape.width, shape.width)], "pooler.tanh")
    return graph.gemm(x, "logits", shape.width, shape.classes)


def _mean(graph: _Encoder, x: str) -> str:
    """Mean of the tokens that count, of length one, as sentence embeddings are."""
    last, tokens = graph.weight("axis2", np.array([2])), graph.weight("axis1", np.array([1]))
    mask = graph.node("Unsqueeze", ["attention_mask", last], "mean.unsqueeze")
    mask = graph.node("Cast", [mask], "mean.cast", to=onnx.TensorProto.FLOAT)
    x = graph.node("Mul", [x, mask], "mean.mul")
    total = graph.node("ReduceSum", [x, tokens], "mean.sum", keepdims=0)
    count = graph.node("ReduceSum", [mask, tokens], "mean.count", keepdims=0)
    mean = graph.node("Div", [total, count], "mean")
    length = graph.node("ReduceL2", [mean], "mean.length", axes=[-1], keepdims=1)
    return graph.node("Div", [mean, length], "embedding_of_sentence")
