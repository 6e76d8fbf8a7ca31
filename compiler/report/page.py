"""The page: one HTML file that holds its data, style and script and loads nothing.

Text of the model reaches the page only as JSON, which the script puts in as text nodes. A content
security policy names the one script and the one style that may run, by digest, and forbids every
load, so a layer name that looks like markup stays a name.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from pathlib import Path

from compiler.report.document import Report

FOLDER = Path(__file__).with_name("page")
SCRIPTS = ("elements", "facts", "histogram", "panel", "graph", "table", "sections", "main")
"""The script's parts, in order: each uses those before it."""


def render(report: Report) -> str:
    """The report as an HTML document."""
    style = _read("style.css")
    parts = "\n".join(_read(f"{name}.js") for name in SCRIPTS)
    script = f'"use strict";\n(() => {{\n{parts}}})();\n'
    pieces = {
        "TITLE": html.escape(f"{report.summary.model} - Octet report"),
        "POLICY": html.escape(_policy(style, script)),
        "STYLE": style,
        "SCRIPT": script,
        "DATA": json_for_html(report),
    }
    before, *rest = _read("page.html").split("{{")
    # What is put in is never looked at again: a name that holds a placeholder stays as it is.
    return before + "".join(
        pieces[name] + text for name, _, text in (piece.partition("}}") for piece in rest)
    )


def json_for_html(report: Report) -> str:
    """JSON without a character that could end the element it stands in."""
    text = json.dumps(report.as_dict(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
