"""One chapter for each method that ran: figures, measures, notes, definition, citations."""

from __future__ import annotations

from assay.contracts import Measure, MethodSpec
from assay.report.document.attribution_maps import map_blocks
from assay.report.document.book import Book, column
from assay.report.document.cost import cost_blocks
from assay.report.document.curves import series_blocks
from assay.report.document.explainability import explainability_blocks, is_in_bars
from assay.report.document.fairness import fairness_blocks
from assay.report.document.model import Block, Section, bullets, facts, heading, section, text
from assay.report.document.privacy import privacy_blocks
from assay.report.document.quality import quality_blocks
from assay.report.document.robustness import has_own_table, robustness_blocks
from assay.report.document.summary import rule_label
from assay.report.palette import STYLES

__all__ = ["method_section"]


def method_section(book: Book, method: MethodSpec) -> Section:
    """The chapter of one method; what it did not measure is not mentioned as if it had."""
    measures = book.of(method)
    blocks: list[Block] = [text(method.summary, "lede")]
    notes = book.evidence.notes.get(method.id, ())
    verdicts = [v for v in book.evidence.verdicts if v.measure in {m.id for m in measures}]
    if verdicts:
        said = [f"{book.verdict_id(v)} {rule_label(v)}: {STYLES[v.outcome].word.lower()}" for v in verdicts]
        blocks.append(text(f"Judged here: {'; '.join(said)}."))
    if not measures:
        blocks.append(text("This method ran and measured nothing."))
    if method.pillar == "fairness":
        blocks += fairness_blocks(book, measures)
    elif method.pillar == "privacy":
        blocks += privacy_blocks(book, measures)
    elif method.pillar == "cost":
        blocks += cost_blocks(book, measures)
    elif method.pillar == "data_quality":
        blocks += quality_blocks(book, measures)
    elif method.pillar == "explainability":
        blocks += explainability_blocks(book, method.id, measures)
    elif method.pillar == "robustness":
        blocks += robustness_blocks(book, method.id, measures)
    overall = [m for m in measures if _overall(m) and not is_in_bars(book, m)]
    if overall:
        blocks += [
            heading("Measures over all rows", contents=False),
            book.measures_table("Measures over all rows", overall),
        ]
    blocks += [*map_blocks(book, method.id), *series_blocks(book, method.id)]
    if notes:
        blocks += [heading("Notes", contents=False), bullets(notes)]
    blocks += _definition(book, method, measures)
    return section(f"method-{method.id}", method.title, blocks)


def _overall(measure: Measure) -> bool:
    """Measures without a chart of their own: over all rows, a range, a count."""
    shown = "against" in measure.at or "feature" in measure.at or has_own_table(measure)
    return not measure.slice and not shown


def _definition(book: Book, method: MethodSpec, measures: list[Measure]) -> list[Block]:
    seen = dict.fromkeys(m.id for m in measures)
    planned = next((p for p in book.evidence.plan.methods if p.id == method.id), None)
    settings = [(name, str(value)) for name, value in sorted((planned.params if planned else {}).items())]
    blocks: list[Block] = [heading("How it is computed", contents=False)]
    rows = [[book.title(id_), book.specs[id_].description, book.specs[id_].unit] for id_ in seen]
    if rows:
        columns = [column("Measure", 0.9), column("Definition", 2.4), column("Unit", 0.4)]
        blocks.append(book.table(f"Definitions, {method.id} {method.version}", columns, rows))
    if settings:
        blocks.append(facts([("Parameters", ", ".join(f"{name} = {value}" for name, value in settings))]))
    if method.citations:
        blocks.append(heading("Sources", contents=False))
        blocks.append(bullets([c.text + (f", {c.url}" if c.url else "") for c in method.citations]))
    return blocks
