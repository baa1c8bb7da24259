"""What the API of audits and policies takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field

from assay.contracts import Comparison, Rule, Tier, Verdict, VerdictChange
from audits.models import PolicyVersion, Run

__all__ = [
    "ExitCode",
    "Gate",
    "MeasureOut",
    "MeasurePage",
    "NewPolicyText",
    "NewRun",
    "PackChoice",
    "PolicyOut",
    "PolicyPage",
    "PolicySummary",
    "PolicyVersionOut",
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
    number: int
    version: str
    sha256: str
    rules: int
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
