"""Work counted by hand, and the roofline over it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from xdsl.dialects.builtin import TensorType, f32
from xdsl.ir import Block, SSAValue

from dialects.cost import Work, nanoseconds, stored_bytes, work_of
from dialects.nn.attention import AttentionOp
from dialects.nn.base import NnOp
from dialects.nn.elementwise import AddOp, GeluOp, ReluOp
from dialects.nn.linear import ConvOp, MatmulOp
from dialects.nn.movement import GatherOp, TransposeOp
from dialects.nn.pooling import MaxPoolOp
from dialects.nn.reduction import ReduceMeanOp
from dialects.rates import DEFAULT_RATES, LEVELS, PRECISIONS, RATES_OF_ISA, TABLES
from runtime.kernels.isa import ISAS


def values(*shapes: tuple[int, ...]) -> tuple[SSAValue, ...]:
    return Block(arg_types=[TensorType(f32, shape) for shape in shapes]).args


def conv(
    x: tuple[int, ...], weight: tuple[int, ...], groups: int = 1, stride: int = 1, dilation: int = 1
) -> ConvOp:
    image, kernel = values(x, weight)
    pads = [dilation * (size // 2) for size in weight[2:]] * 2
    rank = len(weight) - 2
    return ConvOp.make(
        image, kernel, None, None,
        strides=[stride] * rank, pads=pads, dilations=[dilation] * rank, groups=groups,
    )  # fmt: skip


def counts(op: NnOp, precision: str, lanes: int = 16) -> dict[str, Any]:
    return dict(work_of(op, precision, stored_bytes, lanes).counts)


def test_products_are_whole_registers_and_steps() -> None:
    # 8 x 8 results of 24 channels (2 registers of 16); 3 lines of 3 pixels of 3 channels: 9 bytes
    # are 3 steps of 4.
    op = conv((1, 3, 8, 8), (24, 3, 3, 3))
    sums = 64 * 32
    assert counts(op, "int8") == {"products": sums * 3 * 12, "results": sums}
    assert counts(op, "bf16") == {"products": sums * 3 * 10, "results": sums}
    assert counts(op, "f32") == {"products": sums * 3 * 9, "results": sums}
    assert counts(op, "f32", lanes=8) == {"products": 64 * 24 * 27, "results": 64 * 24}


def test_a_window_with_gaps_has_a_segment_per_pixel() -> None:
    op = conv((1, 3, 8, 8), (16, 3, 3, 3), dilation=2)
    assert counts(op, "int8")["products"] == 64 * 16 * 9 * 4
    assert counts(op, "f32")["products"] == 64 * 16 * 27


def test_groups_are_rounded_up_each() -> None:
    op = conv((1, 8, 4, 4), (8, 4, 1, 1), groups=2)
    assert counts(op, "f32") == {"products": 2 * 16 * 16 * 4, "results": 2 * 16 * 16}


def test_a_line_is_one_segment() -> None:
    image, kernel = values((1, 2, 10), (16, 2, 3))
    op = ConvOp.make(image, kernel, None, None, strides=[1], pads=[1, 1], dilations=[1], groups=1)
    assert counts(op, "int8")["products"] == 10 * 16 * 8


def test_depthwise() -> None:
    assert counts(conv((1, 24, 8, 8), (24, 1, 3, 3), 24), "int8") == {"taps": 24 * 64 * 9}
    strided = conv((1, 24, 8, 8), (24, 1, 3, 3), 24, stride=2)
    assert counts(strided, "int8") == {"taps": 1.5 * 64 * 16 * 9}
    assert counts(strided, "f32") == {"taps": 1.5 * 32 * 16 * 9}


def test_matmul_with_a_residual() -> None:
    a, b, residual = values((2, 5, 7), (7, 10), (2, 5, 10))
    op = MatmulOp.make(a, b, None, residual)
    assert counts(op, "int8") == {"products": 160 * 8, "results": 160, "residuals": 160}
    vector, matrix = values((7,), (7, 10))
    assert counts(MatmulOp.make(vector, matrix, None, None), "f32")["products"] == 7 * 16
    assert counts(MatmulOp.make(*values((10, 7), (7,)), None, None), "f32")["results"] == 10 * 16


def test_empty_operands_cost_a_call() -> None:
    op = MatmulOp.make(*values((0, 4), (4, 0)), None, None)
    assert nanoseconds(work_of(op, "f32", stored_bytes, 16), DEFAULT_RATES) == pytest.approx(
        DEFAULT_RATES.call_ns
    )


def test_other_families() -> None:
    (x,) = values((1, 4, 6, 6))
    pool = MaxPoolOp.make(
        x, kernel=[2, 2], strides=[2, 2], pads=[0] * 4, dilations=[1, 1], ceil_mode=False
    )
    assert counts(pool, "f32") == {"windows": 36 * 4}
    mean = ReduceMeanOp.make(x, axes=[2, 3], keepdims=True)
    assert counts(mean, "int8") == {"windows": 2 * 144}
    q, k = values((1, 8, 32), (1, 16, 32))
    attention = AttentionOp.make(q, k, k, None, heads=2, scale=1.0)
    assert counts(attention, "f32") == {
        "products": attention.macs(), "instructions": 15 * 2 * 8 * 16,
    }  # fmt: skip
    assert counts(TransposeOp.make(x, permutation=[0, 2, 3, 1]), "f32") == {}


def test_long_functions_of_few_bits_are_tables() -> None:
    (x,) = values((4, 8))
    gelu, relu = GeluOp.make(x, approximate="none"), ReluOp.make(x)
    assert counts(gelu, "int8") == counts(gelu, "bf16") == {"lookups": 32}
    assert counts(relu, "int8") == {"lookups": 32}
    assert counts(relu, "bf16") == {"instructions": 64}
    assert counts(gelu, "f32")["instructions"] > counts(relu, "f32")["instructions"]
    add = AddOp.make(x, x)
    assert counts(add, "int8")["instructions"] > counts(add, "f32")["instructions"]


def test_a_gather_reads_what_it_writes() -> None:
    table, indices = Block(arg_types=[TensorType(f32, [1000, 8]), TensorType(f32, [2])]).args
    op = GatherOp.make(table, indices, axis=0)
    assert work_of(op, "f32", stored_bytes, 16).bytes == 2 * 2 * 8 * 4


def test_the_roofline_is_the_greater_of_two() -> None:
    rates = replace(
        DEFAULT_RATES,
        call_ns=10,
        products={"int8": 4.0, "f32": 2.0},
        results={"int8": 1.0, "f32": 1.0},
        bandwidth={"L1": 8.0, "L2": 4.0, "L3": 2.0, "memory": 1.0},
        capacity={"L1": 100.0, "L2": 200.0, "L3": 300.0},
    )
    counted = {"products": 40.0, "results": 5.0}
    assert nanoseconds(Work("f32", counted, 80), rates) == 10 + 20 + 5
    assert nanoseconds(Work("int8", counted, 80), rates) == 10 + 10 + 5
    # 150 bytes are in L2, 250 in L3, 350 in memory.
    assert nanoseconds(Work("int8", counted, 150), rates) == 10 + 150 / 4
    assert nanoseconds(Work("int8", counted, 250), rates) == 10 + 250 / 2
    assert nanoseconds(Work("int8", {}, 350), rates) == 10 + 350


def test_every_instruction_set_has_complete_rates() -> None:
    assert set(RATES_OF_ISA) == {isa.name for isa in ISAS}
    for name, rates in RATES_OF_ISA.items():
        for table in TABLES:
            rate = getattr(rates, table)
            assert set(rate) == set(PRECISIONS), (name, table)
            assert all(value > 0 for value in rate.values())
        assert list(rates.bandwidth) == list(LEVELS)
        speeds = list(rates.bandwidth.values())
        assert speeds == sorted(speeds, reverse=True)
    for isa in ISAS:
        assert RATES_OF_ISA[isa.name].lanes == max(1, isa.vector_bytes // 4)
