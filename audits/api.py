"""The API of audits: drafting, planning, starting, stopping. Results and findings have files of their own."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Status

from accounts.api_auth import ApiRequest, require
from assay.contracts import AuditPlan
from assay.errors import AssayError, BadInput
from assay.policy import list_packs
from audits import policies, services
from audits.api_schemas import PLAN_EXAMPLE, EstimateOut, NewRun, ProgressOut, RunEdit, RunOut, RunPage
from audits.findings_api import router as findings_router
from audits.models import PolicyVersion, Run, RunState
from audits.plan_page import foreseen
from audits.planning import make_run_plan
from audits.policies_api import router as policies_router
from audits.progress import is_being_read, progress_of, reading_of
from audits.results_api import find_run
from audits.results_api import router as results_router
from audits.selectors import RunFilter, filtered_runs
from models_registry.models import DatasetVersion, IntakeState, ModelVersion

router = Router(tags=["audits"])
router.add_router("", results_router)
router.add_router("", findings_router)
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
    return Status(201, RunOut.of(find_run(request, run.pk)))


@router.get("/audits/{uuid:run_id}", response=RunOut)
def get_run(request: HttpRequest, run_id: UUID) -> RunOut:
    """One audit; poll it until `state` is done, incomplete, failed or cancelled."""
    request = require(request, "read")
    return RunOut.of(find_run(request, run_id))


@router.patch("/audits/{uuid:run_id}", response=RunOut, summary="Change a draft")
def edit_draft(request: HttpRequest, run_id: UUID, said: RunEdit) -> RunOut:
    """What is left out stays. `policy: null` is none, `methods: null` all that apply. 409 once it started.

    With a baseline only the title can be changed: the rest is the baseline's.
    """
    request = require(request, "audit")
    run = find_run(request, run_id)
    given: dict[str, Any] = said.model_dump(exclude_unset=True)
    if run.baseline_id is not None and (others := sorted(given.keys() - {"title"})):
        raise BadInput(f"With a baseline, {others[0]} is the baseline's: leave it out.")
    if "policy" in given:
        given["policy"] = _policy_version(request, given["policy"])
    for name in ("tier", "seed", "params", "title"):
        if name in given and given[name] is None:
            raise BadInput(f"{name} cannot be null: leave it out to keep it.")
    services.change_draft(run, **given)
    return RunOut.of(find_run(request, run_id))


@router.delete("/audits/{uuid:run_id}", response={204: None})
def delete_draft(request: HttpRequest, run_id: UUID) -> Any:
    """Delete a draft. What was started is never deleted."""
    request = require(request, "audit")
    services.delete_draft(find_run(request, run_id))
    return Status(204, None)


@router.post("/audits/{uuid:run_id}/start", response=RunOut)
def start_run(request: HttpRequest, run_id: UUID, plan_sha256: str = "") -> RunOut:
    """Fix the plan and start. Starting what runs already changes nothing.

    With `plan_sha256`, another plan than that one is refused (409).
    """
    request = require(request, "audit")
    run = find_run(request, run_id)
    if run.state == RunState.DRAFT:
        services.start_run(run, by=request.user, seen=plan_sha256)
    return RunOut.of(find_run(request, run_id))


@router.post("/audits/{uuid:run_id}/cancel", response=RunOut)
def cancel_run(request: HttpRequest, run_id: UUID) -> RunOut:
    """Stop an audit; it stays in the list as cancelled. 409 where it has ended."""
    request = require(request, "audit")
    services.cancel_run(find_run(request, run_id), by=request.user)
    return RunOut.of(find_run(request, run_id))


@router.post("/audits/{uuid:run_id}/again", response={201: RunOut}, summary="Draft the same again")
def try_again(request: HttpRequest, run_id: UUID) -> Any:
    """A new draft that asks for what an ended audit asked for; the one that waits already, where there is."""
    request = require(request, "audit")
    run = find_run(request, run_id)
    if not run.ended:
        raise AssayError(f"{run} has not ended; there is nothing to try again.", code="conflict")
    made = services.try_again(run, by=request.user)
    return Status(201, RunOut.of(find_run(request, made.pk)))


@router.post("/audits/{uuid:run_id}/read", response=RunOut, summary="Read a draft's model and data again")
def read_again(request: HttpRequest, run_id: UUID) -> RunOut:
    """After it was refused or could not be read. 409 where it is no draft."""
    request = require(request, "audit")
    run = find_run(request, run_id)
    if run.state != RunState.DRAFT:
        raise AssayError(f"{run} is no draft; what was started is not read again.", code="conflict")
    services.read_again(run, by=request.user)
    return RunOut.of(find_run(request, run_id))


@router.get("/audits/{uuid:run_id}/progress", response=ProgressOut, summary="How far an audit is")
def get_progress(request: HttpRequest, run_id: UUID) -> dict[str, Any]:
    """Of model and data being read, then of each method. Poll it until `ended`."""
    request = require(request, "read")
    run = find_run(request, run_id)
    found = reading_of(run) if is_being_read(run) else progress_of(run)
    return {
        "state": run.state,
        "ended": run.ended,
        "percent": 100 if run.ended else found.percent,
        "sentence": run.get_state_display() if run.ended else found.sentence,
        "seconds": found.elapsed,
        "seconds_left": None if run.ended else found.left,
        "methods": [{**line._asdict()} for line in found.methods],
    }


@router.get(
    "/audits/{uuid:run_id}/estimate", response=EstimateOut, summary="What starting a draft would take"
)
def get_estimate(request: HttpRequest, run_id: UUID) -> dict[str, Any]:
    """Time, questions and memory of each method, why others cannot run, what becomes of the sealed rows."""
    request = require(request, "read")
    run = find_run(request, run_id)
    if run.state != RunState.DRAFT:
        raise AssayError(f"{run} was started; its plan has the estimates.", code="conflict")
    _refuse_unread(run)
    return foreseen(run)


@router.get(
    "/audits/{uuid:run_id}/plan",
    response=AuditPlan,
    openapi_extra={"responses": {200: {"content": {"application/json": {"example": PLAN_EXAMPLE}}}}},
)
def get_plan(request: HttpRequest, run_id: UUID) -> AuditPlan:
    """The fixed plan of a started audit; of a draft, the plan that it would start with."""
    request = require(request, "read")
    run = find_run(request, run_id)
    if run.plan is not None:
        return AuditPlan.model_validate(run.plan)
    _refuse_unread(run)
    return make_run_plan(run)


def _refuse_unread(run: Run) -> None:
    if run.subject.state != IntakeState.READY or not run.subject.profile:
        raise BadInput(run.subject.refusal or "Model and data are still being read; ask again later.")


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
