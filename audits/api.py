"""The API of audits and policies."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Status

from accounts.api_auth import ApiRequest, require
from assay.compare import gate, pairing_of
from assay.contracts import AuditPlan, Pillar, Verdict
from assay.errors import AssayError, BadInput
from assay.evidence import dump
from assay.policy import exit_code, list_packs
from audits import policies, services
from audits.api_schemas import (
    ExitCode,
    Gate,
    MeasureOut,
    MeasurePage,
    NewRun,
    RunOut,
    RunPage,
    VerdictList,
)
from audits.models import PolicyVersion, Run, RunState
from audits.planning import evidence_of, make_run_plan
from audits.policies_api import router as policies_router
from audits.selectors import RunFilter, filtered_runs
from models_registry import files
from models_registry.models import DatasetVersion, IntakeState, ModelVersion

router = Router(tags=["audits"])
router.add_router("", policies_router)

Limit = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=10_000_000)]
_UNSHOWN = ("plan", "params", "methods", "subject__profile")


@router.get("/audits", response=RunPage)
def list_runs(
    request: HttpRequest,
    system: str = "",
    state: str = "",
    outcome: str = "",
    q: str = "",
    limit: Limit = 50,
    offset: Offset = 0,
) -> RunPage:
    """Every audit, newest first, failed and cancelled ones included; `system` is a system's number."""
    request = require(request, "read")
    wanted = RunFilter.of({"system": system, "state": state, "outcome": outcome, "q": q})
    found = filtered_runs(request.organisation, wanted)
    rows = found.select_related("subject").defer(*_UNSHOWN)[offset : offset + limit]
    return RunPage(items=[RunOut.of(run) for run in rows], count=found.count())


@router.post("/audits", response={201: RunOut})
def create_run(request: HttpRequest, said: NewRun) -> Any:
    """Draft an audit; with `start`, it starts by itself once model and data have been read."""
    request = require(request, "audit")
    model = _row(request, ModelVersion, said.model_version, "model__system", "organisation")
    data = _row(request, DatasetVersion, said.dataset_version, "dataset")
    if said.baseline is not None:
        run = _against(request, said, model, data)
    else:
        run = services.draft_run(
            model,
            data,
            by=request.user,
            policy=_policy_version(request, said.policy),
            tier=said.tier or "standard",
            methods=said.methods,
            params=said.params,
            seed=said.seed or 0,
            title=said.title,
            start_when_ready=said.start,
            trigger="api",
        )
    return Status(201, RunOut.of(_run(request, run.pk)))


@router.get("/audits/{uuid:run_id}", response=RunOut)
def get_run(request: HttpRequest, run_id: UUID) -> RunOut:
    """One audit; poll it until `state` is done, incomplete, failed or cancelled."""
    request = require(request, "read")
    return RunOut.of(_run(request, run_id))


@router.delete("/audits/{uuid:run_id}", response={204: None})
def delete_draft(request: HttpRequest, run_id: UUID) -> Any:
    """Delete a draft. What was started is never deleted."""
    request = require(request, "audit")
    services.delete_draft(_run(request, run_id))
    return Status(204, None)


@router.post("/audits/{uuid:run_id}/start", response=RunOut)
def start_run(request: HttpRequest, run_id: UUID, plan_sha256: str = "") -> RunOut:
    """Fix the plan and start. Starting what runs already changes nothing.

    With `plan_sha256`, another plan than that one is refused (409).
    """
    request = require(request, "audit")
    run = _run(request, run_id)
    if run.state == RunState.DRAFT:
        services.start_run(run, by=request.user, seen=plan_sha256)
    return RunOut.of(_run(request, run_id))


@router.post("/audits/{uuid:run_id}/cancel", response=RunOut)
def cancel_run(request: HttpRequest, run_id: UUID) -> RunOut:
    """Stop an audit; it stays in the list as cancelled. 409 where it has ended."""
    request = require(request, "audit")
    services.cancel_run(_run(request, run_id), by=request.user)
    return RunOut.of(_run(request, run_id))


@router.get("/audits/{uuid:run_id}/plan", response=AuditPlan)
def get_plan(request: HttpRequest, run_id: UUID) -> AuditPlan:
    """The fixed plan of a started audit; of a draft, the plan that it would start with."""
    request = require(request, "read")
    run = _run(request, run_id)
    if run.plan is not None:
        return AuditPlan.model_validate(run.plan)
    if run.subject.state != IntakeState.READY:
        raise BadInput(run.subject.refusal or "Model and data are still being read; ask again later.")
    return make_run_plan(run)


@router.get("/audits/{uuid:run_id}/evidence.json", response=dict[str, Any])
def get_evidence(request: HttpRequest, run_id: UUID) -> HttpResponse:
    """The frozen evidence, as `assay audit` writes it."""
    request = require(request, "read")
    content = dump(evidence_of(_measured(request, run_id)))
    return HttpResponse(content, content_type="application/json")


@router.get("/audits/{uuid:run_id}/verdicts", response=VerdictList)
def list_verdicts(request: HttpRequest, run_id: UUID) -> VerdictList:
    """A verdict for each rule of the policy."""
    request = require(request, "read")
    return VerdictList(items=_verdicts(_measured(request, run_id)))


@router.get("/audits/{uuid:run_id}/measures", response=MeasurePage)
def list_measures(
    request: HttpRequest, run_id: UUID, pillar: Pillar | None = None, limit: Limit = 100, offset: Offset = 0
) -> MeasurePage:
    """What was measured, in the order of the evidence."""
    request = require(request, "read")
    found = _measured(request, run_id).measures.order_by("pk")
    if pillar is not None:
        found = found.filter(pillar=pillar)
    fields = tuple(MeasureOut.model_fields)
    rows = found.values(*fields)[offset : offset + limit]
    return MeasurePage(items=[MeasureOut(**row) for row in rows], count=found.count())


@router.get("/audits/{uuid:run_id}/exit-code", response=ExitCode)
def get_exit_code(request: HttpRequest, run_id: UUID) -> ExitCode:
    """What the command line would exit with; 409 while the audit has not ended."""
    request = require(request, "read")
    run = _run(request, run_id)
    if not run.ended:
        raise AssayError(f"{run} has not ended yet; wait for it.", code="conflict")
    if not run.snapshot_digest:
        sentence = run.reason or "It was cancelled."
        return ExitCode(exit_code=3, state=run.state, outcome=run.outcome, sentence=sentence)
    verdicts = _verdicts(run)
    code: Any = exit_code(verdicts, failed_shards=int(run.state == RunState.INCOMPLETE))
    return ExitCode(exit_code=code, state=run.state, outcome=run.outcome, sentence=_sentence(run, verdicts))


@router.get("/audits/{uuid:before_id}/gate/{uuid:after_id}", response=Gate)
def get_gate(request: HttpRequest, before_id: UUID, after_id: UUID) -> Gate:
    """Let a run through only if nothing became worse than in the baseline; paired where both have rows."""
    request = require(request, "read")
    before, after = (evidence_of(_measured(request, pk)) for pk in (before_id, after_id))
    annex = files.annex(request.organisation)
    report = gate(before, after, pairing_of(before, after, annex.get(before.annex), annex.get(after.annex)))
    return Gate(
        exit_code=report.exit_code,
        sentence=report.sentence,
        reasons=list(report.reasons),
        statements=list(report.statements),
        comparisons=list(report.comparisons),
        verdict_changes=list(report.verdict_changes),
    )


def _against(request: ApiRequest, said: NewRun, model: ModelVersion, data: DatasetVersion) -> Run:
    """A draft under the baseline's plan; what is said otherwise is refused: it could not be compared."""
    before = _row(request, Run, said.baseline, "subject__dataset_version", "policy")
    for name in ("tier", "seed", "methods"):
        if getattr(said, name) is not None:
            raise BadInput(f"With a baseline, {name} is the baseline's: leave it out.")
    if said.params:
        raise BadInput("With a baseline, params are the baseline's: leave them out.")
    if said.policy is not None:
        chosen = _policy_version(request, said.policy)
        if chosen is None or before.policy is None or chosen.sha256 != before.policy.sha256:
            raise BadInput(
                "This is not the baseline's policy, so the runs could not be compared: leave it out."
            )
    return services.repeat_run(
        before, model, data=data, by=request.user, start=said.start, title=said.title, trigger="api"
    )


def _run(request: ApiRequest, pk: UUID) -> Run:
    found: Run = _row(request, Run, pk, "subject", "policy", "baseline__subject", "job", "organisation")
    return found


def _measured(request: ApiRequest, pk: UUID) -> Run:
    run = _run(request, pk)
    if not run.snapshot_digest:
        state = run.get_state_display().lower()
        raise BadInput(f"{run} has no results: it is {state}. {run.reason}".strip())
    return run


def _row(request: ApiRequest, kind: Any, pk: Any, *related: str) -> Any:
    found = kind.objects.of(request.organisation)
    return get_object_or_404(found.select_related(*related) if related else found, pk=pk)


def _policy_version(request: ApiRequest, said: str | None) -> PolicyVersion | None:
    """A version by its id, or a built-in pack by its name, which is copied in where it was not."""
    if not said:
        return None
    try:
        key = UUID(said)
    except ValueError:
        names = [c.id for c in list_packs()]
        if said.lower().replace("_", "-") not in names:
            raise BadInput(
                f'There is no policy "{said[:80]}": give the id of a policy version, or a pack: '
                f"{', '.join(names)}."
            ) from None
        return policies.adopt_pack(request.organisation, said, request.user)
    found: PolicyVersion = _row(request, PolicyVersion, key, "policy")
    return found


def _verdicts(run: Run) -> list[Verdict]:
    contents = run.verdicts.order_by("place").values_list("content", flat=True)
    return [Verdict.model_validate(content) for content in contents]


def _sentence(run: Run, verdicts: list[Verdict]) -> str:
    if run.state == RunState.INCOMPLETE:
        return f"The audit is incomplete. {run.reason}"
    if not verdicts:
        return "Measured without a policy."
    counts = {o: sum(v.outcome == o for v in verdicts) for o in ("fail", "insufficient", "not_tested")}
    words = {"fail": "failed", "insufficient": "undecided", "not_tested": "not tested"}
    said = [f"{count} {words[o]}" for o, count in counts.items() if count]
    return (
        f"Of {len(verdicts)} rules {', '.join(said)}." if said else f"None of {len(verdicts)} rules failed."
    )
