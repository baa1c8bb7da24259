"""Drafting, starting and cancelling runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.models import Organisation, User
from assay.errors import AssayError, BadInput
from audits import ledger
from audits.models import PolicyVersion, Run, RunState
from audits.planning import make_run_plan
from audits.recording import record_failure
from jobs import services as jobs
from models_registry.models import DatasetVersion, IntakeState, ModelVersion, Subject
from models_registry.session import subject_key
from models_registry.subjects import read_subject
from trail.services import record

__all__ = ["cancel_run", "draft_run", "on_subject_read", "repeat_run", "start_run"]


def draft_run(
    model: ModelVersion,
    data: DatasetVersion,
    *,
    by: User,
    policy: PolicyVersion | None = None,
    tier: str = "standard",
    methods: Sequence[str] | None = None,
    params: Mapping[str, Mapping[str, Any]] | None = None,
    seed: int = 0,
    title: str = "",
    baseline: Run | None = None,
    start_when_ready: bool = False,
    trigger: str = "person",
) -> Run:
    """A run that is planned but not started; its subject is read where that was not done.

    Raises:
        BadInput: the versions do not belong together; the baseline was not measured.
    """
    if baseline is not None and not baseline.snapshot_digest:
        raise BadInput(f"{baseline} has no result, so nothing can be compared with it.")
    with transaction.atomic():
        subject = read_subject(model, data, by)
        organisation = Organisation.objects.select_for_update().get(pk=model.organisation_id)
        number = (Run.objects.of(organisation).aggregate(top=Max("number"))["top"] or 0) + 1
        run: Run = Run.objects.create(
            organisation=organisation,
            number=number,
            system=model.model.system,
            subject=subject,
            policy=policy,
            baseline=baseline,
            title=title or f"{model} on {data}",
            tier=tier,
            seed=seed,
            methods=list(methods) if methods is not None else None,
            params={key: dict(value) for key, value in (params or {}).items()},
            start_when_ready=start_when_ready,
            trigger=trigger,
            created_by=by,
        )
        if start_when_ready and subject.state == IntakeState.READY:
            start_run(run, by=by)
    return run


def start_run(run: Run, *, by: User | None) -> None:
    """Freeze and hash the plan, register the opening of the test rows, and submit the job.

    Raises:
        BadInput: it was started already, or its subject cannot be audited.
    """
    with transaction.atomic():
        run = Run.unscoped.select_for_update().get(pk=run.pk)
        if run.state != RunState.DRAFT:
            raise BadInput(f"{run} was started already.")
        if run.subject.state != IntakeState.READY:
            raise BadInput(run.subject.refusal or "Model and data are still being read.")
        plan = make_run_plan(run)
        opening = ledger.open_rows(run)
        plan = plan.model_copy(update={"opening": opening})
        run.plan, run.plan_sha256 = plan.model_dump(mode="json"), plan.plan_sha256
        run.fixed_at = run.started_at = timezone.now()
        run.state = RunState.RUNNING
        run.save()
        record(
            run.organisation_id,
            "run.started",
            "run",
            run.pk,
            actor_id=by.pk if by else None,
            facts={
                "plan_sha256": plan.plan_sha256,
                "policy_sha256": plan.policy_sha256,
                "datasets": dict(plan.datasets),
                "model": ((run.subject.profile or {}).get("model") or {}).get("sha256"),
                "opening": opening.number if opening else None,
            },
        )
        run.job = jobs.submit(
            "audit",
            run.organisation,
            run.pk,
            subject_key=subject_key(run.subject),
            priority=0 if run.trigger == "person" else -5,
            by=by,
        )
        run.save(update_fields=["job"])


def repeat_run(before: Run, model: ModelVersion, *, by: User, trigger: str = "remedy") -> Run:
    """The same plan on another model version, compared with `before`; starts by itself."""
    plan = before.plan or {}
    return draft_run(
        model,
        before.subject.dataset_version,
        by=by,
        policy=before.policy,
        tier=before.tier,
        methods=[m["id"] for m in plan.get("methods", ())],
        params={m["id"]: m["params"] for m in plan.get("methods", ())},
        seed=before.seed,
        baseline=before,
        start_when_ready=True,
        trigger=trigger,
    )


def cancel_run(run: Run, *, by: User) -> None:
    """Stop a run; what it measured so far is not kept."""
    with transaction.atomic():
        run = Run.unscoped.select_for_update().get(pk=run.pk)
        if run.ended:
            raise BadInput(f"{run} has ended already.")
        record(run.organisation_id, "run.stopped", "run", run.pk, actor_id=by.pk)
        if run.job is None:
            record_failure(run, "cancelled", "")
        else:
            jobs.cancel(run.job)


def on_subject_read(sender: object, subject: Subject, **_more: object) -> None:
    """Start the runs that waited for this subject; fail them where it was refused."""
    for run in Run.unscoped.filter(subject=subject, state=RunState.DRAFT, start_when_ready=True):
        if subject.state != IntakeState.READY:
            record_failure(run, "failed", subject.refusal)
            continue
        try:
            with transaction.atomic():
                start_run(run, by=run.created_by)
        except AssayError as error:
            record_failure(run, "failed", error.message)
