"""Storing what a run came to, inside the transaction that ends its job."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from uuid import UUID

from django.db.models import Max
from django.utils import timezone

from accounts.models import Organisation
from assay.contracts import PILLARS, Evidence, Verdict
from assay.evidence import measure_key
from audits import ledger
from audits.models import Finding, FindingRun, Run, RunMeasure, RunState, RunVerdict
from audits.signals import run_ended
from models_registry.models import ModelVersion
from trail.services import record

__all__ = ["record_failure", "record_result", "worst"]

_PASSED = ("pass", "warn")
_MODEL = "run__subject__model_version__model"
_ORDER = ("fail", "insufficient", "not_tested", "warn", "pass")


def worst(verdicts: Sequence[Verdict]) -> str:
    """The outcome that decides: fail, then undecided, then missing where required, then warn, then pass."""
    found = {v.outcome for v in verdicts if v.required or v.outcome != "not_tested"}
    return next((o for o in _ORDER if o in found), "measured")


def record_result(run: Run, evidence: Evidence, stored: str, incomplete: Sequence[str]) -> None:
    """Measures, verdicts and findings as rows; the snapshot stays the truth."""
    # Findings are numbered within the organisation: whoever records another result at this moment waits.
    Organisation.objects.select_for_update(no_key=True).get(pk=run.organisation_id)
    pillars = {spec.id: m.pillar for m in evidence.methods for spec in m.measures}
    RunMeasure.objects.bulk_create(
        (
            RunMeasure(
                run=run,
                key=measure_key(m),
                measure=m.id,
                pillar=pillars[m.id],
                slice=dict(m.slice),
                over=m.over or "",
                at=dict(m.at),
                value=m.value,
                low=m.low,
                high=m.high,
                n=m.n,
                unit=m.unit,
                status=m.status,
                unknown=m.unknown.model_dump(mode="json") if m.unknown is not None else None,
            )
            for m in evidence.measures
        ),
        batch_size=500,
    )
    RunVerdict.objects.bulk_create(
        RunVerdict(
            run=run,
            place=place,
            rule=v.rule,
            pillar=v.pillar,
            outcome=v.outcome,
            content=v.model_dump(mode="json"),
        )
        for place, v in enumerate(evidence.verdicts)
    )
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for verdict in evidence.verdicts:
        counts[verdict.pillar][verdict.outcome] += 1
    run.state = RunState.INCOMPLETE if incomplete else RunState.DONE
    run.reason = " ".join(incomplete)
    run.evidence_file = stored
    run.result_digest, run.snapshot_digest = evidence.result_digest, evidence.snapshot_digest
    run.outcome = worst(evidence.verdicts)
    if incomplete and run.outcome != "fail":
        run.outcome = "insufficient"  # never "passed" while a shard is lacking
    run.counts = {pillar: dict(counts[pillar]) for pillar in PILLARS if pillar in counts}
    run.ended_at = timezone.now()
    run.save(
        update_fields=[
            "state",
            "reason",
            "evidence_file",
            "result_digest",
            "snapshot_digest",
            "outcome",
            "counts",
            "ended_at",
        ]
    )
    ledger.measured(run)
    _record_findings(run, evidence)
    record(
        run.organisation_id,
        "run.measured",
        "run",
        run.pk,
        facts={
            "result_digest": run.result_digest,
            "snapshot_digest": run.snapshot_digest,
            "outcome": run.outcome,
            "state": str(run.state),
        },
    )
    run_ended.send(Run, run=run)


def record_failure(run: Run, state: str, why: str) -> None:
    """A run that failed or was cancelled stays in the list of runs, with its reason."""
    run.state, run.reason, run.ended_at = RunState(state), why, timezone.now()
    run.save(update_fields=["state", "reason", "ended_at"])
    record(run.organisation_id, f"run.{state}", "run", run.pk, facts={"plan_sha256": run.plan_sha256})
    run_ended.send(Run, run=run)


def _record_findings(run: Run, evidence: Evidence) -> None:
    """Open findings that are new to the system, see known ones again, and mend those that pass now."""
    known = {f.key: f for f in Finding.objects.of(run.organisation_id).filter(system=run.system)}
    number = Finding.objects.of(run.organisation_id).aggregate(top=Max("number"))["top"] or 0
    seen = []
    for found in evidence.findings:
        finding = known.pop(found.id, None)
        if finding is None:
            number += 1
            finding = Finding.objects.create(
                organisation_id=run.organisation_id,
                number=number,
                system=run.system,
                key=found.id,
                title=found.title,
                pillar=found.pillar,
                severity=found.severity,
            )
        elif finding.state == Finding.State.MENDED:
            finding.state = Finding.State.OPEN
            finding.save(update_fields=["state"])
        seen.append(FindingRun(finding=finding, run=run, content=found.model_dump(mode="json")))
    FindingRun.objects.bulk_create(seen)
    passed = {v.rule for v in evidence.verdicts if v.outcome in _PASSED} - {
        v.rule for v in evidence.verdicts if v.outcome not in _PASSED
    }
    _mend(run, [finding.pk for finding in known.values() if finding.state != Finding.State.MENDED], passed)


def _mend(run: Run, findings: Sequence[UUID], passed: Collection[str]) -> None:
    """Mend those of these findings, accepted ones too, whose rule passed for every model that showed them."""
    model = ModelVersion.unscoped.filter(subjects=run.subject_id).values_list("model", flat=True).get()
    sightings = FindingRun.objects.filter(finding__in=findings)
    last = sightings.values("finding", _MODEL).annotate(last=Max("pk")).values("last")
    rules: dict[UUID, str] = {}
    models: dict[UUID, set[UUID]] = defaultdict(set)
    latest = FindingRun.objects.filter(pk__in=last).order_by("pk")
    for finding, shown, content in latest.values_list("finding", _MODEL, "content"):
        rules[finding] = content.get("rule")
        models[finding].add(shown)
    passing = [finding for finding in rules if rules[finding] in passed and model in models[finding]]
    others = {(other, rules[finding]) for finding in passing for other in models[finding] - {model}}
    still = _not_passing(run.system_id, others) if others else set()
    mended = [f for f in passing if not any((other, rules[f]) in still for other in models[f] - {model})]
    Finding.unscoped.filter(pk__in=mended).update(state=Finding.State.MENDED, accepted_until=None)


def _not_passing(system: UUID, wanted: Collection[tuple[UUID, str]]) -> set[tuple[UUID, str]]:
    """Those pairs of model and rule whose newest verdicts are no plain pass."""
    verdicts = RunVerdict.objects.filter(
        run__system=system,
        rule__in={rule for _, rule in wanted},
        **{f"{_MODEL}__in": {model for model, _ in wanted}},
    ).order_by("run__ended_at", "run__number")
    newest: dict[tuple[UUID, str], tuple[UUID, bool]] = {}
    named = verdicts.values_list(_MODEL, "rule", "run", "outcome")
    for model, rule, run, outcome in named:
        known, good = newest.get((model, rule), (run, True))
        newest[model, rule] = (run, outcome in _PASSED and (good if known == run else True))
    return {pair for pair in wanted if not newest.get(pair, (None, False))[1]}
