"""What pages and the API read of runs and policies, each with a fixed number of queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.core.paginator import Page, Paginator
from django.db.models import Max, OuterRef, Q, QuerySet, Subquery

from accounts.models import Organisation
from assay.contracts import PILLAR_TITLES, PILLARS
from audits.models import Policy, PolicyVersion, Run, RunState
from models_registry.models import AISystem

__all__ = [
    "OUTCOMES",
    "RunFilter",
    "Tile",
    "filtered_runs",
    "policies_of",
    "runs_page",
    "systems_with_runs",
    "tiles_of",
]

OUTCOMES = {
    "fail": "Failed",
    "insufficient": "Undecided",
    "not_tested": "Not tested",
    "warn": "Close",
    "pass": "Passed",
    "measured": "Measured only",
}
"""What a run comes to, worst first."""
_PAGE = 25
_LIST_FIELDS = (
    "id",
    "organisation_id",
    "number",
    "title",
    "tier",
    "trigger",
    "state",
    "reason",
    "outcome",
    "counts",
    "created_at",
    "started_at",
    "ended_at",
    "system_id",
    "system__name",
    "policy_id",
    "policy__number",
    "policy__policy_id",
    "policy__policy__name",
    "created_by_id",
    "created_by__name",
    "created_by__email",
    "subject_id",
    "subject__state",
    "subject__model_version_id",
    "subject__model_version__number",
    "subject__model_version__label",
    "subject__model_version__model__name",
    "subject__dataset_version_id",
    "subject__dataset_version__number",
    "subject__dataset_version__label",
    "subject__dataset_version__dataset__name",
)
"""What a line shows; plans, profiles and policies' texts stay where they are."""


@dataclass(frozen=True)
class RunFilter:
    """What a list of runs is narrowed down to; empty means any."""

    system: str = ""
    state: str = ""
    outcome: str = ""
    search: str = ""

    @classmethod
    def of(cls, query: Mapping[str, str]) -> RunFilter:
        return cls(
            system=query.get("system", ""),
            state=query.get("state", ""),
            outcome=query.get("outcome", ""),
            search=query.get("q", "").replace("\x00", "").strip()[:200],
        )

    @property
    def any(self) -> bool:
        return bool(self.system or self.state or self.outcome or self.search)


def filtered_runs(organisation: Organisation, wanted: RunFilter) -> QuerySet[Any]:
    """Runs, newest first; a filter that names nothing known finds nothing."""
    found = Run.objects.of(organisation).order_by("-number")
    if wanted.system:
        number = wanted.system.removeprefix("S-")
        if number.isascii() and number.isdigit() and len(number) < 10:
            found = found.filter(system__number=int(number))
        else:
            found = found.none()
    if wanted.state:
        found = found.filter(state=wanted.state) if wanted.state in RunState.values else found.none()
    if wanted.outcome:
        known = wanted.outcome in OUTCOMES
        found = found.filter(outcome=wanted.outcome) if known else found.none()
    if wanted.search:
        number = wanted.search.lower().removeprefix("audit").strip()
        by_title = Q(title__icontains=wanted.search)
        exact = number.isascii() and number.isdigit() and len(number) < 10
        found = found.filter(by_title | Q(number=int(number)) if exact else by_title)
    return found


def runs_page(organisation: Organisation, wanted: RunFilter, number: str | int = 1) -> Page[Any]:
    """One page of runs, with what a line shows (2 queries)."""
    found = (
        filtered_runs(organisation, wanted)
        .select_related(
            "system",
            "policy__policy",
            "created_by",
            "subject__model_version__model",
            "subject__dataset_version__dataset",
        )
        .only(*_LIST_FIELDS)
    )
    return Paginator(found, _PAGE).get_page(number)


class Tile(NamedTuple):
    """A pillar's rules in short."""

    pillar: str
    outcome: str
    rules: int

    @property
    def word(self) -> str:
        return OUTCOMES[self.outcome]


_WORST_FIRST = ("fail", "insufficient", "warn", "pass", "not_tested")


def tiles_of(run: Run) -> list[Tile]:
    """Per pillar the outcome that decides, and how many rules have it."""
    tiles = []
    for pillar in PILLARS:
        counts = run.counts.get(pillar, {})
        outcome = next((o for o in _WORST_FIRST if counts.get(o)), None)
        if outcome is not None:
            tiles.append(Tile(PILLAR_TITLES[pillar], outcome, int(counts[outcome])))
    return tiles


def systems_with_runs(organisation: Organisation) -> QuerySet[Any]:
    """Systems to filter by."""
    return AISystem.objects.of(organisation).order_by("name").only("id", "name", "number")


# --- policies -----------------------------------------------------------------------------------


def policies_of(organisation: Organisation, *, archived: bool | None = False) -> QuerySet[Any]:
    """Policies by name, with `newest` (a version's id), `newest_number`, `newest_at`, `last_used`."""
    newest = PolicyVersion.unscoped.filter(policy=OuterRef("pk")).order_by("-number")
    found: QuerySet[Any] = (
        Policy.objects.of(organisation)
        .annotate(
            newest=Subquery(newest.values("pk")[:1]),
            newest_number=Subquery(newest.values("number")[:1]),
            newest_at=Subquery(newest.values("created_at")[:1]),
            last_used=Max("versions__runs__fixed_at"),
        )
        .order_by("name")
    )
    return found if archived is None else found.filter(archived_at__isnull=not archived)
