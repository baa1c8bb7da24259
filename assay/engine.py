"""Plan, execute, merge, judge: the only path from a subject to evidence.

The command line runs `audit`; the service's jobs run its parts (`plan`, `stage_shards`, `Outcome.merge`,
`conclude`), each under a lease. Nothing here knows a database, a queue or a screen.
Longer than other files: it is the one path, from plan to evidence.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from assay import __version__
from assay.annex import RunRows
from assay.compare import change_report, refuse_another_question
from assay.contracts import (
    AnnexReference,
    AuditMethod,
    AuditPlan,
    EndpointRecord,
    Evidence,
    Finding,
    Manifest,
    Measure,
    MethodResult,
    NotTested,
    Opening,
    Partial,
    PlannedMethod,
    Policy,
    Profile,
    SandboxReport,
    Series,
    ShardSpec,
    Tier,
    Verdict,
    WithRowResults,
)
from assay.errors import ChildFailed, Internal
from assay.evidence import measure_key, result_digest, snapshot_digest
from assay.execution import execute, merge, run_method, said_by_child
from assay.execution import planned as shards_of
from assay.manifest import code_sha256, hardware, package_versions
from assay.planning import make_params, make_plan, timestamp
from assay.policy import judge
from assay.registry import METHODS
from assay.runner.rows import checked_results
from assay.runner.supervisor import Supervisor

__all__ = [
    "AuditRequest",
    "Listener",
    "Outcome",
    "Ran",
    "Records",
    "audit",
    "conclude",
    "plan",
    "run_method",
    "stage_shards",
    "with_opening",
]


class Listener(Protocol):
    """Who watches an audit: a progress bar, or nobody."""

    def planned(self, plan: AuditPlan, profile: Profile) -> None:
        """The plan is frozen; nothing has been measured yet."""

    def progress(self, doing: str, done: float) -> None:
        """`done` is the share of the whole audit, 0..1."""


class Records(Protocol):
    """What an installation keeps of its audits besides their evidence."""

    def opened(self, profile: Profile, rows_sha256: str, plan_sha256: str) -> Opening | None:
        """Register, before results are visible, that these test rows are shown to this model."""

    def keep(self, rows: RunRows) -> AnnexReference | None:
        """Keep row-level results; None where they are not to be kept."""


@dataclass(frozen=True)
class AuditRequest:
    """What an audit was asked to do, apart from the data (which the supervisor holds)."""

    title: str
    command: tuple[str, ...]
    policy: Policy | None = None
    policy_sha256: str | None = None
    chosen: tuple[str, ...] | None = None
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tier: Tier = "standard"
    seed: int = 0
    baseline: Evidence | None = None
    """The run that this one is to be compared with; its plan is taken over by the caller."""
    baseline_rows: RunRows | None = None


def plan(request: AuditRequest, supervisor: Supervisor, listener: Listener) -> tuple[AuditPlan, Profile]:
    """Take in and plan: what would be measured, and how long it would take. Nothing is measured."""
    profile = supervisor.intake(lambda done: listener.progress("reading the data", done * _INTAKE_SHARE))
    if request.baseline is not None:
        refuse_another_question(request.baseline.subject, profile)
    made = make_plan(
        profile,
        METHODS.all(),
        chosen=request.chosen,
        params=request.params,
        policy=request.policy,
        policy_sha256=request.policy_sha256,
        tier=request.tier,
        seed=request.seed,
        rows_per_second=supervisor.rows_per_second,
        required=request.baseline is None,
    )
    return made, profile


def audit(
    request: AuditRequest, supervisor: Supervisor, listener: Listener, records: Records | None = None
) -> Evidence:
    """Take in, plan, execute, merge, judge, and compare with the baseline: one audit, request to evidence.

    A method whose shard fails is reported as failed and does not take the others with it.

    Args:
        records: where openings of test rows and row-level results are kept; None keeps neither.

    Raises:
        BadInput: the data or the request cannot be audited.
        Cancelled: the user stopped it.
    """
    started, clock = timestamp(), _Clock()
    fixed, profile = plan(request, supervisor, listener)
    rows = _rows(supervisor, profile) if records is not None or request.baseline is not None else None
    if records is not None:
        fixed = with_opening(fixed, profile, rows, records)
    listener.planned(fixed, profile)
    clock.lap("intake and plan")
    outcome = _measure(fixed, profile, supervisor, listener, clock)
    ran = Ran(started, supervisor.sandbox, clock.laps, supervisor.endpoint())
    return conclude(request, fixed, profile, outcome, ran, rows, records)


def with_opening(fixed: AuditPlan, profile: Profile, rows: RunRows | None, records: Records) -> AuditPlan:
    """The plan with the opening of the test rows that `records` registered; call it before any shard runs."""
    named = profile.asked.sha256 if rows is None else rows.asked_sha256
    return fixed.model_copy(update={"opening": records.opened(profile, named, fixed.plan_sha256)})


@dataclass(frozen=True)
class Ran:
    """When and under which sandbox layers the shards ran, and the wall time of each step (seconds)."""

    started_at: str
    sandbox: SandboxReport
    seconds: dict[str, float] = field(default_factory=dict)
    endpoint: EndpointRecord | None = None
    """What was asked of an endpoint, where the model is behind one."""


def conclude(
    request: AuditRequest,
    fixed: AuditPlan,
    profile: Profile,
    outcome: Outcome,
    ran: Ran,
    rows: RunRows | None = None,
    records: Records | None = None,
) -> Evidence:
    """Judge what was measured, compare it with the baseline, and bind all of it under its digests.

    Args:
        outcome: the merged results of every planned method.
        rows: row-level results, as the child named them at intake; None where they are not kept.
        records: where the rows with their results are kept.
    """
    clock = _Clock()
    methods = METHODS.all()
    not_tested = (*fixed.not_tested, *outcome.failed)
    verdicts: tuple[Verdict, ...] = ()
    findings: tuple[Finding, ...] = ()
    if request.policy is not None:
        verdicts, findings = judge(
            request.policy,
            outcome.measures,
            [m.spec for m in methods],
            not_tested,
            profile.capabilities,
        )
    clock.lap("judge")
    ids = {m.id for m in fixed.methods}
    specs = tuple(m.spec for m in methods if m.spec.id in ids)
    body = {
        "schema": "assay.evidence/1",
        "title": request.title,
        "subject": profile,
        "plan": fixed,
        "methods": specs,
        "measures": tuple(sorted(outcome.measures, key=lambda m: (m.id, measure_key(m)))),
        "series": tuple(outcome.series),
        "notes": outcome.notes,
        "verdicts": verdicts,
        "findings": findings,
        "not_tested": not_tested,
        "manifest": Manifest(
            assay_version=__version__,
            code_sha256=code_sha256(),
            command=request.command,
            packages=package_versions(),
            python=platform.python_version(),
            platform=platform.platform(terse=True),
            hardware=hardware(),
            sandbox=ran.sandbox,
            started_at=ran.started_at,
            finished_at=timestamp(),
            seconds={**ran.seconds, **clock.laps},
            shards=outcome.shards,
            failed_shards=len(outcome.failed),
        ),
        "endpoint": ran.endpoint,
        "result_digest": result_digest(outcome.measures, specs),
        "snapshot_digest": "0" * 64,
    }
    evidence = Evidence.model_validate(body)
    if rows is not None:
        rows = replace(rows, results=outcome.row_results)
    more: dict[str, Any] = {}
    if records is not None and rows is not None:
        more["annex"] = records.keep(rows)
    if request.baseline is not None:
        more["change"] = change_report(request.baseline, evidence, request.baseline_rows, rows)
    evidence = evidence.model_copy(update=more)
    return evidence.model_copy(update={"snapshot_digest": snapshot_digest(evidence)})


def stage_shards(
    fixed: AuditPlan, profile: Profile, stage: int, earlier: Mapping[str, Sequence[Partial]]
) -> list[ShardSpec]:
    """The shards of one stage of every planned method: for those who run methods side by side.

    Args:
        earlier: method id -> its partials so far; a method that is not a key any more has failed.
    """
    found: list[ShardSpec] = []
    for planned in fixed.methods:
        if planned.id in earlier:
            method = METHODS.get(planned.id)
            params = make_params(method, planned.params, fixed.tier)
            done = sorted(earlier[planned.id], key=lambda p: (p.stage, p.index))
            # After partials that break their contract nothing is planned; the merge says why.
            with suppress(ChildFailed):
                found.extend(shards_of(method, profile, params, stage, done))
    return found


_INTAKE_SHARE = 0.4
"""Of the progress bar; reading dominates small audits."""


@dataclass
class Outcome:
    """What the planned methods came to."""

    measures: list[Measure] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    notes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    failed: list[NotTested] = field(default_factory=list)
    row_results: dict[str, npt.NDArray[np.int8]] = field(default_factory=dict)
    shards: int = 0

    def merge(
        self, fixed: AuditPlan, planned: PlannedMethod, profile: Profile, partials: list[Partial]
    ) -> None:
        """Merge all partials of one method and check that it measured what it announces.

        Partials that break their contract make the method a failed one.
        """
        method = METHODS.get(planned.id)
        params = make_params(method, planned.params, fixed.tier)
        self.shards += len(partials)
        try:
            with said_by_child(planned.id):
                result = merge(method, partials, profile, params, fixed.seed)
                counted = _row_results(method, partials, profile, params)
        except ChildFailed as error:
            self.fail(planned, error.message)
            return
        _check(method, result)
        self.measures.extend(result.measures)
        self.series.extend(result.series)
        self.notes[planned.id] = result.notes
        self.row_results.update(counted)

    def fail(self, planned: PlannedMethod, why: str) -> None:
        """Report a method as failed; the others go on."""
        spec = METHODS.get(planned.id).spec
        reason = f"Failed: {why}"
        self.failed.append(NotTested(pillar=spec.pillar, method=spec.id, title=spec.title, reason=reason))


@dataclass
class _Clock:
    laps: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.monotonic)

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 3)
        self._last = now


@dataclass
class _ShardRunner:
    """Runs the shards of one planned method in the child and moves the bar from `base` by `width`."""

    supervisor: Supervisor
    listener: Listener
    planned: PlannedMethod
    seed: int
    base: float
    width: float
    shards: int = 0

    def __call__(self, shard: ShardSpec) -> Sequence[Partial]:
        self.shards += 1
        return [self.supervisor.run(shard, self.planned.params, self.seed, self._moved)]

    def _moved(self, done: float) -> None:
        self.listener.progress(self.planned.id, self.base + self.width * done)


def _measure(
    plan: AuditPlan, profile: Profile, supervisor: Supervisor, listener: Listener, clock: _Clock
) -> Outcome:
    """Run every planned method in the child, merge here, and check what a method says it measures."""
    outcome = Outcome()
    expected = {m.id: max(m.estimate.seconds, 0.05) for m in plan.methods}
    base = _INTAKE_SHARE
    for planned in plan.methods:
        method = METHODS.get(planned.id)
        params = make_params(method, planned.params, plan.tier)
        width = (1 - _INTAKE_SHARE) * expected[planned.id] / sum(expected.values())
        run_shard = _ShardRunner(supervisor, listener, planned, plan.seed, base, width)
        listener.progress(planned.id, base)
        try:
            partials = execute(method, profile, params, run_shard)
        except ChildFailed as error:
            outcome.fail(planned, error.message)
            outcome.shards += run_shard.shards
        else:
            outcome.merge(plan, planned, profile, partials)
        base += width
        clock.lap(planned.id)
    listener.progress("done", 1.0)
    return outcome


def _rows(supervisor: Supervisor, profile: Profile) -> RunRows | None:
    """Row-level results for the annex. Failing to name rows costs the pairing, not the audit."""
    try:
        return supervisor.rows(profile)
    except ChildFailed:
        return None


def _row_results(
    method: AuditMethod, partials: Sequence[Partial], profile: Profile, params: Any
) -> dict[str, npt.NDArray[np.int8]]:
    if not isinstance(method, WithRowResults):
        return {}
    ordered = sorted(partials, key=lambda p: (p.stage, p.index))
    return checked_results(method.row_results(ordered, profile, params), method.spec.id, profile.asked.rows)


def _check(method: AuditMethod, result: MethodResult) -> None:
    """A method may only measure what its spec announces, and each identity once."""
    announced = {spec.id for spec in method.spec.measures}
    foreign = {m.id for m in result.measures} - announced
    if foreign:
        raise Internal(f"{method.spec.id} measured what it does not announce: {sorted(foreign)}.")
    keys = [measure_key(m) for m in result.measures]
    if len(keys) != len(set(keys)):
        raise Internal(f"{method.spec.id} measured the same thing twice.")
