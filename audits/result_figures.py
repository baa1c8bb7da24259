"""What a run's pages print, made from its frozen snapshot: the report's own sentences, tables and figures.

The page and the PDF say the same because both print the engine's document (assay/report/document).
"""

from __future__ import annotations

import itertools
import threading
import uuid
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.contracts import PILLAR_TITLES, PILLARS, Evidence, Verdict
from assay.report import formatting as fmt
from assay.report.document import build_document, printed
from assay.report.document.model import Document
from assay.report.document.summary import rule_label, worst_first
from assay.report.glyphs import clean, visible
from assay.report.html import drawing
from assay.report.sandbox_words import containment, layers_of
from assay.report.untested import untested
from audits.models import Run
from audits.planning import evidence_of
from audits.result_strips import strip

__all__ = ["CHAPTERS", "Result", "Shelf", "headline", "make_result", "ready", "result_of"]

CHAPTERS: Mapping[str, str] = {
    **{pillar.replace("_", "-"): title for pillar, title in PILLAR_TITLES.items()},
    "subject": "What was audited",
    "policy": "Policy and thresholds",
    "limits": "What was not tested, and limits",
    "measures": "All measures",
    "manifest": "Manifest",
}
"""Address of a chapter's page -> its title."""

_SECTIONS = {
    "subject": ("subject",),
    "policy": ("policy", "reading"),
    "limits": ("not-tested",),
    "measures": ("evidence",),
    "manifest": ("manifest", "glossary"),
}
_OUTCOMES = ("fail", "insufficient", "warn", "not_tested", "pass")


@dataclass(frozen=True)
class Result:
    """All that the pages of one run print; every string is safe to show, every chart is drawn.

    Attributes:
        verdicts: outcome -> rows of the table of rules.
        charts: values against limits, one figure a unit, the unit of the worst verdict first.
        leading: the first figure of the pillars in which a rule failed.
        chapters: address -> sections, each a title and blocks.
    """

    title: str
    headline: str
    answer: str
    opinion: str
    scope: str
    facts: list[dict[str, str]]
    tiles: list[dict[str, Any]]
    verdicts: dict[str, list[dict[str, Any]]]
    interval_title: str
    charts: list[dict[str, Any]]
    leading: list[dict[str, Any]]
    undecided: list[str]
    not_tested: list[dict[str, str]]
    change: dict[str, Any] | None
    manifest: list[dict[str, Any]]
    chapters: dict[str, list[dict[str, Any]]]
    holds_rows: bool


class Shelf:
    """Keeps what was made last, by key, up to a total weight; the newest stays whatever it weighs."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[object, tuple[int, Any]] = OrderedDict()

    def get(self, key: object, make: Callable[[], tuple[int, Any]]) -> Any:
        """The value under `key`, made by `make` (weight, value) where it is not kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][1]
        made = make()
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > 1 and sum(weight for weight, _ in self._kept.values()) > self._most:
                self._kept.popitem(last=False)
        return made[1]


_SHELF = Shelf(30_000)
"""Measures whose results are kept ready: some 400 bytes of printed tables and charts each."""


def result_of(run: Run) -> Result:
    """The run's result. A snapshot never changes, so what was made of it once is kept.

    Raises:
        BadInput: the snapshot is gone or damaged.
    """

    def make() -> tuple[int, Result]:
        evidence = evidence_of(run)
        return len(evidence.measures) + 20, make_result(evidence)

    key: tuple[uuid.UUID, str] = (run.organisation_id, run.evidence_file)
    found: Result = _SHELF.get(key, make)
    return found


def make_result(evidence: Evidence) -> Result:
    """Sentences, tables and drawn charts of the pages, from the same document as the report's."""
    document = printed(build_document(evidence, draft=False), visible, visible)
    sections = {section["id"]: section for section in (*document["chapters"], *document["appendices"])}
    for section in sections.values():
        section["blocks"] = ready(section["blocks"])
    pillars = {f"method-{method.id}": method.pillar for method in evidence.methods}
    chapters: dict[str, list[dict[str, Any]]] = {
        pillar.replace("_", "-"): [_shown(s) for name, s in sections.items() if pillars.get(name) == pillar]
        for pillar in PILLARS
    }
    for address, names in _SECTIONS.items():
        chapters[address] = [_shown(sections[name]) for name in names if name in sections]
    summary = document["summary"]
    judged: list[Any] = sections["verdicts"]["blocks"]
    charts = [block for block in judged if block["kind"] == "figure"]
    worst = next((v.unit for v in worst_first(evidence.verdicts) if v.value is not None), "")
    charts.sort(key=lambda figure: figure["chart"]["title"] != worst)
    failed = list(dict.fromkeys(v.pillar for v in worst_first(evidence.verdicts) if v.outcome == "fail"))
    leading = [figure for pillar in failed if (figure := _first_figure(chapters, pillar)) is not None]
    strips = {place: strip(verdict) for place, verdict in enumerate(evidence.verdicts)}
    own: Any = clean(
        {
            "answer": _answer(evidence.verdicts),
            "headline": headline(evidence.verdicts, evidence.plan.policy is not None),
            "facts": _facts(evidence),
            "verdicts": _rules(evidence),
            "undecided": _undecided(document),
            "not_tested": [
                {"what": ", ".join(titles), "why": why} for why, titles in untested(evidence).items()
            ],
            "change": evidence.change and {"sentence": evidence.change.sentence, **evidence.change.counts},
            "manifest": _manifest(evidence),
        },
        visible,
    )
    for row in (row for rows in own["verdicts"].values() for row in rows):
        row["strip"] = strips[row["place"]]
    return Result(
        title=document["title"],
        opinion=summary["opinion"],
        scope=summary["scope"],
        tiles=_tiles(document, evidence),
        interval_title=_interval_title(evidence.verdicts),
        charts=charts,
        leading=leading[:2],
        chapters=chapters,
        holds_rows=evidence.annex is not None,
        **own,
    )


def ready(blocks: Sequence[Any]) -> list[Any]:
    """Printed blocks for templates: charts as markup, checked to hold drawing elements only; each cell with
    the kind of its column."""
    for block in blocks:
        if block["kind"] == "figure":
            block["svg"] = drawing(block["svg"])
        table = block["table"] if block["kind"] == "figure" else block if block["kind"] == "table" else None
        if table is not None:
            kinds = [column["kind"] for column in table["columns"]]
            for row in table["rows"]:
                for cell, kind in zip(row, kinds, strict=True):
                    cell["kind"] = kind
    return list(blocks)


def headline(verdicts: Sequence[Verdict], judged: bool) -> str:
    """The answer in a few words: the worst that happened to any verdict, and to how many."""
    if not judged:
        return "measured, not judged"
    total = len(verdicts)
    if not total:
        return "no rule applied"
    tally = Counter(v.outcome for v in verdicts)
    every = fmt.plural(total, "verdict")
    if tally["fail"]:
        return f"{tally['fail']} of {every} failed"
    if tally["insufficient"]:
        return f"nothing failed, {tally['insufficient']} of {every} undecided"
    if tally["not_tested"]:
        return f"nothing failed, {tally['not_tested']} of {every} not tested"
    if tally["warn"]:
        return f"passed, {tally['warn']} of {every} close to the limit"
    return f"all {every} passed" if total > 1 else "the one verdict passed"


def _answer(verdicts: Sequence[Verdict]) -> str:
    """What the most severe of the verdicts that decided says, in its own words; empty where all passed."""
    worst = next(iter(worst_first(verdicts)), None)
    if worst is None or worst.outcome not in ("fail", "insufficient", "warn"):
        return ""
    return f"{worst.title.rstrip('.')}. {worst.sentence}"


def _shown(section: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": section["id"], "title": section["title"], "blocks": section["blocks"]}


def _first_figure(chapters: Mapping[str, list[dict[str, Any]]], pillar: str) -> dict[str, Any] | None:
    blocks = [block for section in chapters[pillar.replace("_", "-")] for block in section["blocks"]]
    return next((block for block in blocks if block["kind"] == "figure" and not block["half"]), None)


def _facts(evidence: Evidence) -> list[dict[str, str]]:
    profile, plan, manifest = evidence.subject, evidence.plan, evidence.manifest
    model, opening = profile.model, plan.opening
    took = fmt.timestamp(manifest.finished_at) - fmt.timestamp(manifest.started_at)
    rows = [
        ("Model", f"{model.format} {fmt.short(model.sha256)}" if model else "predictions in the data"),
        ("Data", f"{profile.test.name} · {fmt.plural(profile.test.rows, 'row')}"),
        (
            "Policy",
            f"{plan.policy.title} {plan.policy.version}, fixed {fmt.instant(plan.fixed_at)}"
            if plan.policy
            else f"none; plan fixed {fmt.instant(plan.fixed_at)}",
        ),
        ("Grade", f"{profile.grade}, {plan.tier}, seed {plan.seed}"),
        ("Took", fmt.duration(took)),
        ("Sealed rows", f"opening {opening.number}, {opening.standing}" if opening else "openings not known"),
    ]
    return [{"term": term, "text": text} for term, text in rows]


def _tiles(document: Document, evidence: Evidence) -> list[dict[str, Any]]:
    tiles: list[dict[str, Any]] = []
    ran = {method.pillar for method in evidence.methods}
    for pillar, tile in zip(PILLARS, document["summary"]["tiles"], strict=False):
        shown: dict[str, Any] = {**tile, "chapter": pillar.replace("_", "-")}
        if pillar not in ran:
            reasons = [entry.reason for entry in evidence.not_tested if entry.pillar == pillar]
            shown["detail"] = visible(reasons[0].partition(";")[0]) if reasons else "not part of the plan"
            shown["chapter"] = "limits"
        tiles.append(shown)
    count = len(evidence.not_tested)
    titles = [title for titles in untested(evidence).values() for title in titles]
    tiles.append(
        {
            "title": "Not tested",
            "outcome": "not_tested",
            "word": fmt.plural(count, "method") if count else "Nothing",
            "detail": visible(", ".join(titles)) if count else "every planned method ran",
            "chapter": "limits",
        }
    )
    return tiles


def _rules(evidence: Evidence) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {outcome: [] for outcome in _OUTCOMES}
    places = {id(verdict): place for place, verdict in enumerate(evidence.verdicts)}
    for verdict in worst_first(evidence.verdicts):
        found[verdict.outcome].append(
            {
                "place": places[id(verdict)],
                "id": f"V{places[id(verdict)] + 1}",
                "rule": verdict.rule,
                "label": rule_label(verdict),
                "outcome": verdict.outcome,
                "sentence": verdict.sentence,
                "value": fmt.value(verdict.value, verdict.unit),
                "interval": fmt.interval(verdict.low, verdict.high, verdict.unit),
                "limit": verdict.limit,
                "n": fmt.count(verdict.n),
                "source": verdict.source,
                "severity": verdict.severity,
                "required": verdict.required,
                "shown_only": list(verdict.shown_only),
            }
        )
    return found


def _interval_title(verdicts: Sequence[Verdict]) -> str:
    levels = {v.level for v in verdicts if v.level is not None}
    return f"{levels.pop() * 100:g} % interval" if len(levels) == 1 else "Interval"


def _undecided(document: Document) -> list[str]:
    """The rows that would settle what is open, in sentences, as the report's chapter has them."""
    verdicts = next(s for s in document["chapters"] if s["id"] == "verdicts")
    blocks: list[Any] = verdicts["blocks"]
    for block, following in itertools.pairwise(blocks):
        if block["kind"] == "heading" and block["text"] == "What could not be decided":
            return list(following["items"])
    return []


def _manifest(evidence: Evidence) -> list[dict[str, Any]]:
    manifest, plan = evidence.manifest, evidence.plan
    layers = [title for title, on in layers_of(manifest.sandbox.layers) if on]
    missing = [title for title, on in layers_of(manifest.sandbox.layers) if not on]
    together = containment(manifest.sandbox.layers)
    rows = [
        ("Snapshot", evidence.snapshot_digest, True),
        ("Result", evidence.result_digest, True),
        ("Plan", plan.plan_sha256, True),
        ("Policy", plan.policy_sha256 or "none", True),
        *((f"{d.role.title()} data", d.sha256, True) for d in evidence.subject.datasets),
        *((("Model", evidence.subject.model.sha256, True),) if evidence.subject.model else ()),
        ("Assay", f"{manifest.assay_version}, code {fmt.short(manifest.code_sha256, 12)}", False),
        ("Seed and tier", f"{plan.seed}, {plan.tier}", False),
        ("Sandbox", ", ".join(layers) or "no layer was active", False),
        *((("Not active", ", ".join(missing), False),) if missing else ()),
        *((("Contained", together, False),) if together else ()),
        ("Hardware", ", ".join(f"{k} {v}" for k, v in sorted(manifest.hardware.items())) or "unknown", False),
        ("Work", f"{fmt.plural(manifest.shards, 'shard')}, {manifest.failed_shards} failed", False),
    ]
    return [{"term": term, "text": text, "mono": mono} for term, text, mono in rows]
