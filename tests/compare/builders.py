"""Evidence of small runs, judged by the real policy code."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from assay.contracts import (
    AuditPlan,
    DatasetProfile,
    Evidence,
    Manifest,
    Measure,
    Policy,
    Profile,
    Roles,
    SandboxReport,
    Signature,
)
from assay.evidence import canonical, result_digest, snapshot_digest
from assay.policy import judge
from tests.policy.builders import METHODS


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def run(
    measures: Sequence[Measure],
    policy: Policy | None = None,
    *,
    data: str = "a.csv",
    seed: int = 0,
    failed_shards: int = 0,
) -> Evidence:
    """Evidence of one run on the file `data`; another name is another content."""
    verdicts, findings = judge(policy, measures, METHODS) if policy else ((), ())
    profile = Profile(
        modality="table",
        grade="supplied",
        signature=Signature(task="binary", output="label", classes=("no", "yes"), favourable="yes"),
        capabilities=("predictions", "labels", "sensitive"),
        roles=Roles(label="y", prediction="p", sensitive=("sex",)),
        datasets=(DatasetProfile(role="test", name=data, sha256=sha(data), rows=1000, columns=()),),
    )
    plan = AuditPlan(
        methods=(),
        not_tested=(),
        policy=policy,
        policy_sha256=hashlib.sha256(canonical(policy)).hexdigest() if policy else None,
        tier="standard",
        seed=seed,
        profile_sha256=sha("profile"),
        datasets={"test": sha(data)},
        fixed_at="2026-01-01T00:00:00Z",
        plan_sha256=sha("plan"),
    )
    manifest = Manifest(
        assay_version="0",
        code_sha256=sha("code"),
        command=("assay",),
        packages={},
        python="3.11",
        platform="any",
        hardware={},
        sandbox=SandboxReport(layers={}),
        started_at="2026-01-01T00:00:00Z",
        finished_at="2026-01-01T00:00:01Z",
        seconds={},
        shards=1,
        failed_shards=failed_shards,
    )
    evidence = Evidence(
        title=data,
        subject=profile,
        plan=plan,
        methods=METHODS,
        measures=tuple(measures),
        series=(),
        notes={},
        verdicts=verdicts,
        findings=findings,
        not_tested=(),
        manifest=manifest,
        result_digest=result_digest(measures, METHODS),
        snapshot_digest="0" * 64,
    )  # type: ignore[call-arg]
    return evidence.model_copy(update={"snapshot_digest": snapshot_digest(evidence)})
