"""What a recorded result does to findings: opened, seen again, mended; also when several end at once."""

from __future__ import annotations

import threading
import time
import uuid

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.models import Organisation
from assay.contracts import Evidence
from assay.contracts import Finding as EngineFinding
from audits.findings_services import accept_finding
from audits.models import Finding, FindingRun, Run, RunVerdict
from audits.planning import evidence_of
from audits.recording import record_result
from models_registry.models import Subject
from tests import factory, sample
from tests.at_once import at_once
from tests.audits.test_findings import days, made, seen
from tests.conftest import People, make_people


def recorded(run: Run, evidence: Evidence, number: int) -> Run:
    """A further run of the same subject, as a worker that commits leaves it."""
    again = Run.unscoped.get(pk=run.pk)
    again.pk, again.number, again._state.adding = uuid.uuid4(), number, True
    again.save()
    with transaction.atomic():
        record_result(again, evidence, run.evidence_file, ())
    return again


def passing(people: People) -> tuple[Run, Evidence, str]:
    """A run, evidence of a further one in which a rule passes, and that rule."""
    run = factory.measured_run(people, policy=sample.policy_version(people))
    evidence = evidence_of(run)
    verdict = evidence.verdicts[0].model_copy(update={"outcome": "pass"})
    return run, evidence.model_copy(update={"findings": (), "verdicts": (verdict,)}), verdict.rule


def test_what_passes_is_mended_accepted_or_not_in_a_fixed_number_of_queries(committed: None) -> None:
    people = make_people()
    run, evidence, rule = passing(people)
    found: list[Finding] = []
    asked = []
    for more in (("open",), ("open", "accepted", "accepted", "open", "mended")):
        for state in more:
            until = days(people, len(found) - 3) if state == "accepted" else None
            finding = made(people, 100 + len(found), state=state, accepted_until=until)
            Finding.unscoped.filter(pk=finding.pk).update(system=run.system)
            FindingRun.objects.create(finding=finding, run=run, content={"rule": rule})
            found.append(finding)
        other = made(people, 200 + len(found))
        Finding.unscoped.filter(pk=other.pk).update(system=run.system)
        FindingRun.objects.create(finding=other, run=run, content={"rule": "another"})
        with CaptureQueriesContext(connection) as queries:
            recorded(run, evidence, 100 + len(found))
        asked.append(len(queries))
        for finding in (*found, other):
            finding.refresh_from_db()
        assert {(f.state, f.accepted_until) for f in found} == {("mended", None)}
        assert other.state == "open"
    assert asked[0] == asked[1]


def test_what_another_model_shows_is_not_mended_by_this_one(committed: None) -> None:
    people = make_people()
    run, evidence, rule = passing(people)

    def shown(number: int, runs: list[Run]) -> Finding:
        finding = made(people, number)
        Finding.unscoped.filter(pk=finding.pk).update(system=run.system)
        for each in runs:
            Run.unscoped.filter(pk=each.pk).update(system=run.system)
            FindingRun.objects.create(finding=finding, run=each, content={"rule": rule})
        return finding

    def state(finding: Finding) -> str:
        finding.refresh_from_db()
        return str(finding.state)

    elsewhere = seen(made(people, 400), people, rule=rule)
    RunVerdict.objects.create(
        run=elsewhere, place=0, rule=rule, pillar="fairness", outcome="fail", content={}
    )
    others, both, ours = shown(401, [elsewhere]), shown(402, [run, elsewhere]), shown(403, [run])
    recorded(run, evidence, 500)
    assert [state(each) for each in (others, both, ours)] == ["open", "open", "mended"]
    # the other model passes later: what both showed is mended by the next audit of this one
    later = seen(made(people, 404), people)
    Subject.unscoped.filter(pk=later.subject_id).update(model_version=elsewhere.subject.model_version)
    Run.unscoped.filter(pk=later.pk).update(system=run.system)
    RunVerdict.objects.create(run=later, place=0, rule=rule, pillar="fairness", outcome="pass", content={})
    recorded(run, evidence, 501)
    assert [state(each) for each in (others, both)] == ["open", "mended"]


def test_results_that_end_at_once_number_their_findings_one_after_the_other(committed: None) -> None:
    people = make_people()
    policy = sample.policy_version(people)
    runs = [factory.measured_run(people, policy=policy) for _ in range(2)]
    top = Finding.objects.of(people.organisation).count()

    def found(run: Run) -> Evidence:
        key = f"f-{run.pk.hex[:12]}"
        new = EngineFinding(id=key, title="New", pillar="fairness", severity="low", criterion="-", detail="-")
        return evidence_of(run).model_copy(update={"findings": (new,)})

    given = [(run, found(run), 900 + place) for place, run in enumerate(runs)]
    written = threading.Event()

    def first() -> Run:
        with transaction.atomic():
            run = recorded(*given[0])
            written.set()
            time.sleep(0.5)  # the other comes to its findings before this one is committed
        return run

    def second() -> Run:
        assert written.wait(30)
        return recorded(*given[1])

    ended = at_once(first, second)
    assert all(isinstance(run, Run) for run in ended)
    numbers = Finding.objects.of(people.organisation).filter(title="New").values_list("number", flat=True)
    assert sorted(numbers) == [top + 1, top + 2]


def test_who_accepts_a_finding_and_a_result_that_is_recorded_do_not_wait_for_each_other(
    committed: None,
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time, so nobody holds one row and waits for another")
    people = make_people()
    finding = made(people, 1)
    taken = threading.Event()

    def record() -> str:
        with transaction.atomic():
            Organisation.objects.select_for_update(no_key=True).get(pk=people.organisation.pk)
            taken.set()
            time.sleep(0.5)  # whoever accepts it has its row by then
            Finding.unscoped.filter(pk=finding.pk).update(title="Seen again")
        return "recorded"

    def accept() -> str:
        assert taken.wait(30)
        accept_finding(finding, until=days(people, 3), reason="For now.", by=people.owner)
        return "accepted"

    assert at_once(record, accept) == ["recorded", "accepted"]
    finding.refresh_from_db()
    assert (finding.title, finding.state) == ("Seen again", "accepted")
