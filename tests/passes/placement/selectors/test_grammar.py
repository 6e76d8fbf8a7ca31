"""Selectors made by the grammar: they can be read, mean what their parts mean, and only fail with
errors that are meant for users."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dialects.errors import OctetError
from dialects.nn.base import NnOp
from passes.placement.selectors import SelectorError, parse, select

TYPES = st.sampled_from(("conv", "relu", "add", "Sigmoid", "max_pool", "Softmax", "gelu", "cnov"))
SUBSCRIPTS = st.sampled_from(("0", "-1", "1:", ":2", "::2", "9", "-3:-1", ":"))
ATOMS = st.one_of(
    TYPES.map("type:{}".format),
    st.sampled_from(("stem.conv", "block.add", "head", "haed", "'a, b'")).map("name:{}".format),
    st.sampled_from(("block.*", "*.conv?", "[!b]*", "*")).map("glob:{}".format),
    st.sampled_from((r".*\.act", "(stem|block).*", "x{2,3}")).map("re:{}".format),
    st.builds("index:{}[{}]".format, st.just("") | TYPES, SUBSCRIPTS),
    st.builds("{}({})".format, st.sampled_from(("first", "last")), st.integers(1, 4)),
    st.builds(
        "pattern({}){}".format,
        st.lists(TYPES | st.just("*") | st.just("(conv|relu)"), min_size=1, max_size=4).map(
            "->".join
        ),
        st.just("") | SUBSCRIPTS.map("[{}]".format),
    ),
)


def combined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        parts.map("({})".format),
        parts.map("not ({})".format),
        st.builds("({}) and ({})".format, parts, parts),
        st.builds("({}) or ({})".format, parts, parts),
        st.builds("first({}, {})".format, st.integers(1, 3), parts),
        st.builds("between({}, {})".format, parts, parts),
        parts.map("users({})".format),
        parts.map("producers({})".format),
    )


SELECTORS = st.recursive(ATOMS, combined, max_leaves=6)

# The program is only read.
ONE_PROGRAM = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@ONE_PROGRAM
@given(selector=SELECTORS)
def test_a_selector_selects_or_says_what_does_not_match(ops: list[NnOp], selector: str) -> None:
    parse(selector)
    errors: list[SelectorError] = []
    found = select(selector, ops, unmatched=errors.append)
    assert found == sorted(found, key=ops.index)
    if errors:
        assert all("matches no op" in error.message for error in errors)
        assert all(re.search(r"^ +\^+$", error.excerpt, re.MULTILINE) for error in errors)
    else:
        assert found
        assert select(selector, ops) == found


@ONE_PROGRAM
@given(first=SELECTORS, second=SELECTORS)
def test_boolean_algebra(ops: list[NnOp], first: str, second: str) -> None:
    def meaning(selector: str) -> set[NnOp]:
        return set(select(selector, ops, unmatched=lambda _: None))

    a, b, everything = meaning(first), meaning(second), set(ops)
    assert meaning(f"({first}) and ({second})") == a & b
    assert meaning(f"({first}) or ({second})") == a | b
    assert meaning(f"not ({first})") == everything - a
    assert meaning(f"not (({first}) and ({second}))") == (everything - a) | (everything - b)
    assert meaning(f"first(2, ({first}) or ({second}))") <= a | b


@settings(max_examples=300, deadline=None)
@given(
    text=st.lists(
        st.sampled_from(
            (
                *("type:", "name:", "re:", "index:", "pattern(", "first(", "not", "and", "or"),
                *("(", ")", "[", "]", ",", "->", "|", "*", "conv", "2", ":", " ", "'", '"'),
                *("\\", "{", "}", "\n"),
            )
        ),
        max_size=12,
    ).map("".join)
)
def test_scrambled_text_is_an_error_at_most(network: Callable[..., Any], text: str) -> None:
    net = network([1, 2, 4, 4])
    net.outputs(net.conv(net.x, 2, 1, "conv"))
    (conv,) = (op for op in net.layers().values())
    message = ""
    try:
        assert select(text, [conv]) == [conv]
    except OctetError as error:
        message = str(error)
    assert re.search("^$|is not understood|matches no op|no regular expression", message)
