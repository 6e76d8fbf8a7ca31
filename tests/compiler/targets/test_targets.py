"""Target files: building on one another, printing, and what is wrong with them, by line."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.cli import compile as compile_tool
from compiler.targets import load_target, target_names
from compiler.targets.layers import line_of
from dialects.errors import OctetError
from dialects.target import Limits


def write(folder: Path, text: str, name: str = "mine.toml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_the_targets_that_come_with_octet() -> None:
    assert set(target_names()) == {
        "host", "portable", "u8-activations-only", "x86-amx", "x86-avx2", "x86-avx512-bf16",
        "x86-avx512-vnni",
    }  # fmt: skip
    amx = load_target("x86-amx")
    assert (amx.isa, amx.int8["conv"].activations) == ("amx", ("u8", "s8"))
    assert amx.int8 == load_target("portable").int8
    u8 = load_target("u8-activations-only")
    assert {rule.activations for rule in u8.int8.values()} == {("u8",)}
    assert u8.int8["conv"].products == ("u8xs8", "u8xu8")
    assert u8.bf16 == amx.bf16


def test_tables_merge_and_false_removes(tmp_path: Path) -> None:
    write(tmp_path, 'extends = "portable"\nisa = "avx2"\n[int8]\nmatmul = false\n', "base.toml")
    target = load_target(
        write(
            tmp_path,
            'extends = "base.toml"\n[int8.conv]\nkernel_sizes = [1, 3]\ngroups = ["one"]\n'
            '[f16]\noperators = ["conv"]\n[rates]\ncall_ns = 5\n',
        )
    )
    assert target.isa == "avx2"
    assert "matmul" not in target.int8
    assert target.int8["conv"].constant == ("weight", "bias")
    assert target.limits == {("int8", "conv"): Limits(kernel_sizes=(1, 3), groups=("one",))}
    assert target.f16 == {"conv"}
    assert target.rates.call_ns == 5


@pytest.mark.parametrize("name", target_names())
def test_what_is_printed_is_a_whole_target(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert compile_tool.main(["--print-target", name]) == 0
    printed = capsys.readouterr().out
    assert "extends" not in printed
    path = write(tmp_path, printed, f"{name}.toml")
    assert load_target(path) == load_target(name)
    assert compile_tool.main(["--print-target", path]) == 0
    assert capsys.readouterr().out == printed


def test_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert compile_tool.main(["--list-targets"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == target_names()
    assert lines[0].split()[:2] == ["host", "host"]
    assert all(len(line.split()) > 3 for line in lines)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ('isa = "avx2"\nsia = 1', 2, "unknown key 'sia'; expected extends, description, isa"),
        ("[int8]\n", 1, "key 'isa' is missing"),
        ('isa = "avx3"', 1, "'isa' should be one of host, amx"),
        ('isa = "avx2"\nextends = "x87"', 2, "'extends' should name a target (portable"),
        ('isa = "avx2"\nextends = "mine.toml"', 2, "'extends' leads back to"),
        ('isa = "avx2"\n[int8]\nexp = {}', 3, "no int8 kernel implements 'exp'; expected any of"),
        ('isa = "avx2"\n[int8]\nadd = 3', 3, "'int8.add' should be a table, got 3"),
        ('isa = "avx2"\n[int8.add]\nop = 3', 3, "unknown key 'int8.add.op'; expected operands"),
        ('isa = "avx2"\n[int8]\nadd = {op = 3}', 3, "unknown key 'int8.add.op'"),
        ('isa = "avx2"\n[int8.conv]\noperands = ["u8"]', 3, "one of u8xu8, u8xs8, s8xu8"),
        ('isa = "avx2"\n[int8.conv]\nconstant = []', 3, "should list weight"),
        (
            'isa = "avx2"\n[int8]\nactivations = ["u8"]\n\n[int8.add]\noperands = ["s8"]',
            6,
            "lists s8, but 'int8.activations' allows u8: no operand type is left",
        ),
        ('isa = "avx2"\n[int8]\nzero_point = 1', 3, "'int8.zero_point' should be 0 or left out"),
        ('isa = "avx2"\n[int8]\nzero_point = 0', 3, "needs 'int8.activations' to be u8 alone"),
        ('isa = "avx2"\n[int8.conv]\nstrides = [0]', 3, "should be integers of at least 1"),
        ('isa = "avx2"\n[int8.conv]\ngroups = ["2"]', 3, "one of one, depthwise, grouped"),
        ('isa = "avx2"\n[bf16]\noperators = ["exp"]', 3, "lists 'exp', which has no 16-bit form"),
        ('isa = "avx2"\n[f16]\nconv = {}', 3, "unknown key 'f16.conv'; expected operators"),
        ('isa = "avx2"\n\n[rates]\ncall_ns = 0', 3, "'rates.call_ns' should be a number"),
        ('isa = "avx2"\ndescription = 1', 2, "'description' should be one line"),
    ],
)
def test_errors_name_file_and_line(text: str, line: int, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, text)
    with pytest.raises(OctetError) as error:
        load_target(path)
    assert str(error.value).startswith(f"{path}:{line}: ")
    assert message in str(error.value)


def test_an_error_in_a_base_names_the_base(tmp_path: Path) -> None:
    write(tmp_path, 'isa = "avx2"\n[int8]\nadd = 3\n', "base.toml")
    with pytest.raises(OctetError, match=r"base\.toml:3: 'int8.add'"):
        load_target(write(tmp_path, 'extends = "base.toml"\n'))


def test_lines_of_keys() -> None:
    text = 'isa = "a"\n# b = 1\n[int8]\nconv = { b = 1 }\n["x"."y"]\nz = [\n  1,\n]\n'
    assert line_of(text, ("isa",)) == 1
    assert line_of(text, ("int8", "conv", "b")) == 4
    assert line_of(text, ("int8", "matmul")) == 3
    assert line_of(text, ("x", "y", "z")) == 6
