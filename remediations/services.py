"""Starting and cancelling remedies, and refusing models that read sensitive columns when they decide."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.models import Organisation, User
from accounts.sent_before import refuse_other_content
from assay.errors import AssayError, BadInput
from assay.planning import make_params
from assay.registry import REMEDIES
from audits.models import Finding, Policy, Run
from audits.services import cancel_run
from jobs import services as jobs
from jobs.leases import lock
from jobs.models import Job
from models_registry.session import queue_of
from remediations.choices import estimate_seconds, starting_params, why_refused
from remediations.models import RemedyRun, RemedyState, SensitiveRefusal
from trail.services import record

__all__ = ["cancel_remedy", "refuse_sensitive", "start_remedy"]

_MOST_SEED = 2**31 - 1


def start_remedy(
    baseline: Run,
    remedy: str,
    params: Mapping[str, Any] | None = None,
    seed: int = 0,
    *,
    by: User,
    finding: Finding | None = None,
    key: uuid.UUID | None = None,
) -> RemedyRun:
    """Submit the job that makes a candidate from the audit's model; its audit follows by itself.

    Args:
        params: what differs from the remedy's defaults.
        key: id of the new row; the same key again gives the row that it made (a form sent twice).

    Raises:
        BadInput, BadParams: the remedy cannot be applied here, or a parameter is out of its range.
    """
    found = REMEDIES.get(remedy)
    chosen = make_params(found, {**starting_params(found, baseline), **(params or {})})
    if not 0 <= seed <= _MOST_SEED:
        raise BadInput(f"The seed is {seed}; give a whole number from 0 to {_MOST_SEED:,}.")
    reason = why_refused(baseline, found, chosen)
    if reason is not None:
        raise BadInput(reason)
    if finding is not None and finding.system_id != baseline.system_id:
        raise BadInput(f"{finding} belongs to another system than {baseline}.")
    asked: dict[str, Any] = {
        "baseline": baseline,
        "finding": finding,
        "remedy": found.spec.id,
        "params": chosen.model_dump(mode="json"),
        "seed": seed,
    }
    with transaction.atomic():
        organisation = Organisation.objects.select_for_update().get(pk=baseline.organisation_id)
        rows = RemedyRun.objects.of(organisation)
        if key is not None:
            there: RemedyRun | None = rows.filter(pk=key).first()
            if there is not None:
                refuse_other_content(there, **asked)
                return there
        made: RemedyRun = RemedyRun.objects.create(
            id=key if key is not None and not RemedyRun.unscoped.filter(pk=key).exists() else uuid.uuid4(),
            organisation=organisation,
            number=(rows.aggregate(top=Max("number"))["top"] or 0) + 1,
            model_version=baseline.subject.model_version,
            dataset_version=baseline.subject.dataset_version,
            estimate_seconds=estimate_seconds(baseline, found, chosen),
            created_by=by,
            **asked,
        )
        record(
            organisation.pk,
            "remedy.started",
            "remedy",
            made.pk,
            actor_id=by.pk,
            facts={
                "remedy": found.spec.id,
                "version": found.spec.version,
                "baseline": str(baseline.pk),
                "model": baseline.subject.model_version.sha256,
                "data": baseline.subject.dataset_version.sha256,
                "seed": seed,
            },
            payload={"params": made.params},
        )
        named, queue = f"remedy:{made.pk}", queue_of(made.model_version)
        made.job = jobs.submit("remedy", organisation, made.pk, subject_key=named, queue=queue, by=by)
        made.save(update_fields=["job"])
    return made


def cancel_remedy(remedy: RemedyRun, *, by: User) -> None:
    """Stop the training, or the candidate's audit; a candidate that was made stays.

    Raises:
        AssayError (conflict): it has ended already.
    """
    rows = RemedyRun.unscoped.select_related("job", "run__job")
    with transaction.atomic():
        # Job, audit, remedy: as a worker that commits locks them, so that they never wait for each other.
        seen = rows.get(pk=remedy.pk)
        if (job := _job_at_work(seen)) is not None:
            lock(job)
        if seen.run_id is not None:
            Run.unscoped.select_for_update(no_key=True).get(pk=seen.run_id)
        held = rows.select_for_update(of=("self",)).get(pk=remedy.pk)
        if held.ended:
            raise AssayError(f"{held} has ended already.", code="conflict")
        if (_job_at_work(held), held.run_id) == (job, seen.run_id):
            record(held.organisation_id, "remedy.stopped", "remedy", held.pk, actor_id=by.pk)
            if held.state == RemedyState.AUDITING and held.run is not None:
                cancel_run(held.run, by=by)
            elif job is not None:
                jobs.cancel(job)
            else:
                held.state, held.ended_at = RemedyState.CANCELLED, timezone.now()
                held.save()
            return
    cancel_remedy(remedy, by=by)  # it went on to its next job in between


def _job_at_work(remedy: RemedyRun) -> Job | None:
    """The one that makes the candidate, or audits it."""
    auditing = remedy.state == RemedyState.AUDITING and remedy.run is not None
    return remedy.run.job if auditing and remedy.run is not None else remedy.job


def refuse_sensitive(
    organisation: Organisation, *, everywhere: bool, policies: Iterable[Policy], by: User
) -> None:
    """Set where candidates that read sensitive columns when they decide are refused."""
    wanted: dict[uuid.UUID | None, Policy | None] = {policy.pk: policy for policy in policies}
    if everywhere:
        wanted[None] = None
    with transaction.atomic():
        Organisation.objects.select_for_update().get(pk=organisation.pk)
        rows = SensitiveRefusal.objects.of(organisation)
        before = set(rows.values_list("policy_id", flat=True))
        if before == set(wanted):
            return
        for row in rows:
            if row.policy_id not in wanted:
                row.delete()
        for identity in set(wanted) - before:
            SensitiveRefusal.objects.create(organisation=organisation, policy=wanted[identity], created_by=by)
        record(
            organisation.pk,
            "remedies.sensitive_refused",
            "organisation",
            organisation.pk,
            actor_id=by.pk,
            facts={"everywhere": everywhere, "policies": sorted(str(p) for p in wanted if p is not None)},
        )
