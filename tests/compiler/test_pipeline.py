"""Pipeline text: what it reads, what it refuses and why, and that printing is canonical."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdsl.context import Context
from xdsl.dialects.builtin import ModuleOp
from xdsl.passes import ModulePass

from compiler import pipeline as module_under_test
from compiler.errors import InternalCompilerError
from compiler.pipeline import (
    Instrument,
    PassManager,
    parse_pipeline,
    print_pipeline,
)
from dialects.context import OctetContext
from dialects.errors import OctetError


@dataclass(frozen=True)
class Sample(ModulePass):
    """A pass with an option of every type."""

    name = "sample"

    count: int = 1
    share: int | float = 0.5
    flag: bool = False
    word: str = "plain"
    choice: Literal["a", "b"] = "a"
    names: tuple[str, ...] | None = None
    sizes: tuple[int, ...] = ()

    def apply(self, ctx: Context, op: ModuleOp) -> None:
        if self.word == "fail":
            raise ZeroDivisionError("on purpose")


@pytest.fixture(autouse=True)
def sample_is_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {**module_under_test.available_passes(), "sample": lambda: Sample}
    monkeypatch.setattr(module_under_test, "available_passes", lambda: table)


def test_every_option_is_printed() -> None:
    assert print_pipeline(parse_pipeline("sample,cse")) == (
        "sample{count=1 share=0.5 flag=false word=plain choice=a names sizes},cse"
    )


@pytest.mark.parametrize(
    "text",
    [
        "cse,sample{count=2}",
        "builtin.module(cse,sample{count=2})",
        " builtin.module ( cse , sample{ count=2 } ) ",
        "cse,\n  sample{count=2}",
    ],
)
def test_spellings_of_one_pipeline(text: str) -> None:
    _, sample = parse_pipeline(text)
    assert sample == Sample(count=2)


def test_values_of_every_type() -> None:
    text = 'sample{share=1.0e-05 flag=true word="a \\"b\\" {c}" choice=b names=x,"y z" sizes=1,2}'
    (sample,) = parse_pipeline(text)
    assert sample == Sample(
        share=1e-5, flag=True, word='a "b" {c}', choice="b", names=("x", "y z"), sizes=(1, 2)
    )


words = st.text(st.characters(codec="utf-8", exclude_characters="\r\f\v", exclude_categories=["C"]))


@given(
    st.builds(
        Sample,
        count=st.integers(),
        share=st.floats(allow_nan=False, allow_infinity=False),
        flag=st.booleans(),
        word=words,
        names=st.none() | st.lists(words, min_size=1, max_size=3).map(tuple),
        sizes=st.lists(st.integers(), max_size=3).map(tuple),
    )
)
def test_printing_and_parsing_are_inverse(sample: Sample) -> None:
    table = {"sample": lambda: Sample}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module_under_test, "available_passes", lambda: table)
        assert parse_pipeline(print_pipeline([sample])) == (sample,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no-such-pass", "there is no pass 'no-such-pass'"),
        ("csee", "did you mean cse"),
        ("sample{cout=1}", "has no option 'cout' (its options: count, share"),
        ("sample{count=many}", "option 'count' takes int, got many"),
        ("sample{choice=c}", "option 'choice' takes a or b, got c"),
        ("sample{count=1,2}", "option 'count' takes int, got 1,2"),
        ("sample{count}", "option 'count' takes int, got nothing"),
        ("sample{", "cannot be read"),
        ("sample}", "cannot be read"),
        ("cse sample{}{}", "cannot be read"),
    ],
)
def test_mistakes_are_named(text: str, message: str) -> None:
    with pytest.raises(OctetError) as error:
        parse_pipeline(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_failing_pass_is_named() -> None:
    failures: list[str] = []

    class Watch(Instrument):
        def failed(self, module_pass: ModulePass, ctx: OctetContext, error: Exception) -> None:
            failures.append(module_pass.name)

    with pytest.raises(InternalCompilerError, match="pass sample failed: ZeroDivisionError"):
        PassManager([Watch()]).run(OctetContext(), ModuleOp([]), [Sample(word="fail")])
    assert failures == ["sample"]


def test_instruments_nest() -> None:
    events: list[str] = []

    @dataclass
    class Watch(Instrument):
        name: str

        def before(self, module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
            events.append(f"{self.name} before")

        def after(self, module_pass: ModulePass, ctx: OctetContext, module: ModuleOp) -> None:
            events.append(f"{self.name} after")

    PassManager([Watch("outer"), Watch("inner")]).run(OctetContext(), ModuleOp([]), [Sample()])
    assert events == ["outer before", "inner before", "inner after", "outer after"]
