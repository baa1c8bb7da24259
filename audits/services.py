"""Drafting, changing, starting, repeating and cancelling runs.

A draft may be changed and deleted. A started run never: its plan, policy, data and model are fixed and hashed
when it starts, before anything is measured.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.models import Organisation, User
from accounts.sent_before import refuse_other_content
from assay.contracts import Tier
from assay.errors import AssayError, BadInput
from assay.planning import make_params
from assay.registry import METHODS
from audits import ledger
from audits.models import PolicyVersion, Run, RunState
from audits.planning import make_run_plan
from audits.recording import record_failure
from jobs import services as jobs
from models_registry.models import DatasetVersion, IntakeState, ModelVersion, Subject
from models_registry.session import queue_of, subject_key
from models_registry.subjects import read_subject
from trail.services import record

__all__ = [
    "LARGEST_SEED",
    "cancel_run",
    "change_draft",
    "delete_draft",
    "draft_run",
    "on_subject_read",
    "read_again",
    "repeat_run",
    "start_run",
    "try_again",
]

LARGEST_SEED = 2**53 - 1
"""The largest integer that every reader of JSON keeps exactly."""
_UNCHANGED: Any = object()


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
    key: uuid.UUID | None = None,
) -> Run:
    """A run that is planned but not started; its subject is read where that was not done.

    Args:
        key: the same request sent twice carries the same id, and gets the run that the first one made.
        methods: ids to run; None for all that apply to the subject.
        params: method id -> what differs from the tier's parameters.

    Raises:
        UsedBefore: the id's run asks for something else.
        BadInput, BadParams: the versions do not belong together; the baseline was not measured, or is of
            another system; a method, tier, seed or parameter does not exist or is out of its range.
    """
    _check_baseline(baseline, model)
    _check_request(tier, seed, methods, params or {})
    asked: dict[str, Any] = {
        "policy": policy,
        "baseline": baseline,
        "title": _title(title, model, data),
        "tier": tier,
        "seed": seed,
        "methods": list(methods) if methods is not None else None,
        "params": {name: dict(value) for name, value in (params or {}).items()},
    }
    with transaction.atomic():
        subject = read_subject(model, data, by)
        # Whoever ends the reading waits here, and then sees this run; or ended it before, and is seen.
        subject = Subject.unscoped.select_for_update(no_key=True).get(pk=subject.pk)
        organisation = Organisation.objects.select_for_update(no_key=True).get(pk=model.organisation_id)
        if key is not None:
            found: Run | None = Run.unscoped.filter(pk=key).first()
            if found is not None and found.organisation_id == organisation.pk:
                refuse_other_content(found, subject=subject, **asked)
                return found
            key = key if found is None else None
        number = (Run.objects.of(organisation).aggregate(top=Max("number"))["top"] or 0) + 1
        run: Run = Run.objects.create(
            id=key or uuid.uuid4(),
            organisation=organisation,
            number=number,
            system=model.model.system,
            subject=subject,
            start_when_ready=start_when_ready,
            trigger=trigger,
            created_by=by,
            **asked,
        )
        if start_when_ready and subject.state == IntakeState.READY:
            start_run(run, by=by)
            run.refresh_from_db()
    return run


def change_draft(
    run: Run,
    *,
    policy: PolicyVersion | None = _UNCHANGED,
    tier: str = _UNCHANGED,
    methods: Sequence[str] | None = _UNCHANGED,
    params: Mapping[str, Mapping[str, Any]] = _UNCHANGED,
    seed: int = _UNCHANGED,
    title: str = _UNCHANGED,
) -> Run:
    """Change what a draft asks for; what is not given stays.

    Raises:
        AssayError (conflict): it was started in the meantime.
        BadInput, BadParams: as for `draft_run`.
    """
    with transaction.atomic():
        locked = _locked_draft(run)
        given = {
            "policy": policy,
            "tier": tier,
            "seed": seed,
            "methods": methods,
            "params": params,
            "title": title,
        }
        for name, value in given.items():
            if value is not _UNCHANGED:
                setattr(locked, name, value)
        locked.methods = list(locked.methods) if locked.methods is not None else None
        locked.params = {key: dict(value) for key, value in locked.params.items()}
        locked.title = _title(locked.title, locked.subject.model_version, locked.subject.dataset_version)
        _check_request(locked.tier, locked.seed, locked.methods, locked.params)
        locked.save(update_fields=list(given))
    return locked


def delete_draft(run: Run) -> None:
    """Remove a run that never started. Raises AssayError (conflict) where it did."""
    with transaction.atomic():
        _locked_draft(run).delete()


def start_run(run: Run, *, by: User | None, seen: str = "") -> None:
    """Freeze and hash the plan, register the opening of the test rows, and submit the job.

    Args:
        seen: digest of the plan that the person saw; another one is not started.

    Raises:
        AssayError (conflict): it was started already, or its plan is not the one that was seen.
        BadInput: its subject cannot be audited, or nothing can be measured on it.
    """
    with transaction.atomic():
        run = _locked_draft(run)
        if run.subject.state != IntakeState.READY:
            raise BadInput(run.subject.refusal or "Model and data are still being read.")
        plan = make_run_plan(run)
        if not plan.methods:
            raise BadInput("None of the chosen methods can run on this model and data: choose others.")
        if seen and seen != plan.plan_sha256:
            raise AssayError(
                f"The plan of {run} is no longer the one that you saw; look at it again, then start.",
                code="conflict",
            )
        model = ((run.subject.profile or {}).get("model") or {}).get("sha256", "")
        if run.baseline is not None and model:
            ledger.name_candidate(run.baseline, model)
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
                "model": model or None,
                "opening": opening.number if opening else None,
            },
        )
        run.job = jobs.submit(
            "audit",
            run.organisation,
            run.pk,
            subject_key=subject_key(run.subject),
            queue=queue_of(run.subject.model_version),
            priority=0 if run.trigger == "person" else -5,
            by=by,
        )
        run.save(update_fields=["job"])


def repeat_run(
    before: Run,
    model: ModelVersion,
    *,
    by: User,
    data: DatasetVersion | None = None,
    start: bool = True,
    title: str = "",
    trigger: str = "remedy",
    key: uuid.UUID | None = None,
) -> Run:
    """The plan of a measured run on another model or data version, compared with it.

    Args:
        data: another dataset version; that of `before` where none is given.
        start: start by itself once the subject was read; else it waits as a draft.
    """
    plan = before.plan or {}
    return draft_run(
        model,
        data or before.subject.dataset_version,
        by=by,
        policy=before.policy,
        tier=before.tier,
        methods=[m["id"] for m in plan.get("methods", ())],
        params={m["id"]: m["params"] for m in plan.get("methods", ())},
        seed=before.seed,
        baseline=before,
        title=title,
        start_when_ready=start,
        trigger=trigger,
        key=key,
    )


def try_again(run: Run, *, by: User) -> Run:
    """A new draft that asks for what an ended run asked for; the one that waits already, where there is."""
    waiting: Run | None = (
        Run.objects.of(run.organisation_id)
        .filter(state=RunState.DRAFT, number__gt=run.number, created_by=by, subject=run.subject)
        .filter(title=run.title, policy=run.policy, tier=run.tier, seed=run.seed, baseline=run.baseline)
        .first()
    )
    if waiting is not None and (waiting.methods, waiting.params) == (run.methods, run.params):
        return waiting
    return draft_run(
        run.subject.model_version,
        run.subject.dataset_version,
        by=by,
        policy=run.policy,
        tier=run.tier,
        methods=run.methods,
        params=run.params,
        seed=run.seed,
        title=run.title,
        baseline=run.baseline,
    )


def read_again(run: Run, *, by: User) -> None:
    """Read the subject of a draft once more, after it was refused or could not be read."""
    read_subject(run.subject.model_version, run.subject.dataset_version, by)


def cancel_run(run: Run, *, by: User) -> None:
    """Stop a run; what it measured so far is not kept.

    Raises:
        AssayError (conflict): it has ended already.
    """
    with transaction.atomic():
        # The job is locked before the run, as by a worker that commits: they never wait for each other.
        job = Run.unscoped.select_related("job").get(pk=run.pk).job
        if job is not None:
            if not jobs.cancel(job):
                raise AssayError(f"{run} has ended already.", code="conflict")
            record(run.organisation_id, "run.stopped", "run", run.pk, actor_id=by.pk)
            return
        locked = Run.unscoped.select_for_update(no_key=True).get(pk=run.pk)
        if locked.ended:
            raise AssayError(f"{run} has ended already.", code="conflict")
        if locked.state == RunState.DRAFT:
            record(run.organisation_id, "run.stopped", "run", run.pk, actor_id=by.pk)
            record_failure(locked, "cancelled", "It was cancelled before it started.")
            return
    cancel_run(run, by=by)  # somebody started it in between: it has a job now


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
            if error.code != "conflict":  # else a person was faster, and it runs
                record_failure(run, "failed", error.message)


def _locked_draft(run: Run) -> Run:
    found = Run.unscoped.select_for_update(no_key=True).filter(pk=run.pk).first()
    if found is None:
        raise AssayError(f"{run} was deleted in the meantime.", code="conflict")
    if found.state == RunState.DRAFT:
        return found
    what = "runs already" if not found.ended else "was started already and has ended"
    raise AssayError(f"{run} {what}; what was started is never changed.", code="conflict")


def _check_baseline(baseline: Run | None, model: ModelVersion) -> None:
    if baseline is None:
        return
    if not baseline.snapshot_digest:
        raise BadInput(f"{baseline} has no result, so nothing can be compared with it.")
    if baseline.system_id != model.model.system_id:
        raise BadInput(
            f"{baseline} is of another system; choose an audit of the same system to compare with."
        )


def _check_request(
    tier: str, seed: int, methods: Sequence[str] | None, params: Mapping[str, Mapping[str, Any]]
) -> None:
    if tier not in get_args(Tier):
        raise BadInput(f'There is no tier "{tier}"; choose {", ".join(get_args(Tier))}.')
    if not 0 <= seed <= LARGEST_SEED:
        raise BadInput(f"A seed is a whole number from 0 to {LARGEST_SEED:,}.")
    if methods is not None and not methods:
        raise BadInput(
            "No method is chosen: choose at least one, or leave the choice out for all that apply."
        )
    for name in methods or ():
        METHODS.get(name)
    for name, values in params.items():
        make_params(METHODS.get(name), values, tier)  # type: ignore[arg-type]


def _title(title: str, model: ModelVersion, data: DatasetVersion) -> str:
    if not title.isprintable():
        raise BadInput("The title holds a line break or a control character; write it as one line of text.")
    return (title.strip() or f"{model} on {data}")[:200]
