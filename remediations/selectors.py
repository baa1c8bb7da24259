"""Reading remedies for pages and the API, with a fixed number of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, QuerySet, Sum

from accounts.models import Organisation
from assay.contracts import PILLAR_TITLES, Comparison
from assay.errors import BadInput
from assay.registry import REMEDIES
from assay.report import formatting as fmt
from assay.report.document.change import comparison_name
from audits.models import Run
from jobs.models import Shard, ShardState
from remediations.models import RemedyRun, RemedyState

__all__ = [
    "GATE",
    "ChangeLine",
    "Progress",
    "change_lines",
    "earlier_answers",
    "progress_of",
    "remedies_of",
    "remedy_title",
]

GATE = {
    0: ("pass", "pass", "Let through"),
    1: ("fail", "fail", "Not let through"),
    2: ("none", "none", "Not comparable"),
    3: ("none", "open", "Not decided"),
}
"""The gate's exit code -> colour, icon and word."""
_READINGS = {
    "better": ("pass", "pass", "Better"),
    "worse": ("fail", "fail", "Worse"),
    "unchanged": ("none", "none", "Unchanged"),
    "insufficient": ("none", "open", "Not decided"),
}


_NEVER = (
    *(f"{run}__{name}" for run in ("baseline", "run") for name in ("plan", "params", "methods", "counts")),
    *(f"{name}__facts" for name in ("model_version", "candidate")),
    *(f"{name}__signature" for name in ("model_version", "candidate")),
    *("model_version__lineage", "dataset_version__profile", "dataset_version__description"),
    *("baseline__policy__toml", "baseline__policy__content", "job__request"),
)
"""Large columns that no page of remedies shows."""
_LISTED_NEVER = ("changes", "params", "candidate__lineage")


@dataclass(frozen=True)
class Progress:
    """How far a remedy that has not ended is."""

    share: float
    """Of the present step, 0..1."""
    doing: str
    epoch: int | None = None
    epochs: int | None = None
    attempts: int = 1

    @property
    def percent(self) -> int:
        return round(self.share * 100)


@dataclass(frozen=True)
class ChangeLine:
    """One measure before and after, as tables show it."""

    title: str
    who: str
    pillar: str
    before: str
    after: str
    change: str
    interval: str
    tolerance: str
    status: tuple[str, str, str]
    note: str = ""


@dataclass
class Answers:
    """What the gate said of a remedy's earlier candidates in a system."""

    tried: int = 0
    through: int = 0


def remedies_of(organisation: Organisation, *, brief: bool = False) -> QuerySet[RemedyRun]:
    """With everything that pages show, newest first; `brief`, what lists show."""
    found: QuerySet[RemedyRun] = (
        RemedyRun.objects.of(organisation)
        .select_related(
            "baseline__system",
            "baseline__policy__policy",
            "finding",
            "model_version__model",
            "dataset_version__dataset",
            "candidate__model",
            "run",
            "job",
            "created_by",
        )
        .order_by("-number")
        .defer(*_NEVER, *(_LISTED_NEVER if brief else ()))
    )
    return found


def progress_of(remedy: RemedyRun) -> Progress | None:
    """How far the training, or the candidate's audit, is; None where it has ended. Two queries at most."""
    if remedy.ended:
        return None
    if remedy.state == RemedyState.AUDITING:
        return _of_the_audit(remedy.run) if remedy.run is not None else Progress(0.0, "")
    shard = (
        Shard.objects.filter(job=remedy.job_id, purpose="work")
        .only("state", "progress", "doing", "checkpoint", "attempts")
        .first()
    )
    if shard is None:
        return Progress(0.0, "waiting for a worker")
    noted: Mapping[str, Any] = shard.checkpoint or {}
    share = max(shard.progress, float(noted.get("done", 0.0)))
    doing = "waiting for a worker" if shard.state == ShardState.READY else shard.doing or "training"
    return Progress(share, doing, noted.get("epoch"), noted.get("epochs"), max(shard.attempts, 1))


def _of_the_audit(run: Run) -> Progress:
    if run.job_id is None:
        return Progress(0.0, "reading the candidate and the test rows")
    found = Shard.objects.filter(job=run.job_id, purpose="work").aggregate(
        done=Sum(F("progress") * F("weight")), all=Sum("weight")
    )
    return Progress((found["done"] or 0.0) / (found["all"] or 1.0), "measuring")


def earlier_answers(organisation: Organisation, run: Run) -> dict[str, Answers]:
    """By remedy: how often it was tried in this system, and how often the gate let its candidate through."""
    found: dict[str, Answers] = {}
    rows = RemedyRun.objects.of(organisation).filter(baseline__system=run.system_id, state=RemedyState.DONE)
    for remedy, gate in rows.values_list("remedy", "gate"):
        answers = found.setdefault(remedy, Answers())
        answers.tried += 1
        answers.through += 1 if gate and gate["exit_code"] == 0 else 0
    return found


def change_lines(entries: Sequence[Mapping[str, Any]]) -> list[ChangeLine]:
    """Kept comparisons as tables show them."""
    return [_line(Comparison.model_validate(entry)) for entry in entries]


def remedy_title(name: str) -> str:
    """The remedy's title; its id where it is no longer installed."""
    try:
        return REMEDIES.get(name).spec.title
    except BadInput:
        return name


def _line(entry: Comparison) -> ChangeLine:
    exact = entry.interval_method.startswith("exact")
    return ChangeLine(
        fmt.titled(entry.title, entry.unit),
        comparison_name(entry),
        PILLAR_TITLES[entry.pillar],
        fmt.value(entry.before, entry.unit),
        fmt.value(entry.after, entry.unit),
        fmt.value(entry.change, entry.unit),
        "exact" if exact else fmt.interval(entry.low, entry.high, entry.unit),
        f"± {fmt.value(entry.tolerance, entry.unit)}",
        _READINGS[entry.reading],
        entry.note or "",
    )
