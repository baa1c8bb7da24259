"""Evidence -> the document model that the PDF and the HTML edition render."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

from assay.contracts import PILLARS, Evidence
from assay.report import formatting as fmt
from assay.report.charts import draw
from assay.report.document.appendix import evidence_section, glossary_section, manifest_section
from assay.report.document.book import Book
from assay.report.document.change import change_section
from assay.report.document.methods import method_section
from assay.report.document.model import Document, Figure
from assay.report.document.policy import limits_section, policy_section, reading_section
from assay.report.document.subject import subject_section
from assay.report.document.summary import NOT_SIGNED, summary
from assay.report.document.verdicts import findings_section, verdicts_section
from assay.report.glyphs import clean

__all__ = ["NOT_SIGNED", "build_document", "figures", "printed"]

_KEPT = frozenset({"svg", "index", "chart"})


def build_document(evidence: Evidence, *, draft: bool = True) -> Document:
    """Sentences, tables and figures of a report, in order, with exact text and undrawn charts."""
    book = Book(evidence)
    first = summary(book, draft)
    chapters = [findings_section(book)]
    if evidence.change is not None:
        chapters.append(change_section(book, evidence.change))
    chapters += [verdicts_section(book), subject_section(book)]
    methods = sorted(evidence.methods, key=lambda method: PILLARS.index(method.pillar))
    chapters += [method_section(book, method) for method in methods]
    chapters += [policy_section(book), reading_section(book), limits_section(book)]
    appendices = [evidence_section(book), manifest_section(book), glossary_section()]
    return {
        "title": evidence.title.strip() or "Untitled audit",
        "language": "en",
        "status": "Draft: no reviewer has signed" if draft else "For signature",
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
