from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assay import evidence as evidence_module
from assay.errors import Internal
from assay.report.pdf import build_pdf
from tests.report.fonts import write_font
from tests.report.sample import evidence

EVIDENCE = evidence()


@pytest.fixture(scope="module")
def report() -> bytes:
    return build_pdf(EVIDENCE)


@pytest.fixture(scope="module")
def opened(report: bytes) -> pikepdf.Pdf:
    return pikepdf.open(io.BytesIO(report))


def words_of(pdf: bytes, *options: str) -> str:
    done = subprocess.run(["pdftotext", *options, "-", "-"], input=pdf, capture_output=True, check=True)
    return done.stdout.decode()


def tags(node: Any, found: list[str], depth: int = 0) -> list[str]:
    if isinstance(node, pikepdf.Array):
        for child in node:
            tags(child, found, depth)
    elif isinstance(node, pikepdf.Dictionary):
        if "/S" in node:
            found.append(str(node.S))
        if "/K" in node and depth < 60:
            tags(node.K, found, depth + 1)
    return found


def test_the_pdf_declares_ua_1_and_a_3a(opened: pikepdf.Pdf) -> None:
    with opened.open_metadata() as metadata:
        assert metadata["pdfuaid:part"] == "1"
        assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("3", "A")
        assert metadata["dc:title"] == EVIDENCE.title
    assert opened.Root.MarkInfo.Marked
    assert opened.Root.Lang == "en"
    assert opened.Root.ViewerPreferences.DisplayDocTitle


def test_the_attached_evidence_is_the_evidence_to_the_byte(opened: pikepdf.Pdf) -> None:
    attached = opened.attachments["evidence.json"]
    assert attached.get_file().read_bytes() == evidence_module.dump(EVIDENCE)
    assert str(attached.relationship) == "/Data"
    assert evidence_module.loads(attached.get_file().read_bytes()) == EVIDENCE


def test_every_printed_id_resolves_in_the_attached_evidence(opened: pikepdf.Pdf) -> None:
    index = json.loads(opened.attachments["report-index.json"].get_file().read_bytes())
    body = json.loads(opened.attachments["evidence.json"].get_file().read_bytes())
    for name, pointers in index.items():
        for pointer in pointers:
            _, part, place = pointer.split("/")
            item = body[part][int(place)]
            if part == "measures" and name in evidence_module.measure_key(EVIDENCE.measures[int(place)]):
                assert item["id"] == EVIDENCE.measures[int(place)].id
    printed = set(index) & set(words_of(opened_bytes(opened)).split())
    assert len(printed) > 100


def opened_bytes(pdf: pikepdf.Pdf) -> bytes:
    out = io.BytesIO()
    pdf.save(out)
    return out.getvalue()


def test_tables_headings_and_figures_are_tagged(opened: pikepdf.Pdf) -> None:
    found = tags(opened.Root.StructTreeRoot.K, [])
    assert found.count("/H1") >= 12
    assert found.count("/Figure") >= 15
    assert found.count("/Table") >= 15
    assert found.count("/TH") > found.count("/Table")
    assert "/TOC" in found


def test_the_first_page_alone_holds_the_whole_summary(report: bytes) -> None:
    first = " ".join(words_of(report, "-l", "1").split())
    second = words_of(report, "-f", "2", "-l", "2")
    for phrase in ("4 failed", "Not tested", "No reviewer has signed this report", "Top findings", "limit"):
        assert phrase.lower() in first.lower()
    assert "Contents" in second


def test_every_page_says_draft_and_its_number(report: bytes) -> None:
    pages = words_of(report).split("\f")[:-1]
    for number, page in enumerate(pages, 1):
        assert "Draft: no reviewer has signed" in page
        assert f"Page {number} of {len(pages)}" in page


def test_the_same_evidence_gives_the_same_bytes(report: bytes) -> None:
    assert build_pdf(EVIDENCE) == report


def test_a_report_without_policy_or_scores_is_whole() -> None:
    text = words_of(build_pdf(evidence(with_policy=False, with_scores=False)))
    assert "nothing was judged" in " ".join(text.split())


NASTY = [
    '#panic("x") #import "y" $ \\ ] ) * _ `',
    "<script>alert(1)</script><!--",
    "\\input{/etc/passwd} \\end{document}",
    "中文 한국어 ไทย हिन्दी العربية עברית",
    "\u202egnp.exe\u2066",
    "x" * 3_000,
    "a̸" * 90,
    "]]>&amp;\"'\x00\x1b[31m\ufffe\U0010ffff",
    " ",
    "",
]
WILD = st.text(max_size=80) | st.sampled_from(NASTY)


@settings(max_examples=2, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(WILD, min_size=9, max_size=9, unique=True), WILD, WILD)
@example(NASTY[:9], NASTY[1], NASTY[5])
@example(NASTY[:0:-1], NASTY[5], NASTY[7])
def test_no_text_breaks_the_pdf(names: list[str], title: str, note: str) -> None:
    data = evidence(title, names[:2], names[2:7], names[7:], note, with_scores=False)
    pdf = build_pdf(data)
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        assert opened.attachments["evidence.json"].get_file().read_bytes() == evidence_module.dump(data)


def test_markup_is_shown_literally() -> None:
    title = '#panic("no") *bold* $x$ <b>'
    assert title in words_of(build_pdf(evidence(title=title)), "-l", "1")


def test_a_configured_font_shows_its_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without = build_pdf(evidence(title="中"))
    assert "‹U+4E2D›" in words_of(without, "-l", "1")
    told = " ".join(words_of(without).split())
    assert "no glyph for 1 character of its text, written out by code point instead: U+4E2D." in told
    assert "environment variable ASSAY_FONTS" in told
    write_font(tmp_path / "extra.ttf", 0x4E2D)
    monkeypatch.setenv("ASSAY_FONTS", str(tmp_path))
    shown = build_pdf(evidence(title="中"))
    assert "中" in words_of(shown, "-l", "1")
    assert "ASSAY_FONTS" not in words_of(shown)


def test_a_slow_render_is_given_up_with_one_sentence() -> None:
    with pytest.raises(Internal, match="not typeset within"):
        build_pdf(EVIDENCE, seconds=0.01)
