"""The page of the digits example in a real browser."""

from __future__ import annotations

import dataclasses
import io
import re
from pathlib import Path

import numpy as np
import pytest
from models import MODELS, write_model

from compiler.report import Report, render
from tests.compiler.report.browser import Page
from tests.compiler.report.conftest import report_of

HOSTILE = "</script><img src=x onerror=\"document.title='stolen'\"><script>document.title='stolen'"


def click(page: Page, selector: str) -> None:
    page.run(
        "arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true}))", page.one(selector)
    )


def type_into(page: Page, selector: str, text: str) -> None:
    field = page.one(selector)
    field.clear()
    field.send_keys(text)


def choose_option(page: Page, selector: str, value: str) -> None:
    page.run(
        "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('change'))",
        page.one(selector),
        value,
    )


def test_nothing_complains_and_nothing_is_loaded(page: Page, page_file: Path) -> None:
    click(page, "[data-op='2']")
    choose_option(page, "#colour", "time")
    assert page.complaints() == []
    assert page.requests() == [page_file.as_uri()]


def test_every_op_input_and_output_is_a_box(page: Page, report: Report) -> None:
    assert len(page.all("svg#picture .node")) == len(report.graph.nodes)
    assert len(page.all("svg#picture .node[data-op]")) == len(report.ops)
    assert len(page.all("svg#picture path.edge")) == len(report.graph.edges)
    converting = [edge for edge in report.graph.edges if edge.conversion]
    assert converting
    assert len(page.all("svg#picture .conversion")) == len(converting)


def test_boxes_have_the_colour_of_their_precision_and_say_it(page: Page, report: Report) -> None:
    colours: dict[str, set[str]] = {}
    for op in report.ops:
        box = page.one(f"[data-op='{op.index}'].node")
        stripe = page.one(f"[data-op='{op.index}'].node .stripe")
        colours.setdefault(op.precision or "other", set()).add(stripe.value_of_css_property("fill"))
        assert (op.precision or "other") in box.text
        assert (op.precision or "other") in box.get_attribute("aria-label")
    assert set(colours) == {"int8", "bf16", "f32"}
    assert all(len(of_precision) == 1 for of_precision in colours.values())
    assert len(set.union(*colours.values())) == 3
    assert {"int8", "bf16", "f32"} <= set(page.one("#legend").text.split())


def test_no_box_covers_another(page: Page) -> None:
    boxes = page.run(
        "return [...document.querySelectorAll('.node .box')].map(box => {"
        "const {left, top, right, bottom} = box.getBoundingClientRect();"
        "return [left, top, right, bottom]})"
    )
    for i, (left, top, right, bottom) in enumerate(boxes):
        for other in boxes[i + 1 :]:
            assert left >= other[2] or right <= other[0] or top >= other[3] or bottom <= other[1]


def test_clicking_an_op_shows_what_is_known_of_it(page: Page, report: Report) -> None:
    op = next(op for op in report.ops if op.names[0] == "Conv_6")
    click(page, f"[data-op='{op.index}'].node")
    panel = page.one("#panel").text
    assert "Conv_6" in panel
    assert "BatchNormalization_7" in panel
    assert op.reason in panel
    assert "signal to noise" in panel
    assert "of the run" in panel
    assert "nn.conv" in panel
    assert 'kernel.call "conv"' in panel
    assert "1x16x8x8" in panel
    # Both inputs and the result.
    assert len(page.all("#panel .histogram")) == 3
    bars = page.all("#panel .histogram .within")
    assert max(bar.size["height"] for bar in bars) > 20
    assert len(page.all("tr.chosen")) == 1
    assert len(page.all(".node.chosen")) == 1
    assert page.run("return location.hash") == f"#op-{op.index}"


def test_a_link_to_an_op_opens_it(page: Page, page_file: Path) -> None:
    page.driver.get("about:blank")
    page.driver.get(f"{page_file.as_uri()}#op-4")
    assert page.one("#panel .title").text == "Conv_11"


def test_arrow_keys_walk_along_edges(page: Page) -> None:
    scroller = page.one("#scroller")
    keys = {"down": "\ue015", "up": "\ue013"}
    scroller.send_keys(keys["down"])
    assert page.one("#panel .title").text == "Conv_0"
    page.run("return document.activeElement").send_keys(keys["down"])
    below = page.one("#panel .title").text
    assert below in ("Conv_3", "Conv_6")
    page.run("return document.activeElement").send_keys(keys["up"])
    assert page.one("#panel .title").text in ("Conv_0", "Conv_3")


def test_search_marks_what_it_finds(page: Page) -> None:
    type_into(page, "#search", "conv_1")
    assert len(page.all(".node.found")) == 1
    assert len(page.all(".node.faded")) == len(page.all(".node")) - 1
    assert "1 of" in page.one("#found").text
    page.one("#search").send_keys("\n")
    assert page.one("#panel .title").text == "Conv_11"


def test_filters_and_sorting_of_the_table(page: Page, report: Report) -> None:
    def names() -> list[str]:
        return page.texts("#op-table tbody td.name")

    assert names() == [op.names[0] for op in report.ops]
    choose_option(page, "#filter-precision", "f32")
    assert names() == [op.names[0] for op in report.ops if op.precision == "f32"]
    choose_option(page, "#filter-precision", "")
    choose_option(page, "#filter-type", "conv")
    type_into(page, "#filter-text", "Conv_1")
    assert names() == ["Conv_11"]
    assert page.one("#shown").text == f"1 of {len(report.ops)} ops"
    type_into(page, "#filter-text", "no such op")
    assert names() == []
    page.open(Path(page.run("return location.pathname")))
    heading = next(h for h in page.all("#op-table th button") if h.text == "MACs")
    heading.click()
    by_macs = sorted(report.ops, key=lambda op: (-op.macs, op.index))
    assert names() == [op.names[0] for op in by_macs]
    assert len(page.all("#op-table th[aria-sort='descending']")) == 1


def test_the_other_sections_are_filled(page: Page, report: Report) -> None:
    speed = page.one("#speed").text
    assert len(report.bottlenecks.causes) > 1
    assert all(cause.reason in speed for cause in report.bottlenecks.causes)
    assert "f32 → int8" in speed
    assert "of the time is in f32 ops" in speed
    changed = [record for record in report.passes if record.deltas or record.rewrites]
    rows = [row for row in page.all("#pass-table tbody tr") if row.is_displayed()]
    assert len(rows) == len(changed) < len(report.passes)
    click(page, "#idle")
    rows = [row for row in page.all("#pass-table tbody tr") if row.is_displayed()]
    assert len(rows) == len(report.passes)
    assert page.one("#model").text == "digits.onnx"


def test_zoom_changes_the_size_of_the_drawing(page: Page) -> None:
    def width() -> float:
        return page.one("#picture").size["width"]

    before = width()
    page.one("[aria-label='Zoom in']").click()
    assert width() == pytest.approx(1.25 * before, rel=0.01)
    page.one("[aria-label='Show the whole graph']").click()
    assert page.one("#picture").size["height"] <= page.one("#scroller").size["height"] + 1


def screenshot(page: Page) -> np.ndarray:
    """[height, width, 3] of uint8."""
    from PIL import Image

    return np.asarray(Image.open(io.BytesIO(page.driver.get_screenshot_as_png())).convert("RGB"))


@pytest.mark.parametrize("width", [1400, 700])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_screenshot_is_a_picture(page: Page, width: int, scheme: str) -> None:
    page.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    page.driver.set_window_size(width, 1000)
    image = screenshot(page)
    page.driver.set_window_size(1400, 1000)
    colours, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
    ground = colours[counts.argmax()].mean()
    assert ground > 200 if scheme == "light" else ground < 60
    assert len(colours) > 100
    assert counts.max() < 0.95 * counts.sum()
    # Wide tables scroll in themselves; the page never does sideways.
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")


def test_a_program_without_ops_has_a_page(chromium: Page, tmp_path: Path) -> None:
    model = tmp_path / "nothing.mlir"
    model.write_text(
        "func.func @main(%0 : tensor<1x4xf32>) -> tensor<1x4xf32> {\n"
        "  func.return %0 : tensor<1x4xf32>\n}\n"
    )
    path = tmp_path / "nothing.html"
    path.write_text(render(report_of(model)), encoding="utf-8")
    chromium.open(path)
    assert chromium.complaints() == []
    assert len(chromium.all("svg#picture .node")) == 2
    assert chromium.one("#shown").text == "0 of 0 ops"
    chromium.one("#scroller").send_keys("\ue015")
    assert chromium.complaints() == []


def test_a_hostile_layer_name_is_only_a_name(
    chromium: Page, report: Report, tmp_path: Path
) -> None:
    first, *others = report.ops
    hostile = dataclasses.replace(
        report,
        summary=dataclasses.replace(report.summary, model=HOSTILE),
        ops=(dataclasses.replace(first, names=(HOSTILE,), reason=HOSTILE, ir=HOSTILE), *others),
        graph=dataclasses.replace(
            report.graph,
            nodes=tuple(dataclasses.replace(node, label=HOSTILE) for node in report.graph.nodes),
        ),
        notes={"sqnr": HOSTILE},
    )
    path = tmp_path / "hostile.html"
    path.write_text(render(hostile), encoding="utf-8")
    chromium.open(path)
    click(chromium, "[data-op='0'].node")
    assert chromium.driver.title == f"{HOSTILE} - Octet report"
    assert chromium.all("img") == []
    assert len(chromium.all("script")) == 2
    assert HOSTILE in chromium.one("#panel").text
    assert chromium.complaints() == []
    assert chromium.requests() == [path.as_uri()]


def test_squeezenet_is_drawn_whole(chromium: Page, tmp_path: Path) -> None:
    """A network of the usual size: every op is a box, and the colours of precisions are seen."""
    model = write_model("squeezenet", tmp_path)
    data = list(MODELS["squeezenet"].feeds(4, 1, seed=0))
    report = report_of(
        model, samples=1, calibration_data=data, options={"bf16": ("index:conv[0]",)}
    )
    path = tmp_path / "squeezenet.html"
    path.write_text(render(report), encoding="utf-8")
    chromium.open(path)
    chromium.one("[aria-label='Show the whole graph']").click()
    assert len(report.ops) > 35
    assert len(chromium.all("svg#picture .node[data-op]")) == len(report.ops)
    assert {op.precision for op in report.ops if op.op == "conv"} == {"int8", "bf16"}
    assert chromium.complaints() == []
    assert chromium.requests() == [path.as_uri()]
    stripes = {
        tuple(map(int, re.findall(r"\d+", box.value_of_css_property("fill"))[:3]))
        for box in chromium.all("svg#picture .node .stripe")
    }
    seen = {tuple(colour) for colour in np.unique(screenshot(chromium).reshape(-1, 3), axis=0)}
    assert len(stripes) >= 2
    assert {tuple(map(int, colour)) for colour in seen} >= stripes
