"""`placed_by` taken apart, as the passes write it."""

from __future__ import annotations

import pytest

from passes import PASSES
from passes.placement.decision import KINDS, Decision, decision_of


@pytest.mark.parametrize(
    ("text", "decision"),
    [
        (
            "default: target host runs conv in int8",
            Decision("default", "default", "target host runs conv in int8"),
        ),
        ("default: precision=f32", Decision("default", "default", "precision=f32")),
        ("exclude name:head: user", Decision("rule", "exclude name:head", "user")),
        ("op-types: conv is not listed", Decision("rule", "op-types", "conv is not listed")),
        ("first.toml rule 3: user", Decision("rule", "first.toml rule 3", "user")),
        ("by hand", Decision("rule", "by hand", "")),
        ("target host: no kernel", Decision("target", "target host", "no kernel")),
        ("int8: softmax has no int8 form", Decision("target", "int8", "softmax has no int8 form")),
        (
            "target host: x (asked for by include name:a: user)",
            Decision("target", "target host", "x (asked for by include name:a: user)"),
        ),
        ("neighbours: none", Decision("neighbours", "neighbours", "none")),
        ("model: Q/DQ in the source", Decision("model", "model", "Q/DQ in the source")),
        ("movement: passes", Decision("movement", "movement", "passes")),
        ("prune-islands: slow", Decision("cost model", "prune-islands", "slow")),
        ("cost model: slow", Decision("cost model", "cost model", "slow")),
        ("strategy auto: 3 dB", Decision("strategy", "strategy auto", "3 dB")),
        ("quantize-ops: sums", Decision("fallback", "quantize-ops", "sums")),
    ],
)
def test_a_text_names_its_decider(text: str, decision: Decision) -> None:
    assert decision_of(text) == decision
    assert decision.kind in KINDS


@pytest.mark.parametrize("name", PASSES)
def test_every_pass_is_a_fallback_or_the_cost_model(name: str) -> None:
    assert decision_of(f"{name}: why").kind in ("fallback", "cost model")
