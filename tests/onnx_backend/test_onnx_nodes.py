"""ONNX's node tests: what Octet compiles gives what ONNX expects, and the rest is refused."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.onnx_backend.node_cases import OPERATORS, node_cases, run_case


@pytest.mark.parametrize("operator", OPERATORS)
def test_operator(operator: str) -> None:
    outcomes = {case.name: run_case(case) for case in node_cases()[operator]}
    failed = {name: o.detail for name, o in outcomes.items() if o.verdict == "fail"}
    assert not failed
    # Refusing everything would pass the line above.
    assert Counter(outcome.verdict for outcome in outcomes.values())["pass"] > 0
