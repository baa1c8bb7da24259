"""Appendices: the measures behind every chapter, the manifest, the glossary."""

from __future__ import annotations

from assay.contracts import Measure
from assay.report import formatting as fmt
from assay.report.document.book import Book
from assay.report.document.model import Block, Section, bullets, facts, heading, section, text
from assay.report.sandbox_words import containment, layers_of

__all__ = ["evidence_section", "glossary_section", "manifest_section"]

MOST_ROWS = 240
"""Rows printed of one method; all of them are in the attached evidence.json."""

_GLOSSARY = (
    ("Base rate", "the share of rows whose label is the favourable class."),
    ("Digest", "the SHA-256 of a file or document: any change of a single bit gives another one."),
    ("Evidence", "the attached evidence.json: every measure, series, verdict and finding, in full."),
    ("False positive rate", "of the rows whose label is unfavourable, the share predicted favourable."),
    ("Favourable", "the class that the person concerned would want."),
    ("Grade", "how close the audit came to the model: supplied, endpoint or executed."),
    ("Impact ratio", "the lower selection rate of two groups divided by the higher; 1 is parity."),
    ("Interval", "the values that the rows at hand leave open at the stated level."),
    ("n", "the rows that a value rests on."),
    ("Positive predictive value", "of the rows predicted favourable, the share whose label is favourable."),
    ("Selection rate", "the share of rows predicted favourable."),
    ("True positive rate", "of the rows whose label is favourable, the share predicted favourable."),
    ("Undecided", "the interval lies on both sides of the limit; more rows are needed."),
)


def evidence_section(book: Book) -> Section:
    """The measures of each method, those behind verdicts first when not all can be printed."""
    decisive = {v.decisive for v in book.evidence.verdicts} | {
        k for f in book.evidence.findings for k in f.measures
    }
    judged = {id(book.by_key[key]) for key in decisive if key in book.by_key}
    blocks: list[Block] = [
        text(
            "An id is the first ten digits of the measure's key, the SHA-256 of its canonical id, slice, "
            "over and at. The attached report-index.json leads from each id, figure and table to its place "
            "in evidence.json."
        )
    ]
    for method in book.evidence.methods:
        measures = book.of(method)
        if not measures:
            continue
        blocks.append(heading(method.title))
        chosen: list[Measure] = measures
        if len(measures) > MOST_ROWS:
            first = [m for m in measures if id(m) in judged or not m.slice]
            rest = [m for m in measures if not (id(m) in judged or not m.slice)]
            chosen = [*first, *rest]
        blocks.append(book.measures_table(f"Measures of {method.id}", chosen, MOST_ROWS))
    return section("evidence", "Evidence tables", blocks)


def manifest_section(book: Book) -> Section:
    """What is needed to run it again: digests, versions, seeds, sandbox, hardware, command."""
    evidence = book.evidence
    plan, manifest = evidence.plan, evidence.manifest
    data = [(f"{d.role} data", d.sha256) for d in evidence.subject.datasets]
    digests = [
        ("Snapshot", evidence.snapshot_digest),
        ("Results", evidence.result_digest),
        ("Plan", plan.plan_sha256),
        ("Policy", plan.policy_sha256 or "none"),
        ("Code", manifest.code_sha256),
        *data,
    ]
    together = containment(manifest.sandbox.layers)
    layers = [
        *([together] if together else []),
        *(f"{t}: {'active' if on else 'not active'}" for t, on in layers_of(manifest.sandbox.layers)),
    ]
    run = [
        ("Command", " ".join(manifest.command)),
        ("Started", fmt.instant(manifest.started_at)),
        ("Finished", fmt.instant(manifest.finished_at)),
        (
            "Steps",
            ", ".join(f"{name} {fmt.duration(s)}" for name, s in sorted(manifest.seconds.items())) or "none",
        ),
        ("Work", f"{fmt.plural(manifest.shards, 'shard')}, {manifest.failed_shards} failed"),
        ("Seed and tier", f"{plan.seed}, {plan.tier}"),
    ]
    versions = [
        ("Assay", manifest.assay_version),
        ("Python", manifest.python),
        ("Platform", manifest.platform),
    ]
    versions += [(name, str(version)) for name, version in sorted(manifest.packages.items())]
    blocks: list[Block] = [
        heading("Digests (SHA-256)"),
        facts(digests, mono=[term for term, _ in digests]),
        heading("Run"),
        facts(run, mono=("Command",)),
        heading("Sandbox of the measuring process"),
        bullets([*layers, *manifest.sandbox.notes] or ["none was recorded"]),
        heading("Versions"),
        facts(versions),
        heading("Hardware"),
        facts(
            [(name, str(what)) for name, what in sorted(manifest.hardware.items())]
            or [("Hardware", "not recorded")]
        ),
    ]
    return section("manifest", "Manifest", blocks)


def glossary_section() -> Section:
    return section("glossary", "Glossary", [facts(_GLOSSARY)], opens=False)
