from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from compiler.rates.table import rates_of, rates_text
from compiler.targets import load_target, target_names
from dialects.errors import OctetError
from dialects.rates import RATES_OF_ISA

PATH = Path("mine.toml")
STANDARD = RATES_OF_ISA["avx2"]


def test_what_is_written_can_be_read() -> None:
    for rates in RATES_OF_ISA.values():
        table = tomllib.loads(rates_text(rates))["rates"]
        assert set(table) == {field.name for field in dataclasses.fields(rates)}
        assert rates_of(PATH, table, STANDARD) == rates


def test_what_a_table_leaves_out_is_the_standard() -> None:
    rates = rates_of(PATH, {"call_ns": 7, "products": {"int8": 500}}, STANDARD)
    assert rates.call_ns == 7
    assert rates.products == {**STANDARD.products, "int8": 500}
    assert dataclasses.replace(rates, call_ns=STANDARD.call_ns, products=STANDARD.products) == (
        STANDARD
    )


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (3, "mine.toml: 'rates' should be a table"),
        ({"flops": 1}, "unknown key 'rates.flops'; expected lanes, call_ns"),
        ({"products": 1}, "'rates.products' should be a table by int8, bf16, f16, f32"),
        ({"products": {"i4": 1}}, "unknown key 'rates.products.i4'; expected int8"),
        ({"bandwidth": {"L4": 1}}, "unknown key 'rates.bandwidth.L4'; expected L1, L2, L3, memory"),
        ({"capacity": {"memory": 1}}, "unknown key 'rates.capacity.memory'"),
        ({"call_ns": 0}, "'rates.call_ns' should be a number greater than 0, got 0"),
        ({"call_ns": True}, "got True"),
        ({"call_ns": float("nan")}, "got nan"),
        ({"products": {"int8": "fast"}}, "'rates.products.int8' should be a number"),
        ({"capacity": {"L1": 1e9}}, "'rates.capacity' should grow from L1 to L3"),
    ],
)
def test_wrong_tables(table: object, message: str) -> None:
    with pytest.raises(OctetError, match=r"mine\.toml") as error:
        rates_of(PATH, table, STANDARD)
    assert message in str(error.value)


def test_targets_have_rates(tmp_path: Path) -> None:
    for name in target_names():
        assert load_target(name).rates.products["int8"] > 0
    assert load_target("x86-amx").rates == RATES_OF_ISA["amx"]
    path = tmp_path / "slow.toml"
    path.write_text('isa = "avx2"\n[rates]\nconversions = { int8 = 0.5 }\n')
    rates = load_target(str(path)).rates
    assert rates.conversions["int8"] == 0.5
    assert rates.products == RATES_OF_ISA["avx2"].products
