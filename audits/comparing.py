"""Two runs compared: kept once computed, as comparing rows takes seconds; refused where it means nothing."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from pydantic import ValidationError

from assay.compare import change_report, refuse_another_question
from assay.contracts import ChangeReport, Evidence
from assay.errors import BadInput
from audits.models import Comparison, Run
from audits.planning import evidence_of
from models_registry import files

__all__ = ["compare_runs", "pair", "refusal"]


def compare_runs(before: Run, after: Run, first: Evidence, second: Evidence) -> ChangeReport:
    """What became better or worse from `before` to `after`, paired row by row where rows are kept.

    Args:
        first, second: the evidence of both, as `pair` gives it.
    """
    if second.change is not None and second.change.baseline_snapshot == first.snapshot_digest:
        return second.change
    kept = Comparison.objects.of(before.organisation_id).filter(before=before, after=after).first()
    if kept is not None:
        try:
            return ChangeReport.model_validate(kept.content)
        except ValidationError:  # of an earlier version of Assay
            kept.delete()
    annex = files.annex(before.organisation_id)
    found = change_report(first, second, annex.get(first.annex), annex.get(second.annex))
    try:
        with transaction.atomic():
            Comparison.objects.create(
                organisation_id=before.organisation_id,
                before=before,
                after=after,
                content=found.model_dump(mode="json"),
            )
    except IntegrityError:  # somebody else looked at the same moment
        pass
    return found


def refusal(before: Run, after: Run) -> str | None:
    """Why two runs cannot be compared, in a sentence; None where they can, if they answer one question."""
    if before.pk == after.pk:
        return f"{before} cannot be compared with itself; choose another audit."
    if before.system_id != after.system_id:
        return (
            f"{before} is about {before.system} and {after} about {after.system}: only audits of one system "
            "are compared."
        )
    for run in (before, after):
        if not run.evidence_file:
            return f"{run} has no result, so nothing can be compared with it."
    return None


def pair(before: Run, after: Run) -> tuple[Evidence, Evidence]:
    """The evidence of both runs. Raises BadInput: they cannot be compared, or answer different questions."""
    why = refusal(before, after)
    if why is not None:
        raise BadInput(why)
    first, second = evidence_of(before), evidence_of(after)
    refuse_another_question(first.subject, second.subject)
    return first, second
