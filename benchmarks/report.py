"""How long a report of 40 pages with 20 charts takes: charts, typesetting, the whole.

Run as `python -m benchmarks.report`. Starting the child that typesets is part of the PDF figures.
"""

from __future__ import annotations

import io
import json
import resource
import time
from typing import Any

import pikepdf

from assay.evidence import dump
from assay.report.charts import draw
from assay.report.document import build_document, figures, printed
from assay.report.glyphs import chart_families, families, shown
from assay.report.html import build_html
from assay.report.pdf import build_pdf, typeset
from tests.report.sample import evidence

FURTHER = 7
"""Further attributes of twelve groups, so that the sample grows to more than 40 pages."""


def _best(work: Any, repeats: int = 3) -> tuple[float, Any]:
    """Seconds of the fastest of `repeats` runs, and what it returned."""
    best, result = float("inf"), None
    for _ in range(repeats):
        start = time.perf_counter()
        result = work()
        best = min(best, time.perf_counter() - start)
    return best, result


def _cpu_seconds() -> float:
    """CPU time of this process and its children: comparable where the machine is shared."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def run() -> dict[str, Any]:
    """Seconds of each part, with the pages and charts of the report that was measured."""
    data = evidence(further=FURTHER)
    text, labels = families(), chart_families()
    model_seconds, document = _best(lambda: build_document(data))
    charts = [figure["chart"] for figure in figures(document)]
    chart_seconds, _ = _best(lambda: [draw(chart) for chart in charts])
    ready = printed(document, lambda s: shown(s, text), lambda s: shown(s, labels))
    typst_seconds, _ = _best(lambda: typeset(ready, dump(data)))
    cpu = _cpu_seconds()
    whole_seconds, pdf = _best(lambda: build_pdf(data), 1)
    cpu = _cpu_seconds() - cpu
    html_seconds, page = _best(lambda: build_html(data))
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        pages = len(opened.pages)
    return {
        "pages": pages,
        "charts": len(charts),
        "measures": len(data.measures),
        "document_seconds": round(model_seconds, 4),
        "charts_seconds": round(chart_seconds, 4),
        "typst_seconds": round(typst_seconds, 3),
        "pdf_seconds": round(whole_seconds, 3),
        "pdf_cpu_seconds": round(cpu, 3),
        "html_seconds": round(html_seconds, 3),
        "pdf_bytes": len(pdf),
        "html_bytes": len(page),
        "limit_seconds": 2.0,
    }


if __name__ == "__main__":
    print(json.dumps(run(), indent=2))
