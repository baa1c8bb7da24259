"""The PDF edition: PDF/UA-1 and PDF/A-3a in one file, with evidence.json attached."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from assay.contracts import Evidence
from assay.errors import Internal
from assay.evidence import canonical, dump
from assay.report.decision import Decision, dump_decision
from assay.report.document import build_document, printed, told_of, without_glyph
from assay.report.document.model import Document
from assay.report.glyphs import (
    FONTS_VARIABLE,
    Families,
    chart_families,
    families,
    plain_families,
    shown,
)

__all__ = ["build_pdf", "typeset"]

SECONDS = 120.0
"""A report that takes longer to typeset is given up."""


def build_pdf(
    evidence: Evidence,
    *,
    draft: bool = True,
    document: Document | None = None,
    attached: bytes | None = None,
    decision: Decision | None = None,
    seconds: float = SECONDS,
) -> bytes:
    """The report as a tagged PDF; the same evidence gives the same bytes.

    `document` and `attached` are `build_document(evidence)` and `dump(evidence)` where the caller has
    them already (`document` made with the same `decision`).

    Text in any script, markup or length is shown literally; what no font covers is written out as
    ‹U+4E2D›, and the attached evidence.json keeps it exactly. Further fonts come from the folder
    named by the environment variable ASSAY_FONTS.

    Raises:
        Internal: typesetting failed or took longer than `seconds`.
    """
    document = document or build_document(evidence, draft=draft, decision=decision)
    attached = attached or dump(evidence)
    second = dump_decision(decision) if decision is not None else None
    try:
        return typeset(_with(document, families(), chart_families()), attached, second, seconds=seconds)
    except _NotTypeset:
        # A shaper can want a glyph that no code point names, say for a rare sequence of two scripts.
        # The text family alone needs no shaping across fonts; all else is then written out.
        plain = plain_families()
        return typeset(_with(document, plain, plain), attached, second, seconds=seconds)


def _with(document: Document, text: Families, labels: Families) -> Document:
    document = told_of(document, without_glyph(document, text, labels))
    return printed(document, lambda words: shown(words, text), lambda words: shown(words, labels))


class _NotTypeset(Internal):
    """typst refused the document."""


def typeset(
    document: Document, evidence: bytes, decision: bytes | None = None, *, seconds: float = SECONDS
) -> bytes:
    """A printed document model, with evidence and decision attached as they are, as PDF made in a child."""
    with tempfile.TemporaryDirectory(prefix="assay-report-") as name:
        folder = Path(name)
        template = (files("assay.report") / "templates" / "report.typ").read_bytes()
        (folder / "report.typ").write_bytes(template)
        if decision is not None:
            (folder / "decision.json").write_bytes(decision)
        content = {**document, "decision": decision is not None}
        (folder / "document.json").write_text(json.dumps(content, ensure_ascii=False), "utf-8")
        (folder / "evidence.json").write_bytes(evidence)
        (folder / "report-index.json").write_bytes(canonical(document["index"]) + b"\n")
        command = [sys.executable, "-I", "-m", "assay.report.render_child", name, str(document["timestamp"])]
        fonts = os.environ.get(FONTS_VARIABLE)
        if fonts and Path(fonts).is_dir():
            command.append(str(Path(fonts).resolve()))
        try:
            done = subprocess.run(command, capture_output=True, timeout=seconds, check=False, cwd=name)
        except subprocess.TimeoutExpired as error:
            raise Internal(f"The report was not typeset within {seconds:g} seconds.") from error
        if done.returncode != 0:
            last = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise _NotTypeset(f"The report could not be typeset: {last[-1] if last else 'no reason given'}.")
        return (folder / "report.pdf").read_bytes()
