"""Evidence -> the document model that the PDF and the HTML edition render."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from assay.contracts import PILLARS, Evidence
from assay.report import formatting as fmt
from assay.report.charts import draw
from assay.report.decision import Decision
from assay.report.document.appendix import evidence_section, glossary_section, manifest_section
from assay.report.document.book import Book
from assay.report.document.change import change_section
from assay.report.document.methods import method_section
from assay.report.document.model import Document, Figure, heading, text
from assay.report.document.policy import limits_section, policy_section, reading_section
from assay.report.document.review import review_section, stamp, status, watermark
from assay.report.document.subject import subject_section
from assay.report.document.summary import NOT_SIGNED, summary
from assay.report.document.verdicts import findings_section, verdicts_section
from assay.report.glyphs import FONTS_VARIABLE, Families, clean, shown

__all__ = ["NOT_SIGNED", "build_document", "figures", "printed", "told_of", "without_glyph"]

_KEPT = frozenset({"svg", "index", "chart"})


def build_document(evidence: Evidence, *, draft: bool = True, decision: Decision | None = None) -> Document:
    """Sentences, tables and figures of a report, in order, with exact text and undrawn charts.

    With a `decision` (reports of the service) it says what holds instead of `draft`.
    """
    book = Book(evidence, decision)
    first = summary(book, draft)
    chapters = [review_section(book, decision)] if decision is not None else []
    chapters.append(findings_section(book))
    if evidence.change is not None:
        chapters.append(change_section(book, evidence.change))
    chapters += [verdicts_section(book), subject_section(book)]
    methods = sorted(evidence.methods, key=lambda method: PILLARS.index(method.pillar))
    chapters += [method_section(book, method) for method in methods]
    chapters += [policy_section(book), reading_section(book), limits_section(book)]
    appendices = [evidence_section(book), manifest_section(book), glossary_section()]
    word = "Draft: no reviewer has signed" if draft else "For signature"
    return {
        "title": evidence.title.strip() or "Untitled audit",
        "language": "en",
        "status": word if decision is None else status(decision),
        "stamp": word if decision is None else stamp(decision),
        "watermark": "" if decision is None else watermark(decision),
        "snapshot": evidence.snapshot_digest,
        "date": fmt.instant(evidence.manifest.finished_at),
        "timestamp": fmt.timestamp(evidence.manifest.finished_at),
        "generator": f"Assay {evidence.manifest.assay_version}",
        "summary": first,
        "chapters": chapters,
        "appendices": appendices,
        "index": book.index,
    }


def figures(document: Document) -> Iterator[Figure]:
    """Every figure in order."""
    for section in [*document["chapters"], *document["appendices"]]:
        for block in section["blocks"]:
            if block["kind"] == "figure":
                yield cast(Figure, block)


def printed(document: Document, show: Callable[[str], str], label: Callable[[str], str]) -> Document:
    """The document as one edition prints it.

    Every string is shortened and passed through `show` (in charts: `label`), and every chart is drawn
    from the result.
    """
    ready: Any = clean(document, show, keep=_KEPT)
    for figure in figures(ready):
        figure["chart"] = clean(figure["chart"], label)
        figure["svg"] = draw(figure["chart"])
    return cast(Document, ready)


def without_glyph(document: Document, fonts: Families, of_charts: Families) -> list[str]:
    """The characters of the document that these fonts cannot show, in the order of their code points."""
    lost: set[str] = set()
    clean(document, lambda words: shown(words, fonts, lost), keep=_KEPT)
    for figure in figures(document):
        clean(figure["chart"], lambda words: shown(words, of_charts, lost))
    return sorted(lost)


def told_of(document: Document, lost: list[str]) -> Document:
    """The document; where characters are written out instead of shown, with a note that says what to do."""
    if not lost:
        return document
    codes = ", ".join(f"U+{ord(character):04X}" for character in lost[:12])
    rest = f" and {len(lost) - 12:,} more" if len(lost) > 12 else ""
    note = [
        heading("Characters that are written out"),
        text(
            f"The fonts of this edition have no glyph for {fmt.plural(len(lost), 'character')} of its text, "
            f"written out by code point instead: {codes}{rest}. Whoever makes the report can name a folder "
            f"of fonts that have them in the environment variable {FONTS_VARIABLE} (docs/deploy.md) and make "
            "it again. The attached evidence.json and the HTML edition have them as they are."
        ),
    ]
    chapters = [
        {**one, "blocks": [*one["blocks"], *note]} if one["id"] == "reading" else one
        for one in document["chapters"]
    ]
    return cast(Document, {**document, "chapters": chapters})
