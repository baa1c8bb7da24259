"""A run's plan: made from the subject's profile alone, in the web process, before anything is measured."""

from __future__ import annotations

from typing import Any

from assay.contracts import AuditPlan, Evidence, Policy, Profile
from assay.engine import AuditRequest
from assay.evidence import from_snapshot
from assay.planning import make_plan
from assay.registry import METHODS
from audits.models import Run
from models_registry import files

__all__ = ["evidence_of", "make_run_plan", "request_of"]


def make_run_plan(run: Run) -> AuditPlan:
    """What would be measured and how long it would take.

    Raises:
        BadInput, BadParams: a chosen method cannot run on this subject; a parameter is out of its range.
    """
    request = request_of(run, compare=False)
    profile = Profile.model_validate(run.subject.profile)
    return make_plan(
        profile,
        METHODS.all(),
        chosen=request.chosen,
        params=request.params,
        policy=request.policy,
        policy_sha256=request.policy_sha256,
        tier=request.tier,
        seed=request.seed,
        rows_per_second=run.subject.rows_per_second,
        required=run.baseline_id is None,
    )


def request_of(run: Run, *, compare: bool = True) -> AuditRequest:
    """The engine's request for a run; with `compare`, the baseline's evidence and rows are loaded."""
    more: dict[str, Any] = {}
    if compare and run.baseline is not None:
        before = evidence_of(run.baseline)
        more = {
            "baseline": before,
            "baseline_rows": files.annex(run.organisation_id).get(before.annex),
        }
    return AuditRequest(
        title=run.title,
        command=("assay", "service", f"audit-{run.number}"),
        policy=Policy.model_validate(run.policy.content) if run.policy else None,
        policy_sha256=run.policy.sha256 if run.policy else None,
        chosen=tuple(run.methods) if run.methods is not None else None,
        params=run.params,
        tier=run.tier,  # type: ignore[arg-type]
        seed=run.seed,
        **more,
    )


def evidence_of(run: Run) -> Evidence:
    """The run's frozen snapshot. Raises BadInput where there is none or it is damaged."""
    return from_snapshot(files.read(run.organisation_id, run.evidence_file))
