from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from compiler.cli.errors import describe
from dialects.errors import OctetError
from dialects.nn.base import NnOp
from passes.placement.selectors import SelectorError, select, selectable_ops
from passes.placement.selectors.parser import MAX_DEPTH, MAX_LENGTH, MAX_STEPS
from passes.simplify.fuse_activation import FuseActivationPass
from passes.simplify.fuse_residual import FuseResidualPass

Picks = Callable[[str], list[int]]


def marked(text: str, error: SelectorError) -> str:
    """The part of `text` that the carets stand under."""
    shown, carets = error.excerpt.split("\n")
    assert shown == f"  {text}"
    start = carets.index("^")
    return shown[start : start + carets.count("^")]


@pytest.mark.parametrize(
    ("selector", "at", "message"),
    [
        ("", "", "expected type:..., name:..."),
        ("conv", "conv", "write type:conv, name:conv, or another of type:..."),
        ("name:", "name:", "needs something behind the colon"),
        ("name:''", "name:''", "needs something behind the colon"),
        ("name: x", "name:", "needs something behind the colon"),
        ("kind:conv", "kind:", "there is no 'kind:'; expected type:..."),
        ("type conv", "type", "'type' is followed by a colon"),
        ("first", "first", "'first' needs parentheses"),
        ("first()", ")", "first takes how many, at least 1"),
        ("last(0)", "0", "last takes how many, at least 1"),
        ("first(2", "", "(at its end): ')' is expected here after the operands of first"),
        ("type:conv type:relu", "type:relu", "'and', 'or' or the end is expected"),
        ("name:my conv", "conv", "a name with white space goes in quotes"),
        ("type:conv, type:relu", ",", "combine several with 'or'"),
        ("type:conv)", ")", "this parenthesis was not opened"),
        ("(type:conv", "", "')' is expected here to close the parenthesis"),
        ("type:conv and", "", "expected type:"),
        ("type:conv or or type:relu", "or", "expected type:"),
        ("not", "", "expected type:"),
        ("between(type:conv)", ")", "',' is expected here and a second selector"),
        ("users()", ")", "expected type:"),
        ("name:'abc", "'", "this quote is not closed"),
        ("name:abc(", "(", "this parenthesis is not closed"),
        ("type:conv and name:f(x", "(", "this parenthesis is not closed"),
        ("pattern()", ")", "an op type is expected here"),
        ("pattern(conv->)", ")", "an op type is expected here"),
        ("pattern(conv-relu)", "-", "')' is expected here or -> and the next step"),
        ("pattern(conv|->relu)", "-", "an op type is expected here"),
        ("pattern((conv->relu)", "-", "')' is expected here to close"),
        ("pattern(conv)[]", "]", "an index or a slice is expected here"),
        ("pattern(conv)[1", "", "']' is expected here"),
        ("pattern(conv)[::0]", "::0", "steps of 0"),
        ("pattern(conv->relu)[:, 2]", "2", "the pattern has 2 steps, none is there"),
        ("index:conv", "conv", "an index is written index:conv[0]"),
        ("index:[]", "]", "an index or a slice is expected here"),
        ("index:[1:2", "[1:2", "an index is written"),
        ("index:[1:2:3:4]", ":", "']' is expected here"),
        ("index:conv[1]x", "conv[1]x", "an index is written"),
    ],
)
def test_malformed(picks: Picks, selector: str, at: str, message: str) -> None:
    with pytest.raises(SelectorError, match=re.escape(message)) as caught:
        picks(selector)
    assert "is not understood" in caught.value.message
    assert marked(selector, caught.value) == at


@pytest.mark.parametrize(
    ("selector", "at", "message"),
    [
        ("name:blok.act", "name:blok.act", "nearest: block.act, "),
        ("name:zzzzzzzz", "name:zzzzzzzz", "; there are stem.conv, stem.act, pool, "),
        ("name:relu", "name:relu", "; type:relu is a type"),
        ("name:block.*", "name:block.*", "as a shell pattern, glob:block.*, it matches 5"),
        ("glob:blok.*", "glob:blok.*", "nearest: block."),
        ("re:block", "re:block", "has to match a whole name; 5 ops have a name with it"),
        ("re:zzzzzzzz", "re:zzzzzzzz", "; there are stem.conv"),
        ("type:cnov", "type:cnov", "; nearest: conv"),
        ("type:Gelu", "type:Gelu", "the program has no gelu; there are add, conv, "),
        ("index:conv[4]", "index:conv[4]", ": the program has 4 convs"),
        ("index:gelu[0]", "index:gelu[0]", ": the program has no gelu"),
        ("index:[99:]", "index:[99:]", ": the program has 12 ops"),
        ("between(name:head, name:pool)", None, "one leads from the second to the first"),
        ("users(name:prob)", None, "the program's outputs are all"),
        ("producers(name:stem.conv)", None, "inputs and constants of the program"),
        ("not glob:*", None, "glob:* is every op"),
        ("type:relu and type:conv", None, "type:relu matches 3, type:conv matches 4"),
        # The caret is at the atom, wherever it stands.
        ("type:conv and name:haed", "name:haed", "nearest: head"),
        ("type:conv or name:haed", "name:haed", "nearest: head"),
        ("not name:haed", "name:haed", "nearest: head"),
        ("first(2, users(name:haed))", "name:haed", "nearest: head"),
        ("pattern(conv->cnov)", "cnov", "there is no op type 'cnov'; nearest: conv"),
        ("pattern(gelu->conv)", "gelu", "the program has no gelu"),
        ("pattern(conv->gelu)", "gelu", "conv occurs, but no gelu after it; what follows is add"),
        ("pattern(conv->softmax->relu)", "relu", "conv->softmax occurs, but no relu after it"),
        ("pattern(conv->conv)[5]", None, ": the pattern matches 2 times"),
    ],
)
def test_matching_nothing(picks: Picks, selector: str, at: str | None, message: str) -> None:
    with pytest.raises(SelectorError, match=re.escape(message)) as caught:
        picks(selector)
    assert "matches no op" in caught.value.message
    assert marked(selector, caught.value) == (selector if at is None else at)


@pytest.mark.parametrize(
    ("selector", "at", "message"),
    [
        ("re:[a", "[", "unterminated character set"),
        ("re:'a('", "(", "unterminated subpattern"),
        ("re:*", "*", "nothing to repeat"),
        ("re:(a+)+", "+", "a repeat of something that repeats"),
        ("re:((a|b)*c){2,}", "{", "a repeat of something that repeats"),
        ("re:(.*,)*", "*", "a repeat of something that repeats"),
        ("re:(a{1,99}){99}", "{", "a repeat of something that repeats"),
    ],
)
def test_bad_regular_expressions(picks: Picks, selector: str, at: str, message: str) -> None:
    with pytest.raises(SelectorError, match=message) as caught:
        picks(selector)
    assert marked(selector, caught.value) == at


@pytest.mark.parametrize(
    "expression", [r"(a|b)*", r"(ab?){2}c+", r"[(+]+(x)", r"\(+(a\+)*", "a+b+"]
)
def test_harmless_repeats_are_regular_expressions(picks: Picks, expression: str) -> None:
    with pytest.raises(SelectorError, match="matches no op"):
        picks(f"re:'{expression}'")


def test_a_fused_type_says_so(residual: Any) -> None:
    residual.apply(FuseResidualPass(), FuseActivationPass())
    ops = selectable_ops(residual.module)
    message = "it is fused into other ops (3 in conv), which pattern(relu) selects"
    with pytest.raises(SelectorError, match=re.escape(message)):
        select("type:Relu", ops)


@pytest.mark.parametrize(
    "selector",
    [
        "(" * 10_000,
        "not " * 3_000 + "type:conv",
        "first(1, " * (MAX_DEPTH + 1) + "type:conv" + ")" * (MAX_DEPTH + 1),
        "type:conv" + " " * MAX_LENGTH,
        f"pattern({'->'.join(['*'] * (MAX_STEPS + 1))})",
        "index:[" + "9" * 5_000 + "]",
    ],
)
def test_sizes_are_bounded(picks: Picks, selector: str) -> None:
    with pytest.raises(SelectorError, match=r"at most|nests|expected"):
        picks(selector)


def test_as_deep_as_allowed(picks: Picks) -> None:
    depth = MAX_DEPTH - 1
    assert picks("(" * depth + "name:head" + ")" * depth) == [10]
    assert picks(" or ".join(["name:head"] * 1_000)) == [10]


def test_a_long_selector_is_shown_around_the_caret(picks: Picks) -> None:
    selector = " or ".join(["name:head"] * 30) + " or name:haed or " + "name:head"
    with pytest.raises(SelectorError) as caught:
        picks(selector)
    shown, carets = caught.value.excerpt.split("\n")
    assert len(shown) <= 108
    start = carets.index("^")
    assert shown[start : start + carets.count("^")] == "name:haed"


def test_the_tools_keep_the_caret_on_its_own_line(picks: Picks) -> None:
    with pytest.raises(OctetError) as caught:
        picks("name:'a\nb'")
    first, shown, carets = describe(caught.value).split("\n")
    assert first.startswith("selector 'name:'a b'' matches no op")
    assert shown == "  name:'a b'"
    assert carets == "  ^^^^^^^^^^"


def test_what_matches_nothing_may_be_noted_instead(ops: list[NnOp]) -> None:
    notes: list[str] = []

    def note(error: SelectorError) -> None:
        notes.append(error.message)

    found = select("name:head or name:haed or index:[99]", ops, unmatched=note)
    assert found == [ops[10]]
    assert [message.split("'")[1] for message in notes] == ["name:haed", "index:[99]"]
    notes.clear()
    assert select("users(name:nobody)", ops, unmatched=note) == []
    assert len(notes) == 1
    with pytest.raises(SelectorError, match="is not understood"):
        select("name:", ops, unmatched=note)


def test_an_error_may_say_where_the_selector_stands(picks: Picks) -> None:
    with pytest.raises(SelectorError) as caught:
        picks("name:haed")
    placed = caught.value.at("r.toml:3")
    assert placed.message == f"r.toml:3: {caught.value.message}"
    assert placed.excerpt == caught.value.excerpt
