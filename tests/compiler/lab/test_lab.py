"""What orders come to is what running them one by one would give; work is shared."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from xdsl.dialects.builtin import ModuleOp

from compiler.cli.opt import run as run_opt
from compiler.driver import Compilation, CompileRequest
from compiler.lab.engine import Rules
from compiler.lab.failures import Failures
from compiler.lab.hashing import ir_hash
from compiler.lab.lab import Lab
from compiler.lab.record import Record
from compiler.lab.sections import name_of
from compiler.lab.subject import Subject, SubjectRequest
from compiler.lab.workers import InProcess
from compiler.pipeline import PassManager, parse_pipeline, print_pass
from compiler.stages import STAGES
from dialects.context import OctetContext
from dialects.program import body_of, main_function, nn_ops
from passes.base import Numerics, OctetPass

Requests = Callable[..., SubjectRequest]


def test_sharing_changes_nothing(request_for: Requests) -> None:
    request = request_for()
    lab = Lab(request)
    orders = list(lab.space().orders())
    outcomes = lab.evaluate(orders)
    subject = Subject.open(request)
    for outcome in outcomes[:: max(1, len(outcomes) // 6)]:
        module, ctx = subject.module.clone(), subject.ctx.clone()
        PassManager().run(ctx, module, parse_pipeline(outcome.pipeline))
        assert ir_hash(module) == outcome.ir
        PassManager().run(ctx, module, parse_pipeline(",".join(lab.tail)))
        assert ir_hash(module) == outcome.final
    assert lab.counts.taken < lab.counts.steps / 4
    assert lab.counts.evaluated == len({outcome.final for outcome in outcomes})


def test_the_default_order_is_what_compile_does(model: Path, data: Path) -> None:
    lab = Lab(SubjectRequest(model, str(data)))
    # As the stage table has them, which switches some passes off.
    (listed,) = [stage.passes for stage in STAGES if stage.name == "quantize"]
    texts = {name_of(text): text for text in map(print_pass, parse_pipeline(",".join(listed)))}
    order = tuple(texts[name_of(text)] for text in lab.subject.sections.default)
    (outcome,) = lab.evaluate([order])
    compilation = Compilation(CompileRequest(model, str(data)))
    compilation.run()
    assert outcome.final == ir_hash(compilation.module)


def test_metrics_of_a_quantized_program(request_for: Requests) -> None:
    lab = Lab(request_for())
    (outcome,) = lab.evaluate([lab.subject.sections.default])
    assert outcome.status == "ok"
    assert outcome.metrics["int8_macs"] == 1.0
    assert outcome.metrics["sqnr_db"] > 20
    assert outcome.metrics["quantizes"] >= 1
    assert outcome.metrics["accuracy"] is None


def test_labels_give_an_accuracy(model: Path, data: Path, labelled: Path) -> None:
    lab = Lab(SubjectRequest(model, str(data), str(labelled)))
    (outcome,) = lab.evaluate([lab.subject.sections.default])
    assert outcome.metrics["accuracy"] == 100 * outcome.metrics["agreement"]


def test_a_broken_contract_is_inapplicable_unless_contracts_are_ignored(
    request_for: Requests,
) -> None:
    order = ("unify-scales", "insert-qdq")
    request = request_for("unify-scales", "insert-qdq")
    (outcome,) = Lab(request).evaluate([Lab(request).subject.sections.default[::-1]])
    assert outcome.status == "inapplicable"
    assert outcome.failed == "unify-scales"
    assert "qdq-inserted" in outcome.error
    assert outcome.final is None
    (ignored,) = Lab(request, Rules("ignore")).evaluate([order])
    assert ignored.status == "ok"


def test_without_data_inputs_are_random_and_the_same(model: Path) -> None:
    first, second = (Lab(SubjectRequest(model, seed=seed)) for seed in (3, 3))
    other = Lab(SubjectRequest(model, seed=4))
    assert first.subject.digests == second.subject.digests
    assert first.subject.digests["data"] != other.subject.digests["data"]
    assert first.subject.root != other.subject.root


def test_passes_that_read_data_are_shared_by_the_data(request_for: Requests) -> None:
    lab = Lab(request_for())
    assert lab.key("ir", "correct-bias{samples=8}").data == lab.subject.digests["data"]
    assert lab.key("ir", "squash-qdq").data == ""


# --- failures -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Crashes(OctetPass):
    """Fails."""

    name = "crashes"

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        raise ZeroDivisionError("by zero")


@dataclass(frozen=True)
class LeavesInvalid(OctetPass):
    """Puts the first op last, behind its uses."""

    name = "leaves-invalid"

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        block = body_of(main_function(module))
        first = next(op for op in block.ops if op.results and op.results[0].first_use)
        first.detach()
        assert block.last_op is not None
        block.insert_op_before(first, block.last_op)


@dataclass(frozen=True)
class Sleeps(OctetPass):
    """Takes its time."""

    name = "sleeps"

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        for _ in range(600):
            time.sleep(0.05)


@dataclass(frozen=True)
class Lies(OctetPass):
    """Takes the activation from a convolution, and says that nothing changes."""

    name = "lies"
    NUMERICS: ClassVar = Numerics.EXACT

    def run(self, ctx: OctetContext, module: ModuleOp) -> None:
        for op in nn_ops(module):
            op.properties.pop("activation", None)


@pytest.fixture
def strange(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets pipelines name the passes above."""
    import compiler.pipeline as pipeline

    table = {
        **pipeline.available_passes(),
        **{one.name: (lambda one=one: one) for one in (Crashes, LeavesInvalid, Sleeps, Lies)},
    }
    monkeypatch.setattr(pipeline, "available_passes", lambda: table)


@pytest.mark.usefixtures("strange")
@pytest.mark.parametrize(
    ("text", "status", "error", "rules"),
    [
        ("crashes", "crash", "ZeroDivisionError: by zero", {}),
        ("leaves-invalid", "verify_fail", "used before", {}),
        ("sleeps", "timeout", "took over 0.2 s", {"timeout": 0.2}),
        ("lies", "numeric_fail", "differs by", {"numeric": True}),
    ],
)
def test_failures_are_results(
    request_for: Requests,
    tmp_path: Path,
    text: str,
    status: str,
    error: str,
    rules: dict[str, Any],
) -> None:
    record = Record()
    lab = Lab(
        request_for(), replace(Rules(), **rules), record=record, failures=Failures(tmp_path / "f")
    )
    bad, good = lab.evaluate([(text, "dce"), ("dce",)], tail=False)
    assert (bad.status, bad.failed) == (status, text)
    assert error in bad.error
    assert good.status == "ok"
    (line,) = [one for one in record if one["kind"] == "step" and one["status"] == status]
    reproducer = tmp_path / "f" / line["reproducer"]
    head = reproducer.read_text().splitlines()[0]
    assert text in head
    assert reproducer.with_suffix(".npz").is_file()


@pytest.mark.usefixtures("strange")
def test_a_reproducer_fails_the_same_way(request_for: Requests, tmp_path: Path) -> None:
    record = Record()
    Lab(request_for(), record=record, failures=Failures(tmp_path)).evaluate([("crashes",)])
    (line,) = [one for one in record if one.get("status") == "crash"]
    with pytest.raises(Exception, match="by zero"):
        run_opt(["--run-reproducer", str(tmp_path / line["reproducer"])])


def test_a_program_that_computes_garbage_has_failed(
    request_for: Requests, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = Lab(request_for())
    garbage = [{name: -array for name, array in one.items()} for one in lab.subject.reference]
    monkeypatch.setitem(lab.subject.__dict__, "reference", garbage)
    (outcome,) = lab.evaluate([lab.subject.sections.default])
    assert outcome.status == "numeric_fail"
    assert outcome.metrics["sqnr_db"] < 0


@pytest.fixture(autouse=True)
def _fresh_engines() -> Any:
    InProcess().close()
    yield
    InProcess().close()


def test_corrections_apply_behind_ops_on_integers() -> None:
    """Legal by contracts, so they must not crash: found by evaluating all orders."""
    digits = Path(__file__).parents[3] / "examples" / "digits"
    request = SubjectRequest(
        digits / "digits.onnx",
        str(digits / "calibration.npz"),
        passes=("clip-outliers{samples=16}", "correct-bias{samples=16}", "quantize-ops"),
    )
    lab = Lab(request)
    clip, correct, quantize = lab.subject.sections.default
    for order in ((quantize, clip, correct), (quantize, correct, clip)):
        (outcome,) = lab.evaluate([order])
        assert outcome.status == "ok", outcome.error
