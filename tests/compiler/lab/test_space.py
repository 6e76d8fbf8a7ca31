"""Counts are what enumeration finds; constraints and contracts hold of every order."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.lab.contracts import contract_of
from compiler.lab.sections import sections
from compiler.lab.space import Space
from compiler.lab.variants import split_passes, variants_of
from compiler.pipeline import parse_pipeline
from compiler.stages import STAGES
from dialects.errors import OctetError
from passes.facts import FACTS, ON_TENSORS, PRECISION_PLACED

POOL = (
    "insert-qdq",
    "unify-scales",
    "propagate-qdq",
    "correct-bias{samples=0|8}",
    "quantize-ops",
    "lower-to-kernel",
    "plan-memory",
    "assign-layout",
    "dce",
)

NAMES = [variants_of(text).name for text in POOL]


@st.composite
def spaces(draw: st.DrawFn) -> Space:
    passes = draw(st.lists(st.sampled_from(POOL), min_size=1, max_size=4, unique=True))
    rest = [text for text in POOL if text not in passes]
    anchors = draw(st.lists(st.sampled_from(rest), max_size=2, unique=True))
    names = [variants_of(text).name for text in (*passes, *anchors)]
    pair = st.tuples(st.sampled_from(names), st.sampled_from(names)).filter(lambda p: p[0] != p[1])
    after = draw(st.lists(pair, max_size=2)) if len(names) > 1 else []
    start = draw(st.none() | st.frozensets(st.sampled_from(FACTS)))
    tail = draw(st.sampled_from([(), ("plan-memory",), ("squash-qdq",)]))
    repeat = draw(st.integers(1, 2)) if len(passes) < 4 else 1
    return Space.of(
        passes,
        start,
        anchors=anchors,
        after=tuple(after),
        repeat=repeat,
        subsets=draw(st.booleans()),
        tail=tail,
    )


def is_legal(space: Space, order: tuple[str, ...]) -> bool:
    """The rules of a space, said once more and slowly."""
    names = [text.split("{")[0] for text in order]
    anchors = [item.name for item in space.anchors]
    counts = Counter(names)
    least = 0 if space.subsets else 1
    if [name for name in names if name in anchors] != anchors:
        return False
    if not all(least <= counts[item.name] <= space.repeat for item in space.items):
        return False
    for a, b in space.after:
        if a in names and b in names[names.index(a) :]:
            return False
    if space.start is None:
        return True
    facts = space.start
    for one in parse_pipeline(",".join((*order, *space.tail))):
        contract = contract_of(one)
        if not contract.requires <= facts:
            return False
        facts = (facts - contract.invalidates) | contract.establishes
    return True


def by_trying(space: Space) -> set[tuple[str, ...]]:
    texts = [text for item in (*space.items, *space.anchors) for text in item.variants]
    longest = len(space.items) * space.repeat + len(space.anchors)
    return {
        order
        for length in range(longest + 1)
        for order in itertools.product(texts, repeat=length)
        if is_legal(space, order)
    }


@settings(max_examples=60, deadline=None)
@given(spaces())
def test_orders_are_counted_exactly_and_listed_once(space: Space) -> None:
    orders = list(space.orders())
    assert len(orders) == len(set(orders)) == space.count()
    assert all(is_legal(space, order) and space.contains(order) for order in orders)


@settings(max_examples=30, deadline=None)
@given(spaces().filter(lambda s: len(s.items) * s.repeat + len(s.anchors) <= 4))
def test_no_legal_order_is_missing(space: Space) -> None:
    assert set(space.orders()) == by_trying(space)


@settings(max_examples=30, deadline=None)
@given(spaces(), st.integers(0, 99))
def test_an_order_by_chance_is_one_of_the_space(space: Space, seed: int) -> None:
    if space.count():
        assert space.contains(space.random_order(random.Random(seed)))
    else:
        with pytest.raises(OctetError, match="no legal order"):
            space.random_order(random.Random(seed))


def test_every_order_is_as_likely_as_any_other() -> None:
    space = Space.of(["insert-qdq", "dce", "correct-bias{samples=0|8}"], subsets=True)
    source = random.Random(0)
    drawn = Counter(space.random_order(source) for _ in range(200 * space.count()))
    assert len(drawn) == space.count()
    assert all(abs(count - 200) < 5 * math.sqrt(200) for count in drawn.values())


def test_large_spaces_are_counted_without_listing_them() -> None:
    space = Space.of(NAMES, repeat=2)
    slots = math.factorial(18) // math.factorial(2) ** 9
    assert space.count() > slots


def test_contracts_forbid_quantizing_what_has_no_precision() -> None:
    assert Space.of(["insert-qdq"], frozenset({ON_TENSORS})).count() == 0
    assert Space.of(["insert-qdq"], frozenset({ON_TENSORS, PRECISION_PLACED})).count() == 1


def test_options_are_dimensions() -> None:
    variants = variants_of("calibrate{method=min-max|entropy bins=64|128}").texts
    assert len(variants) == 4
    assert len({text for text in variants if "bins=128" in text}) == 2
    space = Space.of(["correct-bias{samples=0|8|64}", "dce"])
    assert space.count() == 2 * 3


def test_commas_of_options_do_not_divide_passes() -> None:
    assert split_passes("dce,place-precision{op-types=conv,matmul},cse") == [
        "dce",
        "place-precision{op-types=conv,matmul}",
        "cse",
    ]


@pytest.mark.parametrize(
    ("passes", "more", "message"),
    [
        (["dce", "dce"], {}, "named twice"),
        (["no-such-pass"], {}, "there is no pass"),
        (["dce", "cse"], {"after": (("dce", "sce"),)}, "sce is not among"),
        (["dce"], {"repeat": 0}, "at least 1"),
        (["correct-bias{sample=1|2}"], {}, "has no option"),
    ],
)
def test_what_makes_no_space_is_refused(passes: list[str], more: dict, message: str) -> None:
    with pytest.raises(OctetError, match=message):
        Space.of(passes, **more)


def test_each_named_pass_takes_its_first_place_in_the_table() -> None:
    cut = sections(("propagate-qdq", "insert-qdq"))
    assert [text.split("{")[0] for text in cut.passes] == ["insert-qdq", "propagate-qdq"]
    tail = [text.split("{")[0] for text in cut.tail]
    assert tail.count("propagate-qdq") == 1
    assert "insert-qdq" not in tail
    table = [text.split("{")[0] for stage in STAGES for text in stage.passes]
    head = [text.split("{")[0] for text in cut.head]
    assert head == table[: table.index("insert-qdq")]


def test_passes_that_annotate_are_not_reordered() -> None:
    cut = sections(start="quantize")
    assert not {"number-ops", "require-precision"} & set(cut.passes)
    assert "insert-qdq" in cut.passes
