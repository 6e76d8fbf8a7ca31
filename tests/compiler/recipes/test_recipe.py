"""Recipes as text: canonical, read back equal, joined in order."""

from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.recipes.recipe import Recipe
from compiler.recipes.toml_file import recipe_of_text
from dialects.errors import OctetError
from dialects.nn.attributes import Precision
from dialects.nn.scheme import Scheme
from passes.placement.rules import Rule, parse_rule, rule_text

TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=20
) | st.text(string.printable, min_size=1, max_size=12)

SCHEMES = st.one_of(
    st.builds(
        lambda scale, zero: {"storage": "u8", "scale": scale, "zero_point": zero},
        st.floats(1e-6, 1e6),
        st.integers(0, 255),
    ),
    st.fixed_dictionaries(
        {"symmetric": st.booleans()},
        optional={
            "storage": st.sampled_from(["u8", "s8"]),
            "narrow_range": st.booleans(),
            "range": st.tuples(st.floats(-1e3, 0.0), st.floats(0.5, 1e3)),
        },
    ),
    st.fixed_dictionaries(
        {"calibration_method": st.sampled_from(["percentile", "mse"])},
        optional={"percentile": st.floats(60, 100), "bins": st.integers(16, 4096)},
    ),
)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    table: dict[str, Any] = {"select": draw(TEXT)}
    if draw(st.booleans()):
        table |= {"tensor": draw(st.sampled_from(["result", "x"])), **draw(SCHEMES)}
    if len(table) == 1 or draw(st.booleans()):
        table["precision"] = draw(st.sampled_from(list(Precision))).value
    for key in ("reason", "origin"):
        if draw(st.booleans()):
            table[key] = draw(TEXT)
    if draw(st.booleans()):
        table["allow_unmatched"] = True
    return Rule.of(table)


@given(rules())
def test_a_rule_reads_back_from_its_line(rule: Rule) -> None:
    line = rule_text(rule)
    assert parse_rule(line) == rule
    assert rule_text(parse_rule(line)) == line


@given(st.lists(rules(), max_size=4))
def test_a_recipe_reads_back_from_its_text(given_rules: list[Rule]) -> None:
    """Rules that do not say where they stand get the file and line; all else is the same."""
    placed = [
        rule if rule.origin else Rule.of({**rule.table(), "origin": "flag"}) for rule in given_rules
    ]
    recipe = Recipe({"precision": "bf16"}, {"calibrate.bins": 64, "a.b": (1, 2)}, tuple(placed))
    assert recipe_of_text(recipe.text(), "r.toml") == recipe
    assert recipe_of_text(recipe.text(), "r.toml").text() == recipe.text()


def test_an_empty_recipe_is_an_empty_text() -> None:
    assert Recipe().text() == ""
    assert recipe_of_text("", "r.toml") == Recipe()


def test_a_later_recipe_wins_and_its_rules_come_last() -> None:
    first, second = Rule(select="a", precision=Precision.F32), Rule(
        select="b", precision=Precision.INT8
    )  # fmt: skip
    joined = Recipe({"precision": "bf16", "per_channel": False}, {}, (first,)).then(
        Recipe({"precision": "f32"}, {}, (second,))
    )
    assert joined.settings == {"precision": "f32", "per_channel": False}
    assert joined.rules == (first, second)


def test_a_later_setting_takes_away_what_sets_the_same_option() -> None:
    """`percentile` also chooses the method."""
    early = Recipe({"percentile": 99.0})
    assert early.then(Recipe({"calibration_method": "min-max"})).settings == {
        "calibration_method": "min-max"
    }
    assert early.then(Recipe({}, {"calibrate.method": "mse"})).settings == {}
    late = Recipe({}, {"calibrate.method": "mse"}).then(early)
    assert (late.settings, late.pass_options) == ({"percentile": 99.0}, {})


def test_rules_go_to_the_passes_that_they_are_for() -> None:
    place = Rule(select="type:conv", precision=Precision.INT8)
    scheme = Rule(select="type:conv", tensor="result", scheme=Scheme(storage="s8"))
    both = Rule(select="x", precision=Precision.F32, tensor="result", scheme=Scheme(storage="s8"))
    overrides = Recipe(rules=(place, scheme, both)).overrides()
    assert overrides["place-precision"]["rules"] == ("type:conv=int8", rule_text(both))
    assert overrides["assign-scheme"]["rules"] == (rule_text(scheme), rule_text(both))


# --- files ------------------------------------------------------------------------------------

RULE = '[[rule]]\nselect = "type:conv"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = ", "r.toml:1: not valid TOML: Invalid value"),
        ("\nx = = 3", "r.toml:2:5: not valid TOML: Invalid value"),
        ("\n[defualt]\n", "r.toml:2: unknown section 'defualt'"),
        ("[default]\nprecison = 'f32'\n", "r.toml:2: there is no setting 'precison'; did you mean"),
        ("[default]\nprecision = 'int4'\n", "r.toml:2: --precision: expected int8 or bf16"),
        ("[default]\nper_channel = 1\n", "r.toml:2: 'per_channel' should be true or false, got 1"),
        ("[default]\npercentile = true\n", "r.toml:2: 'percentile' should be a number, got True"),
        ("[default]\nop_types_to_quantize = [1]\n", "r.toml:2: 'op_types_to_quantize' should be"),
        ("default = 3\n", "r.toml:1: 'default' should be a table, [default]"),
        ("[pass_options]\nbins = 3\n", 'r.toml:2: a pass option is "PASS.OPTION" in quotes'),
        ("[pass_options]\n'a.b' = {}\n", "r.toml:2: 'a.b' should be text, a number"),
        ("rule = 3\n", "r.toml:1: rules are tables, [[rule]]"),
        (f"{RULE}", "r.toml:1: rule 1: the rule asks for nothing"),
        (f"{RULE}\npresicion = 'f32'\n", "r.toml:4: rule 1: unknown key 'presicion'; nearest:"),
        (f"{RULE}precision = 'int4'\n", "r.toml:3: rule 1: 'precision' should be one of f32, bf16"),
        (f"{RULE}precision = 'f32'\n\n{RULE}tensor = 'x'\nscale = 0\nzero_point = 1",
         "r.toml:8: rule 2: 'scale' should be a number from 2^-60"),
        (f"{RULE}tensor = 'x'\nrange = [1, 2]\n", "r.toml:4: rule 1: 'range' should be two"),
        (f"{RULE}reason = '''\n[[rule]]\n'''\n[[rule]]\nselect = 3\n",
         "r.toml:1: rule 1: the rule asks for nothing"),
        ("[[rule]]\nselect = 'a'\nprecision = 'f32'\nreason = '''\n[[rule]]\n'''\n[[rule]]\n"
         "select = 3\n", "r.toml:8: rule 2: 'select' should be text, got 3"),
        ("rule = [{select = 'a'}]\n", "r.toml: rule 1: the rule asks for nothing"),
        ("[[rule]]\nprecision = 'f32'\n", "r.toml:1: rule 1: a rule has 'select'"),
        ("[[rule]]\ninput = 'x'\nprecision = 'f32'\n", "r.toml:2: rule 1: an 'input' has no"),
        (f"{RULE}tensor = 'x'\nper_channel = true\n", "r.toml:4: rule 1: 'per_channel' is about w"),
        (f"{RULE}tensor = 'weight'\nprecision = 'f32'\n", "r.toml:3: rule 1: 'tensor' says what"),
        (f"{RULE}allow_unmatched = 1\nprecision = 'f32'", "r.toml:3: rule 1: 'allow_unmatched' sh"),
        (f"{RULE}tensor = 'x'\nstorage = 'u8'\nscale = 0.1\nzero_point = -1\n",
         "r.toml:6: rule 1: 'zero_point' -1 lies outside the storage range 0 to 255"),
        (f"{RULE}tensor = 'weight'\nscale = [0.1, 0.2]\nzero_point = [0]\n",
         "r.toml:4: rule 1: 'scale' has 2 numbers and 'zero_point' 1"),
    ],
)  # fmt: skip
def test_errors_name_file_line_and_rule(text: str, message: str) -> None:
    with pytest.raises(OctetError) as error:
        recipe_of_text(text, "r.toml")
    assert str(error.value).startswith(message)
