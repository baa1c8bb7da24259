"""From an audit to a candidate, its audit with the same plan, and the gate's answer."""

from __future__ import annotations

import pytest

from audits.models import Opening
from audits.planning import evidence_of
from models_registry.models import IntakeState, ModelVersion
from remediations.models import RemedyState
from remediations.services import start_remedy
from tests import factory
from tests.conftest import make_people
from tests.remediations.made import audited
from trail.models import TrailEntry
from trail.services import verify

pytestmark = pytest.mark.usefixtures("fresh_children")


def test_a_remedy_makes_a_version_and_audits_it_with_the_same_plan(committed: None) -> None:
    people = make_people()
    baseline = audited(people)
    assert (baseline.state, baseline.reason) == ("done", "")
    remedy = start_remedy(
        baseline, "training.fine_tune", {"epochs": 3, "learning_rate": 0.1}, by=people.engineer
    )
    assert (remedy.state, remedy.number) == (RemedyState.WAITING, 1)
    assert remedy.estimate_seconds > 0
    factory.run_jobs()
    remedy.refresh_from_db()
    assert (remedy.state, remedy.reason) == (RemedyState.DONE, "")
    candidate, run = remedy.candidate, remedy.run
    assert candidate is not None
    assert run is not None
    assert (candidate.model, candidate.parent) == (remedy.model_version.model, remedy.model_version)
    assert (candidate.state, candidate.number, candidate.format) == (IntakeState.READY, 2, "torch_folder")
    assert candidate.lineage["rows"] == {"training": 600, "tuning": 200}
    assert candidate.facts["sha256"] == candidate.sha256
    assert {m.path for m in candidate.members.all()} >= {"model.safetensors", "lineage.json"}

    assert (run.baseline, run.trigger, run.tier) == (baseline, "remedy", baseline.tier)
    assert {m["id"]: m["params"] for m in run.plan["methods"]} == {
        m["id"]: m["params"] for m in baseline.plan["methods"]
    }
    change = evidence_of(run).change
    assert change is not None
    assert remedy.gate["exit_code"] == change.exit_code
    assert remedy.gate["sentence"] == change.sentence
    assert any(entry["reading"] == "better" for entry in remedy.changes["decisive"] + remedy.changes["moved"])

    ledger = Opening.objects.of(people.organisation).order_by("at")
    named = ledger.get(what="named")
    assert named.candidate_sha256 == candidate.sha256
    opened = [(o.number, o.standing) for o in ledger.filter(what="opened")]
    assert opened == [(1, "baseline"), (2, "confirmatory")]
    assert named.at < ledger.get(what="opened", number=2).at
    told = TrailEntry.objects.filter(organisation_id=people.organisation.pk, target_id=remedy.pk)
    assert list(told.order_by("sequence").values_list("action", flat=True)) == [
        *("remedy.started", "remedy.made", "remedy.done")
    ]
    assert verify(people.organisation.pk) is None

    # A second remedy on the same rows is looked at again, and says so.
    second = start_remedy(baseline, "training.fine_tune", {"epochs": 1}, seed=1, by=people.engineer)
    factory.run_jobs()
    second.refresh_from_db()
    assert (second.number, second.state, second.reason) == (2, RemedyState.DONE, "")
    assert ledger.filter(what="named").count() == 1
    assert [o.standing for o in ledger.filter(what="opened", number=3)] == ["exploratory"]
    assert ModelVersion.unscoped.filter(model=candidate.model).count() == 3


def test_a_training_that_diverges_fails_with_the_sentence_and_makes_nothing(committed: None) -> None:
    people = make_people()
    baseline = audited(people)
    remedy = start_remedy(
        baseline,
        "training.from_scratch",
        {"learning_rate": 10, "optimizer": "sgd", "clip_norm": None, "batch_rows": 8},
        by=people.engineer,
    )
    factory.run_jobs()
    remedy.refresh_from_db()
    assert remedy.state == RemedyState.FAILED
    assert "diverged" in remedy.reason
    assert remedy.candidate is None
    assert remedy.ended_at is not None
