"""Looking at single rows of a run, and erasing them; every look is in the trail."""

from __future__ import annotations

from typing import NamedTuple

from django.db import transaction

from accounts.models import User
from assay.annex import RunRows
from assay.contracts import AnnexReference
from audits.models import Run
from audits.planning import evidence_of
from audits.result_figures import Shelf
from audits.row_tables import Chosen, RowGuide, RowTable, choose_rows
from models_registry import files
from trail.services import record

__all__ = ["Look", "erase_rows", "guide_of", "kept_rows", "look"]

_GUIDES = Shelf(2_000)
"""Guides kept ready, by measures."""


class Look(NamedTuple):
    """A page of rows as somebody saw it."""

    guide: RowGuide
    kept: RunRows
    table: RowTable


def guide_of(run: Run) -> RowGuide:
    """What is needed to read the run's rows; made once, since a snapshot never changes."""

    def make() -> tuple[int, RowGuide]:
        evidence = evidence_of(run)
        rows = files.annex(run.organisation_id).get(evidence.annex)
        guide = RowGuide.of(evidence, rows.results if rows is not None else ())
        return len(guide.measures) + 10, guide

    found: RowGuide = _GUIDES.get((run.organisation_id, run.evidence_file), make)
    return found


def kept_rows(run: Run) -> RunRows | None:
    """The run's rows; None where none were kept, or they were erased."""
    return files.annex(run.organisation_id).get(guide_of(run).annex)


def look(run: Run, kept: RunRows, chosen: Chosen, page: int, *, by: User) -> Look:
    """A page of rows, with who looked at it in the trail. Group names are words, so they go to its erasable
    side."""
    guide = guide_of(run)
    assert guide.annex is not None
    table = choose_rows(guide, kept, chosen, page)
    record(
        run.organisation_id,
        "rows.read",
        "run",
        run.pk,
        actor_id=by.pk,
        facts={
            "annex": guide.annex.digest,
            "page": table.page,
            "rows": len(table.rows),
            "errors": chosen.errors,
            "measure": chosen.measure,
            "verdict": chosen.verdict,
        },
        payload={"groups": dict(chosen.groups)} if chosen.groups else None,
    )
    return Look(guide, kept, table)


def erase_rows(run: Run, reference: AnnexReference, *, by: User) -> bool:
    """Erase and record; whether there was something to erase. The evidence keeps what it says."""
    with transaction.atomic():
        record(
            run.organisation_id,
            "rows.erased",
            "run",
            run.pk,
            actor_id=by.pk,
            facts={"annex": reference.digest, "rows": reference.rows},
        )
        erased = files.annex(run.organisation_id).erase(reference)
        if not erased:
            transaction.set_rollback(True)
    return erased
