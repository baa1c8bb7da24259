from __future__ import annotations

from html.parser import HTMLParser
from itertools import pairwise

import pytest
from hypothesis import given, settings

from assay.errors import Internal
from assay.report.document import build_document, figures, printed
from assay.report.glyphs import visible
from assay.report.html import build_html, drawing
from tests.report.sample import evidence
from tests.report.test_pdf import WILD

EVIDENCE = evidence()


class Outline(HTMLParser):
    """Collects elements, ids, images and links of a page, and whether every tag is closed in order."""

    VOID = frozenset({"meta", "br", "path", "line", "rect", "circle", "link", "img", "hr"})

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_the_page_is_well_formed_and_reaches_nothing_outside() -> None:
    page = Outline(build_html(EVIDENCE))
    assert page.open == []
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "link", "img", "iframe", "object", "form"})
    for _, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "src"]
        assert (attributes.get("href") or "#").startswith("#")


def test_every_chart_is_an_image_with_words_and_its_data_beside_it() -> None:
    page = Outline(build_html(EVIDENCE))
    charts = [attributes for _, attributes in page.tags if attributes.get("role") == "img"]
    expected = list(figures(printed(build_document(EVIDENCE), visible, visible)))
    assert [chart["aria-label"] for chart in charts] == [figure["alt"] for figure in expected]
    assert sum(tag == "details" for tag, _ in page.tags) == len(expected) > 15
    assert all(figure["table"]["rows"] for figure in expected)


def test_ids_are_unique_and_links_lead_somewhere() -> None:
    page = Outline(build_html(EVIDENCE))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] for tag, attributes in page.tags if tag == "a"]
    assert {str(link)[1:] for link in links} <= set(ids)


def test_headings_never_skip_a_level() -> None:
    levels = [int(tag[1]) for tag, _ in Outline(build_html(EVIDENCE)).tags if tag in {"h1", "h2", "h3", "h4"}]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


@settings(max_examples=5, deadline=None)
@given(WILD, WILD, WILD)
def test_no_text_breaks_the_page(title: str, group: str, note: str) -> None:
    names = (group, f"{group}2")
    page = Outline(build_html(evidence(title=title, sexes=names, note=note)))
    assert page.open == []
    assert "script" not in {tag for tag, _ in page.tags}


def test_markup_in_a_title_is_text() -> None:
    title = '<script>alert(1)</script> & "quotes"'
    page = build_html(evidence(title=title))
    assert "<script" not in page
    assert title in "".join(Outline(page).text)


def test_a_drawing_with_a_foreign_element_is_refused() -> None:
    with pytest.raises(Internal, match="foreignObject"):
        drawing('<svg xmlns="http://www.w3.org/2000/svg"><foreignObject/></svg>')


def test_pdf_and_html_say_the_same() -> None:
    document = build_document(EVIDENCE)
    text = "".join(Outline(build_html(EVIDENCE)).text)
    assert document["summary"]["opinion"] in text
    for section in [*document["chapters"], *document["appendices"]]:
        assert section["title"] in text
