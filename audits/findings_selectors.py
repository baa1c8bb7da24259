"""Reads for the pages of findings, each in a fixed number of queries."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.db.models import Case, Count, IntegerField, Max, Q, QuerySet, Value, When

from accounts.models import Membership, Organisation, User
from assay.contracts import PILLAR_TITLES, PILLARS
from assay.registry import METHODS
from assay.report import formatting as fmt
from assay.report.glyphs import clean, visible
from audits.findings_services import today_in
from audits.models import Finding, FindingRun, Run, RunMeasure, RunVerdict
from models_registry.models import AISystem
from trail.models import TrailEntry

__all__ = ["SEVERITIES", "Detail", "choices", "detail_of", "list_findings", "open_findings"]

SEVERITIES = ("critical", "high", "medium", "low")
_MOST_RUNS = 30
_MOST_ENTRIES = 50


def _is_open(today: datetime.date) -> Q:
    expired = Q(state=Finding.State.ACCEPTED) & (Q(accepted_until=None) | Q(accepted_until__lt=today))
    return Q(state=Finding.State.OPEN) | expired


def open_findings(organisation: Organisation) -> QuerySet[Finding]:
    """Findings that somebody has to do something about; expired acceptances are among them."""
    found: QuerySet[Finding] = Finding.objects.of(organisation).filter(_is_open(today_in(organisation)))
    return found


def list_findings(organisation: Organisation, wanted: Mapping[str, str]) -> QuerySet[Finding]:
    """Worst first, then newest. What `wanted` names and nobody knows is ignored.

    Args:
        wanted: `state` (open, accepted, mended, all), `system`, `owner` (id or nobody), `pillar`, `severity`.
    """
    today = today_in(organisation)
    rows: QuerySet[Finding] = Finding.objects.of(organisation).select_related(
        "system", "owner", "organisation"
    )
    state = wanted.get("state", "open")
    if state == "accepted":
        rows = rows.filter(state=Finding.State.ACCEPTED, accepted_until__gte=today)
    elif state == "mended":
        rows = rows.filter(state=Finding.State.MENDED)
    elif state != "all":
        rows = rows.filter(_is_open(today))
    if wanted.get("pillar") in PILLARS:
        rows = rows.filter(pillar=wanted["pillar"])
    if wanted.get("severity") in SEVERITIES:
        rows = rows.filter(severity=wanted["severity"])
    if (system := _uuid(wanted.get("system"))) is not None:
        rows = rows.filter(system_id=system)
    if wanted.get("owner") == "nobody":
        rows = rows.filter(owner=None)
    elif (owner := _uuid(wanted.get("owner"))) is not None:
        rows = rows.filter(owner_id=owner)
    order = [When(severity=name, then=Value(place)) for place, name in enumerate(SEVERITIES)]
    return rows.annotate(
        last_seen=Max("sightings__run__number"),
        times=Count("sightings"),
        rank=Case(*order, default=Value(9), output_field=IntegerField()),
    ).order_by("rank", "-number")


def choices(organisation: Organisation) -> dict[str, list[tuple[str, str]]]:
    """What each filter of the list may be set to: value and word."""
    members = Membership.objects.of(organisation).select_related("user").order_by("user__name")
    return {
        "state": [
            ("open", "Open"),
            ("accepted", "Accepted for a time"),
            ("mended", "Mended"),
            ("all", "All"),
        ],
        "system": [
            ("", "Any system"),
            *(
                (str(s.pk), s.name)
                for s in AISystem.objects.of(organisation)
                .filter(findings__isnull=False)
                .distinct()
                .order_by("name")
            ),
        ],
        "pillar": [("", "Any pillar"), *PILLAR_TITLES.items()],
        "severity": [("", "Any severity"), *((name, name.title()) for name in SEVERITIES)],
        "owner": [
            ("", "Anybody"),
            ("nobody", "Nobody yet"),
            *((str(m.user_id), str(m.user)) for m in members),
        ],
    }


@dataclass(frozen=True)
class Detail:
    """What the page of one finding shows.

    Attributes:
        content: the engine's finding as the latest run saw it, safe to show.
        rows: the measures behind it in that run.
        measures: these in words: label, value, interval, n.
        runs: runs of the system with a result, newest first, with `seen`.
        decisions: what people decided, newest first: who, what, when, and their words.
    """

    latest: Run | None
    content: dict[str, Any]
    rows: list[RunMeasure]
    measures: list[dict[str, str]]
    runs: list[dict[str, Any]]
    decisions: list[dict[str, Any]]
    verdict: dict[str, Any] | None


def detail_of(finding: Finding) -> Detail:
    sightings = {
        s.run_id: s
        for s in FindingRun.objects.filter(finding=finding)
        .select_related("run__subject__model_version__model")
        .order_by("run__number")
    }
    latest = next(reversed(sightings.values()), None)
    content = dict(latest.content) if latest else {}
    rows: list[RunMeasure] = []
    verdict = None
    if latest is not None:
        behind = RunMeasure.objects.filter(run=latest.run, key__in=content.get("measures", ()))
        rows = list(behind.order_by("pk"))
        judged = RunVerdict.objects.filter(run=latest.run, rule=content.get("rule") or "").order_by("place")
        keys = set(content.get("measures", ()))
        found = [v.content for v in judged]
        verdict = next((v for v in found if v.get("decisive") in keys), found[0] if len(found) == 1 else None)
    runs = (
        Run.objects.of(finding.organisation_id)
        .filter(system=finding.system_id)
        .exclude(evidence_file="")
        .select_related("subject__model_version__model", "subject__dataset_version__dataset")
        .order_by("-number")[:_MOST_RUNS]
    )
    return Detail(
        latest=latest.run if latest else None,
        content=clean(content, visible),
        rows=rows,
        measures=clean([_measure(row) for row in rows], visible),
        runs=[{"run": run, "seen": run.pk in sightings} for run in runs],
        decisions=_decisions(finding),
        verdict=clean(verdict, visible),
    )


@lru_cache(maxsize=1)
def _titles() -> dict[str, str]:
    """Measure -> its title, of the methods that are installed."""
    return {spec.id: spec.title for method in METHODS.all() for spec in method.spec.measures}


def _measure(row: RunMeasure) -> dict[str, str]:
    group = ", ".join(row.slice.values()) or "all rows"
    if "against" in row.at:
        group += f" {'/' if row.unit == 'ratio' else '−'} {row.at['against']}"
    rest = ", ".join(f"{name} {value}" for name, value in row.at.items() if name != "against")
    return {
        "name": _titles().get(row.measure, row.measure),
        "subject": f"{group} ({rest})" if rest else group,
        "value": fmt.value(row.value, row.unit),
        "interval": fmt.interval(row.low, row.high, row.unit),
        "n": fmt.count(row.n),
        "unit": row.unit,
    }


_DECIDED = {
    "finding.assigned": "assigned it",
    "finding.accepted": "accepted it",
    "finding.reopened": "ended the acceptance",
}


def _decisions(finding: Finding) -> list[dict[str, Any]]:
    entries = list(
        TrailEntry.objects.filter(
            organisation_id=finding.organisation_id, target_id=finding.pk, action__in=_DECIDED
        )
        .select_related("payload")
        .order_by("-sequence")[:_MOST_ENTRIES]
    )
    names = {u.pk: str(u) for u in User.objects.filter(pk__in={e.actor_id for e in entries if e.actor_id})}
    found = []
    for entry in entries:
        payload = getattr(entry, "payload", None)
        words = payload.content if payload is not None else {}
        found.append(
            {
                "at": entry.at,
                "who": names.get(entry.actor_id, "Somebody") if entry.actor_id else "The service",
                "what": _DECIDED[entry.action],
                "until": _day(entry.facts.get("until")),
                "due": _day(entry.facts.get("due")),
                "owner": words.get("owner", ""),
                "words": words.get("reason") or words.get("cause") or "",
                "erased": payload is not None and payload.erased_at is not None,
            }
        )
    return found


def _day(text: str | None) -> datetime.date | None:
    return datetime.date.fromisoformat(text) if text else None


def _uuid(text: str | None) -> uuid.UUID | None:
    try:
        return uuid.UUID(text) if text else None
    except ValueError:
        return None
