"""One row of every kind that belongs to an organisation, without running anything: for tests of access."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.db import connection
from django.utils import timezone

from accounts.models import ApiToken, Invitation
from accounts.tenancy import TenantModel
from audits.models import Comparison, Finding, FindingRun, Opening, Run
from compliance.models import Attestation, Reply, Review, StageChange
from jobs.models import Job, Schedule, Shard
from models_registry.models import IntakeState, SignatureCorrection, Subject, Upload
from remediations.models import RemedyRun, SensitiveRefusal
from reports.models import Document
from tests import factory
from tests.conftest import People
from tests.sample import policy_version

__all__ = ["Everything", "everything", "under_one_id"]

Everything = dict[str, Any]
"""Name of the model class -> one row."""


def everything(people: People) -> Everything:
    """Make one of each in `people.organisation`. Raises AssertionError for a kind that has no row here."""
    made: list[Any] = []

    def new(model_class: Any, /, **values: Any) -> Any:
        row = model_class.objects.create(organisation=people.organisation, **values)
        made.append(row)
        return row

    by = people.engineer
    system = factory.system(people)
    model = factory.predictions_version(system, by)
    data = factory.data_version(system, by, rows=40)
    job = new(Job, kind="audit", target_id=uuid.uuid4(), state="done")
    Shard.objects.create(job=job, stage=0, index=0, queue="cpu", state="done")
    subject = new(Subject, model_version=model, dataset_version=data, state=IntakeState.READY)
    common = {"system": system, "subject": subject, "title": "x", "created_by": by}
    common["snapshot_digest"] = "a" * 64
    run = new(Run, number=1, state="done", policy=policy_version(people), **common)
    other = new(Run, number=2, state="done", **common)
    new(Comparison, before=run, after=other, content={})
    finding = new(Finding, number=1, system=system, key="f-1", title="x", pillar="fairness", severity="high")
    FindingRun.objects.create(finding=finding, run=run, content={})
    new(Opening, rows_sha256="b" * 64, what="opened", at=timezone.now(), model_sha256="c" * 64, run=run)
    new(
        RemedyRun,
        number=1,
        baseline=run,
        model_version=model,
        dataset_version=data,
        remedy="training.fine_tune",
        created_by=by,
    )
    new(SensitiveRefusal, created_by=by)
    review = new(Review, number=1, run=run, snapshot_digest="a" * 64, requested_by=by)
    new(Reply, finding=finding, run=run, text="x", by=by)
    new(StageChange, version=model, before="approved", after="candidate", by=by)
    new(Attestation, system=system, framework="EU AI Act", control="Art.9(5)", text="x", by=by)
    new(
        Document,
        run=run,
        review=review,
        kind="draft",
        state="ready",
        snapshot_digest="a" * 64,
        verification_code=uuid.uuid4().hex[:24],
    )
    new(SignatureCorrection, version=model, by=by)
    new(Upload, name="x.csv", size=3, by=by)
    new(Schedule, name="x", trigger="audit", target_id=system.pk, cron="0 6 * * *", created_by=by)
    later = timezone.now() + timedelta(days=7)
    new(
        Invitation,
        email="new@example.org",
        role="auditor",
        token_digest=uuid.uuid4().hex * 2,
        invited_by=people.owner,
        expires_at=later,
    )
    new(ApiToken, user=by, name="x", prefix="assay_x", token_digest=uuid.uuid4().hex * 2)
    found = {type(row).__name__: row for row in made}
    for kind in apps.get_models():
        if issubclass(kind, TenantModel) and kind.__name__ not in found:
            row = kind.unscoped.filter(organisation=people.organisation).first()
            assert row is not None, f"tests/everything.py makes no {kind.__name__}"
            found[kind.__name__] = row
    return found


def under_one_id(rows: Everything) -> uuid.UUID:
    """Give all these rows the same id, each in its own table, and what points at them too; returns it.

    An address is then right whichever kind its view looks for. Constraints are looked at when a transaction
    is committed, which this one of a test never is.
    """
    one = uuid.uuid4()
    with connection.cursor() as cursor:
        for row in rows.values():
            pk = row._meta.pk
            if pk.get_internal_type() != "UUIDField" or row._meta.app_label == "trail":
                continue
            pair = [pk.get_db_prep_value(value, connection) for value in (one, row.pk)]
            pointing = [
                (field.related_model._meta.db_table, field.field.column)
                for field in row._meta.get_fields(include_hidden=True)
                if field.auto_created and not field.concrete and (field.one_to_many or field.one_to_one)
            ]
            for table, column in [*pointing, (row._meta.db_table, pk.column)]:
                cursor.execute(f'UPDATE "{table}" SET "{column}" = %s WHERE "{column}" = %s', pair)
            row.pk = one
    return one
