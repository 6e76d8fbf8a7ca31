from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialects.errors import OctetError
from passes.placement.selectors import parse, quoted, split_names, split_selectors
from passes.placement.selectors.syntax import And, Matching


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("type:conv", ["type:conv"]),
        ("type:conv,name:a", ["type:conv", "name:a"]),
        (" type:conv , name:a ", ["type:conv", "name:a"]),
        ("first(2,type:conv),name:a", ["first(2,type:conv)", "name:a"]),
        ("between(name:a, users(name:b)),type:x", ["between(name:a, users(name:b))", "type:x"]),
        ("pattern(conv->relu)[1:, 0],type:x", ["pattern(conv->relu)[1:, 0]", "type:x"]),
        ("name:'a,b',name:\"c,d\"", ["name:'a,b'", 'name:"c,d"']),
        ("'a,b',c", ["'a,b'", "c"]),
        ("first(1, name:'a)b,c'),d", ["first(1, name:'a)b,c')", "d"]),
        ("re:a{1,2},b", ["re:a{1,2}", "b"]),
        ("glob:[a,(]*,b", ["glob:[a,(]*", "b"]),
        (r"re:a\(,b", [r"re:a\(", "b"]),
        ("name:it's,name:so", ["name:it's", "name:so"]),
        ("name:'it''s, so',b", ["name:'it''s, so'", "b"]),
        ("a,,b", ["a", "", "b"]),
        ("", [""]),
        # Malformed items stay whole, for the parser to complain about.
        ("first(2,a", ["first(2,a"]),
        ("a),b", ["a)", "b"]),
        ("name:[a,b", ["name:[a", "b"]),
        ("name:'a,b", ["name:'a", "b"]),
        # Rules of recipes.
        ("first(2, type:conv)=int8,name:a=f32", ["first(2, type:conv)=int8", "name:a=f32"]),
    ],
)
def test_lists_are_split_between_selectors(text: str, items: list[str]) -> None:
    assert split_selectors(text) == items


def test_names_lose_their_quotes() -> None:
    assert split_names("a,'b,c',\"it's\"") == ["a", "b,c", "it's"]


WORDS = st.text(st.sampled_from("ab/.:_-()[]{}'\",\\ *=|ü\n")) | st.text()


@given(WORDS.filter(bool))
def test_quoted_names_read_back(name: str) -> None:
    parsed = parse(f"name:{quoted(name)}")
    assert isinstance(parsed, Matching)
    assert parsed.argument == name
    both = parse(f"(name:{quoted(name)}) and last(1, name:{quoted(name)})")
    assert isinstance(both, And)


@given(st.lists(WORDS, min_size=1))
def test_quoted_names_split_where_they_were_joined(names: list[str]) -> None:
    assert split_names(",".join(map(quoted, names))) == names
    selectors = [f"first(1, name:{quoted(name)})" for name in names]
    assert split_selectors(", ".join(selectors)) == selectors


@given(st.text(st.sampled_from("ab()[]{}'\",:->|*0123 \\") | st.characters(), max_size=60))
def test_any_text_is_a_selector_or_an_error(text: str) -> None:
    assert split_selectors(text)
    for prefix in ("", "pattern(", "index:", "first(2, ", "type:a and "):
        with contextlib.suppress(OctetError):
            parse(prefix + text)
