"""Openings of sealed rows, counted in the database (assay/openings.py has the rules)."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import Organisation
from assay import contracts
from assay.openings import opening_sentence, standing_of
from audits.models import Opening, Run
from models_registry.models import Subject

__all__ = ["Foreseen", "foresee", "measured", "name_candidate", "open_rows"]


def name_candidate(baseline: Run, candidate_sha256: str) -> bool:
    """Name, before it is audited, the one model to be judged against `baseline` on its test rows.

    Only the first one named for the first model on those rows counts.
    """
    model = _model_sha256(baseline.subject)
    rows = baseline.subject.rows_sha256
    if not model or not rows or model == candidate_sha256:
        return False
    with transaction.atomic():
        _lock(baseline.organisation_id)
        known = Opening.objects.of(baseline.organisation_id).filter(rows_sha256=rows, what="named")
        if known.filter(model_sha256=model).exists():
            return False
        Opening.objects.create(
            organisation_id=baseline.organisation_id,
            rows_sha256=rows,
            what="named",
            at=timezone.now(),
            model_sha256=model,
            candidate_sha256=candidate_sha256,
            run=baseline,
        )
    return True


def open_rows(run: Run) -> contracts.Opening | None:
    """Register, before results are visible, that the run's model sees its test rows. None without a model."""
    model, rows = _model_sha256(run.subject), run.subject.rows_sha256
    if not model or not rows:
        return None
    with transaction.atomic():
        _lock(run.organisation_id)
        ledger = Opening.objects.of(run.organisation_id).filter(rows_sha256=rows)
        opened = list(ledger.filter(what="opened").order_by("number"))
        found = next((o for o in opened if o.model_sha256 == model), None)
        if found is None:
            found = Opening.objects.create(
                organisation_id=run.organisation_id,
                rows_sha256=rows,
                what="opened",
                at=timezone.now(),
                model_sha256=model,
                run=run,
                number=len(opened) + 1,
                standing=standing_of(len(opened), _first_named(ledger, opened), model),
            )
    return contracts.Opening.model_validate(
        {
            "rows_sha256": rows,
            "number": found.number,
            "standing": found.standing,
            "sentence": opening_sentence(found.number, found.standing, f"{found.at:%Y-%m-%d}"),
        }
    )


class Foreseen(NamedTuple):
    """What starting a run would do to its sealed test rows."""

    before: int
    """Models that were shown these rows so far."""
    standing: str
    """`baseline`, `confirmatory`, `exploratory`; "" where no model is known (supplied predictions)."""
    again: bool
    """This very model was shown them already: nothing is opened."""


def foresee(run: Run) -> Foreseen:
    """What `open_rows` would register if the run started now; writes nothing."""
    model, rows = _model_sha256(run.subject), run.subject.rows_sha256
    if not model or not rows:
        return Foreseen(0, "", False)
    ledger = Opening.objects.of(run.organisation_id).filter(rows_sha256=rows)
    opened = list(ledger.filter(what="opened").order_by("number"))
    found = next((o for o in opened if o.model_sha256 == model), None)
    if found is not None:
        return Foreseen(len(opened), found.standing, True)
    named = _first_named(ledger, opened)
    if named is None and opened and run.baseline is not None and run.baseline.subject.rows_sha256 == rows:
        first = _model_sha256(run.baseline.subject)
        named = model if first == opened[0].model_sha256 else None  # starting names it
    return Foreseen(len(opened), standing_of(len(opened), named, model), False)


def measured(run: Run) -> None:
    """Note that the run's results became visible."""
    model = _model_sha256(run.subject)
    if model and run.subject.rows_sha256:
        Opening.objects.create(
            organisation_id=run.organisation_id,
            rows_sha256=run.subject.rows_sha256,
            what="measured",
            at=timezone.now(),
            model_sha256=model,
            run=run,
        )


def _first_named(ledger: QuerySet[Any], opened: Sequence[Opening]) -> str | None:
    """The candidate that was named first for the first model on these rows; only that one counts."""
    if not opened:
        return None
    named = ledger.filter(what="named", model_sha256=opened[0].model_sha256).order_by("at").first()
    return str(named.candidate_sha256) if named is not None else None


def _model_sha256(subject: Subject) -> str:
    facts = (subject.profile or {}).get("model")
    return contracts.ModelFacts.model_validate(facts).identity if facts else ""


def _lock(organisation_id: uuid.UUID) -> None:
    Organisation.objects.select_for_update(no_key=True).get(pk=organisation_id)
