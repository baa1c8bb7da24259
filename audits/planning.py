"""A run's plan: made from the subject's profile alone, in the web process, before anything is measured."""

from __future__ import annotations

import threading
from typing import Any

from assay.compare import refuse_another_question
from assay.contracts import AuditPlan, Evidence, Policy, Profile
from assay.engine import AuditRequest
from assay.errors import Internal
from assay.evidence import digest, from_snapshot
from assay.planning import make_plan
from assay.registry import METHODS
from audits.models import Run
from models_registry import files

__all__ = ["evidence_of", "fixed_plan", "make_run_plan", "request_of"]


def make_run_plan(run: Run) -> AuditPlan:
    """What would be measured and how long it would take.

    Raises:
        BadInput, BadParams: a chosen method cannot run on this subject; a parameter is out of its range.
    """
    profile = Profile.model_validate(run.subject.profile)
    if run.baseline is not None:
        refuse_another_question(Profile.model_validate(run.baseline.subject.profile), profile)
    return make_plan(
        profile,
        METHODS.all(),
        chosen=tuple(run.methods) if run.methods is not None else None,
        params=run.params,
        policy=Policy.model_validate(run.policy.content) if run.policy else None,
        policy_sha256=run.policy.sha256 if run.policy else None,
        tier=run.tier,  # type: ignore[arg-type]
        seed=run.seed,
        rows_per_second=run.subject.rows_per_second,
        required=run.baseline_id is None,
        left_out="Was left out of the plan.",
    )


def fixed_plan(run: Run) -> AuditPlan:
    """The plan as it was fixed when the run started.

    Raises:
        Internal: what is stored does not have the digests that were registered then.
    """
    plan = AuditPlan.model_validate(run.plan)
    body = plan.model_dump(mode="json", exclude={"fixed_at", "plan_sha256", "opening"})
    for method in body["methods"]:
        del method["estimate"]
    if not digest(body) == plan.plan_sha256 == run.plan_sha256:
        raise Internal(f"The plan of {run} was changed after it was fixed; its result is not kept.")
    if plan.profile_sha256 != digest(Profile.model_validate(run.subject.profile)):
        raise Internal(f"Model or data of {run} are not those that its plan was fixed for.")
    return plan


def request_of(run: Run, plan: AuditPlan) -> AuditRequest:
    """The engine's request for a started run: what its fixed plan says, and its baseline."""
    more: dict[str, Any] = {}
    if run.baseline is not None:
        before = evidence_of(run.baseline)
        more = {
            "baseline": before,
            "baseline_rows": files.annex(run.organisation_id).get(before.annex),
        }
    return AuditRequest(
        title=run.title,
        command=("assay", "service", f"audit-{run.number}"),
        policy=plan.policy,
        policy_sha256=plan.policy_sha256,
        chosen=tuple(m.id for m in plan.methods),
        params={m.id: m.params for m in plan.methods},
        tier=plan.tier,
        seed=plan.seed,
        **more,
    )


def evidence_of(run: Run) -> Evidence:
    """The run's frozen snapshot, parsed once for each digest. Raises BadInput where there is none or it is
    damaged: its bytes are read and checked each time. Nobody changes what is returned."""
    content = files.read(run.organisation_id, run.evidence_file)
    with _LOCK:
        found = _PARSED.pop(run.evidence_file, None)
    found = found or (len(content), from_snapshot(content))
    with _LOCK:
        _PARSED[run.evidence_file] = found  # the newest comes last
        while len(_PARSED) > 1 and sum(size for size, _ in _PARSED.values()) > _MOST_BYTES:
            del _PARSED[next(iter(_PARSED))]
    return found[1]


_MOST_BYTES = 4 * 2**20
"""Of snapshots that are kept parsed; an object takes about ten times its text."""
_PARSED: dict[str, tuple[int, Evidence]] = {}
_LOCK = threading.Lock()
