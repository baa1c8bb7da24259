"""The HTML edition: one file without script or outside reference, from the same document as the PDF."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from xml.etree import ElementTree

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from assay.contracts import Evidence
from assay.errors import Internal
from assay.report.decision import Decision
from assay.report.document import build_document, printed
from assay.report.document.model import Document
from assay.report.glyphs import visible
from assay.report.palette import STYLES

__all__ = ["build_html"]

_ELEMENTS = {"svg", "path", "line", "rect", "text", "circle"}
_MARKS = {
    "pass": "M2 8.5l4 4 8-9",
    "warn": "M8 2l6.5 12h-13z",
    "fail": "M3 3l10 10M13 3L3 13",
    "insufficient": "M8 2.5a5.5 5.5 0 1 0 .01 0z",
    "not_tested": "M2.5 8h11",
    "shown": "M8 2l6 6-6 6-6-6z",
}


def drawing(svg: str) -> Markup:
    """A chart as markup, after checking that it is well formed and holds drawing elements only."""
    for element in ElementTree.fromstring(svg).iter():
        if element.tag.rpartition("}")[2] not in _ELEMENTS:
            raise Internal(f"A chart holds an element that no chart needs: {element.tag}.")
    return Markup(svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1))


@lru_cache(maxsize=1)
def _template() -> tuple[Template, Markup]:
    folder = files("assay.report") / "templates"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters["drawing"] = drawing
    template = environment.from_string((folder / "report.html.j2").read_text("utf-8"))
    return template, Markup((folder / "report.css").read_text("utf-8"))


def build_html(
    evidence: Evidence,
    *,
    draft: bool = True,
    document: Document | None = None,
    decision: Decision | None = None,
) -> str:
    """The report as one HTML document: inline style and charts, no script, light and dark, printable.

    `document` is `build_document(evidence)` where the caller has it already.
    """
    template, style = _template()
    document = printed(document or build_document(evidence, draft=draft, decision=decision), visible, visible)
    words = {outcome: look.word for outcome, look in STYLES.items()}
    return template.render(doc=document, style=style, marks=_MARKS, words=words)
