"""The job kind that runs an audit: the engine's own steps, each under a lease."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from assay.annex import RunRows
from assay.contracts import (
    AnnexReference,
    AuditPlan,
    EndpointRecord,
    Evidence,
    Opening,
    Partial,
    Profile,
    SandboxReport,
    ShardSpec,
)
from assay.endpoints.asker import joined
from assay.engine import Outcome, Ran, conclude, stage_shards
from assay.errors import Internal
from assay.evidence import snapshot
from audits.models import Run
from audits.planning import fixed_plan, request_of
from audits.recording import record_failure, record_result
from jobs.kinds import Advance, DoneShard, FailedShard, Finished, GiveUp, NewShard, Next
from jobs.models import Job
from models_registry import files
from models_registry.endpoints import note_swap
from models_registry.session import SubjectSession

__all__ = ["AuditKind"]


@dataclass(frozen=True)
class _Records:
    """The engine's Records: rows go to the organisation's annex. Openings were registered at the start."""

    organisation_id: Any

    def opened(self, profile: Profile, rows_sha256: str, plan_sha256: str) -> Opening | None:
        return None

    def keep(self, rows: RunRows) -> AnnexReference | None:
        return files.annex(self.organisation_id).put(rows)


class AuditKind:
    """Stage by stage over all planned methods; then merge, judge, compare, freeze."""

    name = "audit"
    title, page = "Audit", "audits:run"

    def target_names(self, targets: Sequence[UUID]) -> Mapping[UUID, str]:
        rows = Run.unscoped.filter(pk__in=targets).select_related("system").only("number", "system__name")
        return {run.pk: f"{run} of {run.system}" for run in rows}

    def begin(self, job: Job) -> Sequence[NewShard]:
        run = _run(job)
        plan, profile = _plan(run), Profile.model_validate(run.subject.profile)
        first = stage_shards(plan, profile, 0, {m.id: () for m in plan.methods})
        return [NewShard({"do": "rows"}, weight=1.0), *_new(plan, first)]

    def open(self, job: Job) -> SubjectSession:
        return SubjectSession(_run(job).subject_id)

    def advance(
        self, job: Job, stage: int, done: Sequence[DoneShard], failed: Sequence[FailedShard]
    ) -> Advance:
        run = _run(job)
        try:
            plan = fixed_plan(run)
        except Internal as error:
            return GiveUp(error.message)
        profile = Profile.model_validate(run.subject.profile)
        why = {f.spec["shard"]["method"]: f.why for f in failed if f.spec["do"] == "shard"}
        partials: dict[str, list[Partial]] = {m.id: [] for m in plan.methods if m.id not in why}
        for shard in done:
            if shard.spec["do"] == "shard" and shard.spec["shard"]["method"] in partials:
                partials[shard.spec["shard"]["method"]].append(_partial(shard))
        following = stage_shards(plan, profile, stage + 1, partials)
        if following:
            return Next(_new(plan, following))
        outcome = Outcome()
        for method in plan.methods:
            if method.id in why:
                outcome.fail(method, why[method.id])
            else:
                outcome.merge(plan, method, profile, partials[method.id])
        naming = next((d.data for d in done if d.spec["do"] == "rows"), {})
        annex = files.annex(job.organisation_id)
        reference = naming.get("annex")
        interim = AnnexReference.model_validate(reference) if reference else None
        assert run.started_at is not None
        evidence = conclude(
            request_of(run, plan),
            plan,
            profile,
            outcome,
            Ran(
                started_at=run.started_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
                sandbox=SandboxReport.model_validate(naming.get("sandbox", {"layers": {}})),
                endpoint=_asked(done),
            ),
            annex.get(interim),
            _Records(job.organisation_id),
        )
        stored = files.keep(job.organisation, [snapshot(evidence)])
        lacking = [f"{n.title}: {n.reason}" for n in outcome.failed]
        lacking += [f"The rows could not be kept: {f.why}" for f in failed if f.spec["do"] == "rows"]
        return Finished((evidence, stored.sha256), lacking)

    def on_done(self, job: Job, outcome: Any, incomplete: Sequence[str]) -> None:
        evidence: Evidence = outcome[0]
        run = _run(job)
        record_result(run, evidence, outcome[1], incomplete)
        note_swap(run.subject.model_version, evidence.endpoint)

    def on_failed(self, job: Job, why: str) -> None:
        record_failure(_run(job), "failed", why)

    def on_cancelled(self, job: Job) -> None:
        record_failure(_run(job), "cancelled", "")


def _run(job: Job) -> Run:
    return Run.unscoped.select_related(
        "subject__model_version__model", "subject__dataset_version__dataset", "policy", "baseline", "system"
    ).get(pk=job.target_id)


def _plan(run: Run) -> AuditPlan:
    return AuditPlan.model_validate(run.plan)


def _partial(shard: DoneShard) -> Partial:
    spec = ShardSpec.model_validate(shard.spec["shard"])
    return Partial(spec.method, spec.stage, spec.index, dict(shard.data["data"]), dict(shard.arrays()))


def _asked(done: Sequence[DoneShard]) -> EndpointRecord | None:
    """What all sessions asked of an endpoint. Each says it anew after every shard: its last word counts."""
    last: dict[str, EndpointRecord] = {}
    for shard in done:
        if (said := shard.data.get("endpoint")) is not None:
            found = EndpointRecord.model_validate(said["record"])
            before = last.get(said["session"])
            if before is None or before.requests <= found.requests:
                last[said["session"]] = found
    return joined(last.values())


def _new(plan: AuditPlan, shards: Sequence[ShardSpec]) -> list[NewShard]:
    """A method's estimate, shared among its shards, is what the progress bar weighs them by."""
    planned = {m.id: m for m in plan.methods}
    count = Counter(shard.method for shard in shards)
    return [
        NewShard(
            {
                "do": "shard",
                "shard": shard.model_dump(mode="json"),
                "params": dict(planned[shard.method].params),
                "seed": plan.seed,
                "profile_sha256": plan.profile_sha256,
            },
            weight=max(planned[shard.method].estimate.seconds, 0.05) / count[shard.method],
        )
        for shard in shards
    ]
