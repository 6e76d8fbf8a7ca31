"""What a report says, against what was compiled; and the command that writes it."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from models.inputs import token_feeds
from models.transformers import SEQUENCE, TransformerShape, transformer

from compiler.cli.compile import main
from compiler.report import Report, gather, render
from compiler.report.page import json_for_html
from compiler.report.text import shortened
from dialects.errors import OctetError
from tests.compiler.report.conftest import DIGITS, report_of

MODEL, DATA = DIGITS / "digits.onnx", DIGITS / "calibration.npz"


def op_named(report: Report, name: str):
    return next(op for op in report.ops if name in op.names)


def test_ops_have_precision_and_reason(report: Report) -> None:
    assert [op.index for op in report.ops] == list(range(len(report.ops)))
    excluded, half = op_named(report, "Conv_3"), op_named(report, "Gemm_16")
    assert (excluded.precision, excluded.placed_by) == ("f32", "rule")
    assert "name:Conv_3" in excluded.decider
    assert half.precision == "bf16"
    assert op_named(report, "BatchNormalization_7") is op_named(report, "Conv_6")
    assert sum(op.macs_share for op in report.ops) == pytest.approx(1)


def test_edges_follow_the_program_and_mark_conversions(report: Report) -> None:
    nodes = report.graph.nodes
    named = {
        (nodes[e.source].label, nodes[e.target].label): e.conversion for e in report.graph.edges
    }
    assert named["image", "Conv_0"] == "f32 to int8"
    assert named["Conv_0", "Conv_3"] == "int8 to f32"
    assert named["Conv_0", "Conv_6"] is None
    assert named["MaxPool_10", "Conv_11"] is None
    assert named["Gemm_16", "logits"] == "bf16 to f32"
    assert [node.kind for node in nodes].count("op") == len(report.ops)


def test_an_operand_that_stays_float_is_no_conversion(tmp_path: Path) -> None:
    """An attention mask is added in float32, whatever the attention computes in."""
    model = tmp_path / "encoder.onnx"
    onnx.save(transformer(TransformerShape("encoder", 1, 64, 2, 128, "mean")), model)
    feeds = token_feeds(SEQUENCE)(2, 1, 0)
    report = report_of(model, calibration_data=feeds, samples=1)
    attention = next(op for op in report.ops if op.op == "attention")
    assert attention.precision == "int8"
    nodes = report.graph.nodes
    by_source = {
        nodes[edge.source].label: edge.conversion
        for edge in report.graph.edges
        if nodes[edge.target].ref == attention.index and nodes[edge.target].kind == "op"
    }
    assert by_source.pop("mask") is None
    assert len(by_source) == 3
    # Token numbers are no reals: they have no range, and no precision.
    tokens = next(value for value in report.values if value.type.endswith("i64"))
    assert (tokens.range, tokens.histogram, tokens.sqnr_db) == (None, None, None)
    assert {op.sqnr_db for op in report.ops if op.op in ("gather", "cast")} == {"exact"}


def test_histograms_count_every_calibration_value(report: Report) -> None:
    samples = len(np.load(DATA)["image"])
    for value in report.values:
        assert value.histogram is not None
        sizes = [int(size) for size in value.type.split()[0].split("x")]
        assert sum(value.histogram.counts) == samples * math.prod(sizes)
        assert value.range is not None
        width = (value.histogram.high - value.histogram.low) / len(value.histogram.counts)
        assert value.histogram.low <= value.range[0] + width
        assert value.histogram.high >= value.range[1]
        assert value.histogram.high <= value.range[1] + 2 * width


def test_values_say_how_their_integers_are_stored(report: Report) -> None:
    named = {value.name: value for value in report.values}
    first = named["Conv_0"]
    assert first.stored is not None
    assert first.range is not None
    assert first.stored.type == "u8"
    assert (first.stored.low, first.stored.zero_point) == (0.0, 0)
    assert first.stored.high == pytest.approx(first.range[1], rel=1e-3)
    assert first.stored.clipped == 0.0
    # Computed in float, used as integers by the op after it.
    assert named["Conv_3"].stored is not None
    assert named["Gemm_16"].stored is None


def test_clipped_values_are_counted() -> None:
    options = {"calibration_method": "percentile", "percentile": 99}
    report = report_of(MODEL, calibration_data=DATA, options=options, samples=0)
    assert report.notes["sqnr"] == "--report-samples=0 asked for none"
    clipped = [value.stored.clipped for value in report.values if value.stored is not None]
    assert all(share is not None and 0 <= share < 0.02 for share in clipped)
    assert max(share or 0.0 for share in clipped) > 0.002


def test_the_error_is_that_of_the_quantized_program(report: Report) -> None:
    assert report.summary.sqnr_samples == 4
    measured = {op.names[0]: op.sqnr_db for op in report.ops}
    assert all(isinstance(error, float) and 20 < error < 80 for error in measured.values())
    output = report.summary.output_sqnr_db["logits"]
    assert output == measured["Gemm_16"]


def test_a_float_program_is_exact_and_says_what_is_missing() -> None:
    report = report_of(MODEL)
    assert report.notes["sqnr"] == "no calibration data was given to run the program on"
    assert report.notes["histograms"] == "no calibration data was given"
    assert {value.histogram for value in report.values} == {None}
    assert report.bottlenecks.islands == ()
    exact = report_of(MODEL, calibration_data=DATA, options={"precision": "f32"})
    assert {op.sqnr_db for op in exact.ops} == {"exact"}


def test_times_are_of_this_run_and_add_up(report: Report) -> None:
    assert report.timing is not None
    ops = sum(op.measured_us or 0.0 for op in report.ops)
    between = next(s for s in report.bottlenecks.shares if s.name == "between ops")
    assert between.time_us is not None
    assert ops + between.time_us == pytest.approx(report.timing.total_us)
    assert sum(s.time_share or 0.0 for s in report.bottlenecks.shares) == pytest.approx(1)
    for op in report.ops:
        computes = any(not kernel.startswith(("view", "join")) for kernel in op.kernels)
        assert op.peak_share is None or op.peak_share > 0
        assert (op.measured_us is not None or op.timed_with is not None) == computes, op.names


def test_a_program_that_stopped_early_has_no_measured_times() -> None:
    stopped = report_of(MODEL, calibration_data=DATA, stop_after="integer")
    assert stopped.timing is None
    assert stopped.notes["measured"] == "the program stopped at stage 'integer'"
    assert all(op.measured_us is None for op in stopped.ops)
    assert stopped.bottlenecks.basis in ("modelled", "macs")
    assert op_named(stopped, "Conv_0").sqnr_db is not None


def test_a_program_for_another_machine_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    from runtime.kernels.isa import isa_named

    monkeypatch.setattr(
        sys.modules["compiler.report.gather"], "host_isas", lambda: [isa_named("portable")]
    )
    report = report_of(MODEL, calibration_data=DATA, target="x86-amx", samples=1)
    assert report.timing is None
    assert report.notes["measured"] == (
        "the program is for amx, and this machine cannot run its kernels"
    )
    assert report.bottlenecks.basis == "modelled"
    assert report.summary.activation_bytes


def test_why_it_is_not_faster(report: Report) -> None:
    speed = report.bottlenecks
    excluded = op_named(report, "Conv_3").index
    # The mean is float because the bf16 product after it takes no bytes.
    mean = op_named(report, "GlobalAveragePool_14").index
    assert {island.ops: island.borders for island in speed.islands} == {(excluded,): 2, (mean,): 2}
    cause = next(c for c in speed.causes if "Conv_3" in c.reason)
    assert (cause.precision, cause.ops) == ("f32", (excluded,))
    assert {c.change for c in speed.conversions} <= {"f32 to int8", "int8 to f32", "f32 to bf16",
                                                     "layout of f32", "layout of int8"}  # fmt: skip
    first = speed.dominating[0]
    assert report.ops[first].measured_us == max(op.measured_us or 0 for op in report.ops)


def test_passes_explain_the_change_of_the_program(report: Report) -> None:
    for record in report.passes:
        assert record.ops_after - record.ops_before == sum(record.deltas.values())
        assert record.seconds >= 0
    for earlier, later in zip(report.passes, report.passes[1:], strict=False):
        assert earlier.ops_after == later.ops_before
    fused = next(record for record in report.passes if record.name == "fuse-activation")
    assert fused.rewrites["FuseActivation"] == -fused.deltas["nn.relu"] > 0
    assert [stage.name for stage in report.stages][-1] == "kernel"
    assert sum(report.stages[-1].counts.values()) == report.passes[-1].ops_after


def test_a_report_leaves_the_program_as_it_is(tmp_path: Path) -> None:
    plain, reported = tmp_path / "plain.octet", tmp_path / "reported.octet"
    common = [str(MODEL), "--calibration-data", str(DATA)]
    assert main([*common, "-o", str(plain)]) == 0
    assert main([*common, "-o", str(reported), "--report", str(tmp_path / "r.html")]) == 0
    assert plain.read_bytes() == reported.read_bytes()


def test_the_command_writes_only_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(MODEL), "--calibration-data", str(DATA), "--report", "r.html"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--report", "out.txt"], "a report ends in .html"),
        (["--report", "none/out.html"], "there is no folder none"),
        (["--report", "out.html", "--report-samples", "-1"], "expected 0 or more"),
        (["--report", "out.html", "--stop-after=simplify", "-o", "x.mlir"], "stage 'place'"),
        (["--report", "out.html", "--pass-pipeline", "canonicalize"], "stage 'place'"),
    ],
)
def test_bad_requests(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([str(MODEL), *arguments]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list(tmp_path.glob("*.html"))


def test_the_page_names_no_address_to_load_from(report: Report) -> None:
    page = render(report)
    outside = set(re.findall(r"https?://[^\s\"'<>)]+", page)) - {"http://www.w3.org/2000/svg"}
    assert not outside
    assert "default-src &#x27;none&#x27;" in page
    assert not re.search(r"@import|url\((?!#)|<link[^>]+href=\"(?!data:)|<script[^>]+src", page)


def test_json_in_the_page_cannot_end_its_element(report: Report) -> None:
    import dataclasses

    name = "</script><!--&"
    hostile = dataclasses.replace(report, summary=dataclasses.replace(report.summary, model=name))
    text = json_for_html(hostile)
    assert not set("<>&") & set(text)
    assert json.loads(text)["summary"]["model"] == name
    page = render(hostile)
    assert page.count("</script>") == render(report).count("</script>")
    # What is put into the template is not looked at again.
    placeholder = dataclasses.replace(
        report, summary=dataclasses.replace(report.summary, model="{{DATA}}")
    )
    assert render(placeholder).count("{{DATA}}") == 2  # the title, and the name in the data


def test_long_lists_are_cut_and_others_kept() -> None:
    scales = ", ".join(["0.5"] * 64)
    text = f"!quant.uniform<i8:f32:0, {{{scales}}}>"
    assert shortened(text) == "!quant.uniform<i8:f32:0, {0.5, 0.5, 0.5, … 64 in all}>"
    assert shortened('{layer = "a", b = [1, 2, 3, 4, 5, 6]}') == (
        '{layer = "a", b = [1, 2, 3, 4, 5, 6]}'
    )


def test_gather_needs_a_placed_program() -> None:
    from compiler.driver import Compilation, CompileRequest
    from compiler.report import Recorder

    compilation = Compilation(CompileRequest(MODEL, stop_after="simplify"))
    recorder = Recorder(compilation)
    compilation.run()
    with pytest.raises(OctetError, match="stage 'place' did not run"):
        gather(recorder)
