"""An audit from draft to frozen snapshot, through the job engine, and the same again under a baseline."""

from __future__ import annotations

import pytest

from audits.models import Opening
from audits.planning import evidence_of
from audits.services import repeat_run
from tests import factory
from tests.conftest import make_people
from trail.services import verify

pytestmark = pytest.mark.usefixtures("fresh_children")


def test_supplied_predictions_are_audited_and_frozen(committed: None) -> None:
    people = make_people()
    run = factory.measured_run(people)
    assert (run.state, run.reason) == ("done", "")
    evidence = evidence_of(run)
    assert (evidence.snapshot_digest, evidence.result_digest) == (run.snapshot_digest, run.result_digest)
    assert evidence.plan.plan_sha256 == run.plan_sha256
    assert run.measures.count() == len(evidence.measures) > 10
    assert verify(people.organisation.pk) is None


def test_the_same_plan_gives_the_same_result_digest_and_opens_rows_once(committed: None) -> None:
    people = make_people()
    system = factory.system(people)
    first = factory.measured_run(people, model=factory.model_version(system, people.engineer))
    assert (first.state, first.reason) == ("done", "")
    again = repeat_run(first, first.subject.model_version, by=people.engineer)
    factory.run_jobs()
    again.refresh_from_db()
    assert (again.state, again.result_digest) == ("done", first.result_digest)
    assert evidence_of(again).change is not None
    opened = Opening.objects.of(people.organisation).filter(what="opened")
    assert [(o.number, o.standing) for o in opened] == [(1, "baseline")]
