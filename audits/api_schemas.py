"""What the API of audits and policies takes and gives.

Longer than other files: every schema of these routes with its example, in the order of the routes.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field

from assay.contracts import Comparison, Estimate, Rule, Tier, UnknownGroup, Verdict, VerdictChange
from audits.models import PolicyVersion, Run

__all__ = [
    "PLAN_EXAMPLE",
    "EstimateOut",
    "ExitCode",
    "Gate",
    "MeasureOut",
    "MeasurePage",
    "NewPolicyText",
    "NewRun",
    "PackChoice",
    "PackOut",
    "PolicyOut",
    "PolicyPage",
    "PolicySummary",
    "PolicyVersionOut",
    "ProgressOut",
    "RunEdit",
    "RunOut",
    "RunPage",
    "VerdictList",
]

_ID = "5f0c6d0e-7a52-4e0c-9a55-0d6a3b6f1c11"
_DIGEST = "9f3c6a1be0f34f2f8f4b5d0c1f1f6a7f3d1f1c2b7a6e5d4c3b2a19080706e51d"


class NewRun(Schema):
    """An audit to be made. With a baseline, what is left out is the baseline's."""

    model_version: UUID
    dataset_version: UUID
    policy: str | None = Field(None, description="Id of a policy version, or the name of a built-in pack.")
    tier: Tier | None = Field(None, description="How thorough; `standard` where nothing is said.")
    methods: list[str] | None = Field(
        None, max_length=200, description="Ids of methods; all that apply by default."
    )
    params: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="Method id -> parameters that differ from the tier's."
    )
    seed: int | None = Field(None, ge=0, le=2**53 - 1)
    baseline: UUID | None = Field(None, description="A measured audit of the same system to compare with.")
    title: str = Field("", max_length=200)
    start: bool = Field(False, description="Start by itself as soon as model and data have been read.")
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "model_version": _ID,
                    "dataset_version": "0d3d5a86-1d8a-4f3f-8b3c-2b0f1a6d2c22",
                    "policy": "credit",
                    "tier": "quick",
                    "params": {"robustness.noise": {"rows": 500}},
                    "start": True,
                }
            ]
        },
    )


class RunEdit(Schema):
    """What a draft is to ask for; what is left out stays."""

    policy: str | None = Field(None, description="As for a new audit.")
    tier: Tier | None = None
    methods: list[str] | None = Field(None, max_length=200)
    params: dict[str, dict[str, Any]] | None = None
    seed: int | None = Field(None, ge=0, le=2**53 - 1)
    title: str | None = Field(None, max_length=200)
    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"tier": "deep", "methods": None}]}
    )


class MethodEstimate(Schema):
    id: str = Field(examples=["robustness.noise"])
    title: str
    pillar: str
    planned: bool
    why_not: str = Field(description="Why it cannot run on this model and data; empty where it can.")
    estimate: Estimate | None


class EstimateOut(Schema):
    """What starting a draft would take, and what it would open."""

    plan_sha256: str = Field(description="Send it with the start: another plan is then refused.")
    seconds: float = Field(description="Of one worker, with reading model and data.")
    evaluations: int = Field(description="Questions to the model.")
    memory_bytes: int
    methods: list[MethodEstimate]
    rules: int
    rules_untested: int = Field(description="Rules that no planned method can judge.")
    sealed_rows: str = Field(description="What becomes of the sealed test rows.")
    standing: str
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "plan_sha256": _DIGEST,
                    "seconds": 42.5,
                    "evaluations": 120000,
                    "memory_bytes": 310000000,
                    "methods": [
                        {
                            "id": "robustness.noise",
                            "title": "Noise",
                            "pillar": "robustness",
                            "planned": True,
                            "why_not": "",
                            "estimate": {"evaluations": 120000, "seconds": 38.5, "memory_bytes": 310000000},
                        }
                    ],
                    "rules": 14,
                    "rules_untested": 1,
                    "sealed_rows": "No model has been shown these test rows yet. This audit is the first.",
                    "standing": "baseline",
                }
            ]
        }
    )


PLAN_EXAMPLE = {
    "tier": "standard",
    "seed": 0,
    "methods": [
        {
            "id": "fairness.group_rates",
            "version": "2",
            "params": {"resamples": 2000},
            "estimate": {"evaluations": 0, "seconds": 1.5, "memory_bytes": 40000000},
        }
    ],
    "not_tested": [],
    "policy_sha256": _DIGEST,
    "plan_sha256": _DIGEST,
}
"""Some of a plan; the whole is the engine's AuditPlan."""


class MethodProgressOut(Schema):
    title: str
    pillar: str
    state: str = Field(examples=["running"])
    percent: int
    pieces: int
    done: int
    why: str = Field(description="Why it failed; empty otherwise.")


class ProgressOut(Schema):
    """How far an audit is."""

    state: str
    ended: bool
    percent: int
    sentence: str
    seconds: int = Field(description="Since it was started or drafted, roughly.")
    seconds_left: int | None
    methods: list[MethodProgressOut]
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "state": "running",
                    "ended": False,
                    "percent": 42,
                    "sentence": "Measuring robustness.",
                    "seconds": 20,
                    "seconds_left": 30,
                    "methods": [],
                }
            ]
        }
    )


class RunOut(Schema):
    """An audit as lists show it."""

    id: UUID
    number: int
    title: str
    system: UUID
    model_version: UUID
    dataset_version: UUID
    policy_version: UUID | None
    baseline: UUID | None
    tier: str
    seed: int
    trigger: str
    state: str
    subject_state: str
    reason: str
    outcome: str
    counts: dict[str, dict[str, int]]
    plan_sha256: str
    result_digest: str
    snapshot_digest: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _ID,
                    "number": 27,
                    "title": "scorer 3.1 on loans 4",
                    "system": "c0a8012e-4f0a-4b8e-9f0a-9d5d0a4b8e33",
                    "model_version": "6a1be0f3-4f2f-4f4b-9d0c-1f1f6a7f3d44",
                    "dataset_version": "0d3d5a86-1d8a-4f3f-8b3c-2b0f1a6d2c22",
                    "policy_version": "7b2a1908-0706-4e51-9d9f-3c6a1be0f355",
                    "baseline": None,
                    "tier": "standard",
                    "seed": 0,
                    "trigger": "api",
                    "state": "done",
                    "subject_state": "ready",
                    "reason": "",
                    "outcome": "fail",
                    "counts": {"fairness": {"fail": 2, "pass": 3}, "performance": {"pass": 4}},
                    "plan_sha256": _DIGEST,
                    "result_digest": _DIGEST,
                    "snapshot_digest": _DIGEST,
                    "created_at": "2026-11-28T14:02:00Z",
                    "started_at": "2026-11-28T14:02:11Z",
                    "ended_at": "2026-11-28T14:02:59Z",
                }
            ]
        }
    )

    @classmethod
    def of(cls, run: Run) -> RunOut:
        return cls(
            id=run.pk,
            number=run.number,
            title=run.title,
            system=run.system_id,
            model_version=run.subject.model_version_id,
            dataset_version=run.subject.dataset_version_id,
            policy_version=run.policy_id,
            baseline=run.baseline_id,
            tier=run.tier,
            seed=run.seed,
            trigger=run.trigger,
            state=str(run.state),
            subject_state=str(run.subject.state),
            reason=run.reason or run.subject.refusal,
            outcome=run.outcome,
            counts=run.counts,
            plan_sha256=run.plan_sha256,
            result_digest=run.result_digest,
            snapshot_digest=run.snapshot_digest,
            created_at=run.created_at,
            started_at=run.started_at,
            ended_at=run.ended_at,
        )


class RunPage(Schema):
    """Audits, newest first."""

    items: list[RunOut]
    count: int


class VerdictList(Schema):
    items: list[Verdict]
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "rule": "impact_ratio",
                            "title": "Impact ratio",
                            "pillar": "fairness",
                            "over": "sex",
                            "outcome": "fail",
                            "sentence": "0.36 [0.34, 0.38] lies wholly below the limit of 0.80.",
                            "value": 0.36,
                            "low": 0.34,
                            "high": 0.38,
                            "limit": "at least 0.80",
                            "n": 16281,
                            "unit": "ratio",
                        }
                    ]
                }
            ]
        }
    )


class MeasureOut(Schema):
    """One measure."""

    key: str
    measure: str
    pillar: str
    slice: dict[str, Any]
    over: str
    at: dict[str, Any]
    value: float | None
    low: float | None
    high: float | None
    n: int
    unit: str
    status: str
    unknown: UnknownGroup | None = Field(
        None,
        description="Rows whose group is not known: how many, their share of all rows, and the bounds "
        "(Manski) of the value wherever they belong. Null where every group is known.",
    )
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "key": _DIGEST,
                    "measure": "fairness.selection_rate_ratio",
                    "pillar": "fairness",
                    "slice": {"sex": "Female"},
                    "over": "sex",
                    "at": {"against": "Male"},
                    "value": 0.36,
                    "low": 0.34,
                    "high": 0.38,
                    "n": 16281,
                    "unit": "ratio",
                    "status": "measured",
                    "unknown": {
                        "rows": 412,
                        "share": 0.025,
                        "low": 0.33,
                        "high": 0.39,
                        "hits": None,
                        "misses": None,
                    },
                }
            ]
        }
    )


class MeasurePage(Schema):
    items: list[MeasureOut]
    count: int


class ExitCode(Schema):
    """What `assay audit` would have exited with: 0 no rule failed, 1 a rule failed, 3 undecided."""

    exit_code: Literal[0, 1, 3]
    state: str
    outcome: str
    sentence: str
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"exit_code": 1, "state": "done", "outcome": "fail", "sentence": "Of 14 verdicts 2 failed."}
            ]
        }
    )


class Gate(Schema):
    """Whether a candidate may replace a baseline: nothing became worse, and that is shown."""

    exit_code: Literal[0, 1, 2, 3]
    sentence: str
    reasons: list[str]
    statements: list[str]
    comparisons: list[Comparison]
    verdict_changes: list[VerdictChange]
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "exit_code": 0,
                    "sentence": "Nothing became worse beyond its tolerance.",
                    "reasons": [],
                    "statements": ["Both runs measured the same rows."],
                    "comparisons": [],
                    "verdict_changes": [],
                }
            ]
        }
    )


class PolicyVersionOut(Schema):
    """A version of a policy; its text never changes."""

    id: UUID
    number: int = Field(examples=[2])
    version: str = Field(examples=["1.2"])
    sha256: str
    rules: int = Field(examples=[14])
    created_at: datetime

    @classmethod
    def of(cls, version: PolicyVersion) -> PolicyVersionOut:
        return cls(
            id=version.pk,
            number=version.number,
            version=str(version.content.get("version", "")),
            sha256=version.sha256,
            rules=len(version.content.get("rules", ())),
            created_at=version.created_at,
        )


class PolicyOut(Schema):
    """A policy with its versions, newest first, and the newest one's rules."""

    id: UUID
    name: str
    archived: bool
    versions: list[PolicyVersionOut]
    rules: list[Rule] = Field(default_factory=list)


class PolicySummary(Schema):
    id: UUID
    name: str
    archived: bool
    newest: PolicyVersionOut | None
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": _ID,
                    "name": "Consumer credit",
                    "archived": False,
                    "newest": {
                        "id": _ID,
                        "number": 2,
                        "version": "1.2",
                        "sha256": _DIGEST,
                        "rules": 14,
                        "created_at": "2026-11-28T14:02:00Z",
                    },
                }
            ]
        }
    )


class PolicyPage(Schema):
    items: list[PolicySummary]
    count: int


class NewPolicyText(Schema):
    """A policy's TOML."""

    toml: str = Field(max_length=1_000_000)
    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "toml": 'id = "house"\nversion = "1"\ntitle = "House rules"\npurpose = "Ours."\n\n'
                    '[[rule]]\nid = "accuracy"\ntitle = "Accuracy"\n'
                    'measure = "performance.balanced_accuracy"\n'
                    'minimum = 0.7\nsource = "Decision of the board"\n'
                }
            ]
        },
    )


class PackChoice(Schema):
    """A built-in pack to copy in."""

    pack: str = Field(max_length=60)
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"pack": "credit"}]})


class PackOut(Schema):
    """A built-in pack with its rules."""

    id: str = Field(examples=["credit"])
    title: str = Field(examples=["Consumer credit"])
    version: str = Field(examples=["1.2"])
    purpose: str
    rules: list[Rule]
