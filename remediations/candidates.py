"""From what a remedy made to the gate's answer: version, named candidate, audit, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from assay.contracts import ChangeReport
from assay.errors import AssayError
from audits.ledger import name_candidate
from audits.models import Run, RunState
from audits.planning import evidence_of
from audits.services import repeat_run
from models_registry.models import IntakeState, StoredFile
from models_registry.versions import add_model_version
from remediations.models import RemedyRun, RemedyState
from trail.services import record

__all__ = ["on_run_ended", "register_candidate"]

_MOST_MOVED = 100
"""Changes kept for the page besides the decisive ones; the snapshot has all."""


def register_candidate(remedy: RemedyRun, made: Mapping[str, Any]) -> None:
    """A new version of the same model, named for the sealed rows before its audit, which starts by itself.

    Part of the transaction that ends the remedy's job.

    Args:
        made: the result of `RemedySession.run`.
    """
    parent = remedy.model_version
    stored = {
        file.sha256: file
        for file in StoredFile.objects.of(remedy.organisation_id).filter(
            sha256__in=[sha256 for _path, sha256 in made["files"]]
        )
    }
    candidate = add_model_version(
        parent.model,
        {path: stored[sha256] for path, sha256 in made["files"]},
        by=remedy.created_by,
        label=f"{parent.label or parent.number} {remedy}",
        notes=f"Made by {remedy}: {remedy.remedy}.",
        parent=parent,
        lineage=made["lineage"],
        read=False,
    )
    candidate.sha256, candidate.format = made["sha256"], made["format"]
    candidate.facts, candidate.signature = made["facts"], made["signature"]
    candidate.gate = made["facts"].get("gate")
    candidate.sandbox, candidate.state = made["sandbox"], IntakeState.READY
    candidate.save()
    remedy.candidate = candidate
    named = name_candidate(remedy.baseline, candidate.sha256)
    record(
        remedy.organisation_id,
        "remedy.made",
        "remedy",
        remedy.pk,
        actor_id=remedy.created_by_id,
        facts={
            "candidate": str(candidate.pk),
            "candidate_sha256": candidate.sha256,
            "parent_sha256": (made["lineage"] or {}).get("parent_sha256"),
            "baseline": str(remedy.baseline_id),
            "named": named,
        },
    )
    try:
        with transaction.atomic():
            remedy.run = repeat_run(remedy.baseline, candidate, by=remedy.created_by)
            remedy.run.refresh_from_db()
    except AssayError as error:
        remedy.state, remedy.ended_at = RemedyState.FAILED, timezone.now()
        remedy.reason = f"The candidate was made, but its audit could not begin: {error.message}"
    else:
        remedy.state = RemedyState.AUDITING
    remedy.save()
    if remedy.run is not None and remedy.run.ended:
        on_run_ended(Run, remedy.run)


def on_run_ended(sender: object, run: Run, **_more: object) -> None:
    """A candidate's audit has ended: note what the gate says of it, or why there is no answer."""
    remedy = RemedyRun.unscoped.select_for_update().filter(run=run, state=RemedyState.AUDITING).first()
    if remedy is None:
        return
    remedy.ended_at = timezone.now()
    report = evidence_of(run).change if run.snapshot_digest else None
    if report is not None:
        remedy.state = RemedyState.DONE
        remedy.gate = {
            "exit_code": report.exit_code,
            "sentence": report.sentence,
            "reasons": list(report.reasons),
        }
        remedy.changes = _changes(report)
    elif run.state == RunState.CANCELLED:
        remedy.state, remedy.reason = RemedyState.CANCELLED, "The candidate's audit was cancelled."
    else:
        remedy.state = RemedyState.FAILED
        remedy.reason = f"The candidate's audit has no result. {run.reason}".strip()
    remedy.save()
    record(
        remedy.organisation_id,
        f"remedy.{RemedyState(remedy.state).value}",
        "remedy",
        remedy.pk,
        facts={
            "run": str(run.pk),
            "snapshot_digest": run.snapshot_digest,
            "gate": remedy.gate["exit_code"] if remedy.gate else None,
        },
    )


def _changes(report: ChangeReport) -> dict[str, Any]:
    """What the gate's answer rests on, as the page shows it."""
    moved = sorted(report.moved, key=lambda entry: (entry.reading != "worse", entry.pillar, entry.id))
    return {
        "statements": list(report.statements),
        "counts": dict(report.counts),
        "decisive": [entry.model_dump(mode="json") for entry in report.decisive],
        "moved": [entry.model_dump(mode="json") for entry in moved[:_MOST_MOVED]],
        "moved_total": len(moved),
        "verdict_changes": [entry.model_dump(mode="json") for entry in report.verdict_changes],
    }
