"""A network with every kind of neighbourhood, from floats to integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dialects.nn.attributes import RELU
from dialects.nn.elementwise import AddOp, HardSwishOp, MulOp, ReluOp, SigmoidOp, SubOp
from dialects.nn.linear import MatmulOp
from dialects.nn.movement import ConcatOp, PadOp, ReshapeOp, SliceOp, TransposeOp
from dialects.nn.normalization import SoftmaxOp
from dialects.nn.pooling import AvgPoolOp, MaxPoolOp
from dialects.nn.reduction import ReduceMeanOp
from passes.base import OctetPass
from passes.calibrate.calibrate import CalibratePass
from passes.integer.fuse_lookup_table import FuseLookupTablePass
from passes.integer.quantize_ops import QuantizeOpsPass
from passes.placement.place_precision import PlacePrecisionPass
from passes.quantize.insert_qdq import InsertQdqPass
from passes.quantize.propagate_qdq import PropagateQdqPass
from passes.quantize.squash_qdq import SquashQdqPass
from passes.quantize.unify_scales import UnifyScalesPass

Build = Callable[..., Any]


def pipeline(**insert: Any) -> list[OctetPass]:
    return [
        CalibratePass(),
        PlacePrecisionPass(),
        InsertQdqPass(**insert),
        UnifyScalesPass(),
        PropagateQdqPass(),
        SquashQdqPass(),
        QuantizeOpsPass(),
        FuseLookupTablePass(),
        PropagateQdqPass(),
        SquashQdqPass(),
    ]


def everything(network: Build, seed: int = 0) -> Any:
    """Residual, fused and not; concat of a concat; depthwise; squeeze-excite; pools; slice."""
    net = network([1, 3, 12, 12], seed)
    stem = net.conv(net.x, 8, 3, "stem", relu=True)
    deep = net.conv(stem, 8, 3, "depthwise", groups=8)
    deep = net.op(HardSwishOp, deep, layer="swish")
    fused = net.conv(deep, 8, 1, "project", residual=stem, relu=True)
    # Squeeze and excite: mean, two 1x1 convolutions, sigmoid, multiply.
    mean = net.op(ReduceMeanOp, fused, axes=[2, 3], keepdims=True, layer="squeeze")
    gate = net.conv(mean, 4, 1, "reduce", relu=True)
    gate = net.op(SigmoidOp, net.conv(gate, 8, 1, "expand"), layer="gate")
    scaled = net.op(MulOp, fused, gate, layer="excite")
    left = net.conv(scaled, 6, 1, "left")
    right = net.conv(scaled, 10, 3, "right", relu=True)
    inner = net.op(ConcatOp, left, right, axis=1, layer="inner")
    outer = net.op(ConcatOp, inner, scaled, axis=1, layer="outer")
    pooled = net.pool(MaxPoolOp, outer, "max")
    padded = net.op(
        PadOp, pooled, pads=[0, 0, 1, 1, 0, 0, 1, 1], mode="constant", value=0.0, layer="pad"
    )
    body = net.conv(padded, 8, 3, "body")
    other = net.conv(padded, 8, 1, "other")
    total = net.op(AddOp, body, other, layer="add")
    total = net.op(ReluOp, total, layer="relu")
    shifted = net.op(SubOp, total, net.constant([[[[0.25]]]]), layer="shift")
    part = net.op(
        SliceOp, shifted, starts=[0, 2, 0, 0], ends=[2**31, 8, 8, 8], steps=[1] * 4, layer="slice"
    )
    part = net.conv(part, 8, 1, "after")
    part = net.pool(AvgPoolOp, part, "average")
    turned = net.op(TransposeOp, part, permutation=[0, 2, 3, 1], layer="transpose")
    flat = net.op(ReshapeOp, turned, shape=[-2, 16, 8], layer="reshape")
    hidden = net.dense(flat, 16, "hidden", activation=RELU)
    logits = net.dense(hidden, 5, "logits")
    return net.outputs(net.op(SoftmaxOp, logits, axis=2, layer="prob"), logits)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "insert",
    [
        {},
        {"activation_type": "s8", "activation_symmetric": True},
        {"weight_type": "u8", "weight_symmetric": False},
        {"per_channel": False, "reduce_range": True, "float_results": False},
    ],
)
def test_stays_close_to_float_after_every_pass(
    network: Build, sqnr: Any, seed: int, insert: dict[str, Any]
) -> None:
    net = everything(network, seed)
    expected = net.run()
    for one in pipeline(**insert):
        net.apply(one)
        for want, got in zip(expected, net.run(), strict=True):
            assert got.dtype == np.float32
            assert sqnr(want, got) > 18.0, one.name
    if not insert:
        assert min(sqnr(w, g) for w, g in zip(expected, net.run(), strict=True)) > 25.0


def test_one_conversion_in_and_none_out(network: Build) -> None:
    net = everything(network).apply(*pipeline())
    # The input is quantized once; the last product gives floats from its sums.
    assert net.count("quant.qcast") == 1
    assert net.count("quant.dcast") == 0
    float_ops = {op.mnemonic for op in net.layers().values() if not op.is_int8}
    assert float_ops == {"softmax"}


def test_every_pass_is_idempotent_and_deterministic(network: Build) -> None:
    texts: list[list[str]] = []
    for _ in range(2):
        net = everything(network)
        texts.append([])
        for one in pipeline():
            once = net.apply(one).text()
            assert net.apply(one).text() == once, one.name
            texts[-1].append(once)
    assert texts[0] == texts[1]


@pytest.mark.parametrize("index", [4, 5, 7, 8, 9])
def test_exact_passes_keep_every_bit(network: Build, index: int) -> None:
    """propagate, squash and fuse-lookup-table, in their places in the pipeline."""
    net = everything(network).apply(*pipeline()[:index])
    before = net.run()
    net.apply(pipeline()[index])
    for want, got in zip(before, net.run(), strict=True):
        assert np.array_equal(want, got)


def test_quantize_ops_is_one_step_from_fake_quantization(network: Build) -> None:
    """Per op: the same quantized operands give stored results at most one apart."""
    net = network([1, 3, 6, 6])
    stem = net.conv(net.x, 8, 3, "stem", relu=True)
    net.outputs(net.conv(stem, 8, 3, "body", residual=net.conv(stem, 8, 1, "skip")))
    net.apply(*pipeline(float_results=False)[:6])
    before = net.run()[0]
    net.apply(QuantizeOpsPass())
    element = net.layers()["body"].results[0].type.element_type
    (step,) = element.scales.get_values()
    difference = np.abs(before - net.run()[0]) / step
    # Three ops in a row: a step of each may move the next.
    assert difference.max() <= 3.01
    assert np.mean(difference > 0.5) < 0.05


def test_batch_size_is_free(network: Build) -> None:
    net = everything(network).apply(*pipeline())
    many = net.noise(3, 5)
    together = net.run(many)[1]
    alone = np.concatenate([net.run(many[i : i + 1])[1] for i in range(5)])
    assert np.array_equal(together, alone)


def test_transformer_block_keeps_its_residuals_in_float(network: Build, sqnr: Any) -> None:
    """Matrix products in int8; the residual behind the last one is added in float."""
    net = network([1, 6, 16])
    hidden = net.dense(net.x, 32, "up")
    hidden = net.op(HardSwishOp, hidden, layer="act")
    down = net.op(
        MatmulOp, hidden, net.constant(net.random.normal(size=(32, 16)) / 6),
        net.constant(np.zeros(16)), net.x, layer="down", activation=RELU,
    )  # fmt: skip
    net.outputs(net.op(SoftmaxOp, down, axis=-1, layer="prob"), down)
    expected = net.run()
    net.apply(*pipeline())
    assert sqnr(expected[1], net.run()[1]) > 30.0
    ops = [op for op in net.block.ops if op.name.startswith("nn.")]
    assert [op.mnemonic for op in ops[-4:]] == ["matmul", "add", "relu", "softmax"]
    assert [op.precision.data.value for op in ops[-4:]] == ["int8", "f32", "f32", "f32"]
    assert net.count("quant.qcast") == 1
