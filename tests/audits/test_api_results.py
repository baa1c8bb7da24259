"""The API of what an audit came to: findings, comparison, single rows, figures, estimates, downloads."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from assay.evidence import measure_key
from audits.findings_services import today_in
from audits.models import Finding, Run, RunMeasure
from audits.planning import evidence_of
from audits.row_looks import kept_rows
from models_registry import files
from models_registry.models import DatasetFile
from tests import factory, sample
from tests.audits.test_api import Api, versions
from tests.audits.test_policies import HOUSE
from tests.conftest import People, make_people
from trail.models import TrailEntry


class Measured:
    """A biased audit and one of the repaired model against it; only read."""

    def __init__(self) -> None:
        self.people: People = make_people()
        policy = sample.policy_version(self.people)
        self.biased, self.mended = sample.biased_pair(self.people, policy, 600)
        self.foreign = factory.measured_run(self.people)


@pytest.fixture(scope="module")
def measured(django_db_setup: None, django_db_blocker: Any) -> Iterator[Measured]:
    with django_db_blocker.unblock():
        yield Measured()


@pytest.fixture(autouse=True)
def _committed(committed: None) -> None:
    """Everything here reads rows that were committed."""


def test_findings_are_listed_of_the_organisation_and_of_an_audit(measured: Measured) -> None:
    api = Api(measured.people, measured.people.auditor, ("read",))
    seen = api.get(f"/audits/{measured.biased.pk}/findings")
    evidence = evidence_of(measured.biased)
    assert {f["key"] for f in seen["items"]} == {f.id for f in evidence.findings}
    assert seen["count"] == len(evidence.findings) > 0
    own = next(f for f in seen["items"] if f["key"] == evidence.findings[0].id)
    assert own["detail"] == evidence.findings[0].detail
    assert own["replies"] == f"/api/v1/findings/{own['id']}/replies"
    assert api.get(own["replies"].removeprefix("/api/v1"))["count"] == 0
    everything = api.get("/findings?state=all&limit=100")
    ranks = [("critical", "high", "medium", "low").index(f["severity"]) for f in everything["items"]]
    assert ranks == sorted(ranks)
    assert everything["count"] == Finding.objects.of(measured.people.organisation).count()
    fair = api.get("/findings?state=all&pillar=fairness")
    assert {f["pillar"] for f in fair["items"]} == {"fairness"}
    api.get("/findings?pillar=beauty", status=422)
    one = api.get(f"/findings/{own['id']}")
    assert (one["audit"]["number"], one["content"]["detail"]) == (one["last_seen"], one["content"]["detail"])
    assert [m["key"] for m in one["measures"]] == one["content"]["measures"]
    assert measured.biased.number in {a["number"] for a in one["audits"] if a["seen"]}


def test_a_finding_is_assigned_accepted_and_opened_by_those_who_may() -> None:
    people = make_people()
    run, _ = sample.biased_pair(people, sample.policy_version(people), 600)
    finding = run.findings.order_by("number").first()
    engineer, reviewer = Api(people, people.engineer), Api(people, people.reviewer)
    path = f"/findings/{finding.pk}"
    due = (today_in(people.organisation) + datetime.timedelta(days=9)).isoformat()
    said = {"owner": str(people.engineer.pk), "due": due, "cause": "A proxy."}
    assigned = engineer.post(f"{path}/assign", said)
    assert (assigned["owner"]["id"], assigned["due"], assigned["cause"]) == (said["owner"], due, "A proxy.")
    engineer.post(f"{path}/assign", {"owner": str(people.outsider.pk)}, status=404)
    engineer.post(f"{path}/accept", {"until": due, "reason": "x"}, status=403)
    accepted = reviewer.post(f"{path}/accept", {"until": due, "reason": "On its way."})
    assert (accepted["state"], accepted["open"], accepted["decisions"][0]["words"]) == (
        "accepted",
        False,
        "On its way.",
    )
    later = (datetime.date.fromisoformat(due) + datetime.timedelta(days=1)).isoformat()
    reviewer.post(f"{path}/accept", {"until": later, "reason": "x"}, status=409)
    assert reviewer.post(f"{path}/reopen", {"reason": "It grew."})["open"]
    assert Api(people, people.outsider).post(f"{path}/reopen", {}, status=404)


def test_two_audits_are_compared_as_the_page_compares_them(measured: Measured) -> None:
    api = Api(measured.people, measured.people.auditor, ("read",))
    path = f"/audits/{measured.biased.pk}/compare/{measured.mended.pk}"
    found = api.get(f"{path}?limit=100")
    change = evidence_of(measured.mended).change
    assert change is not None
    assert (found["exit_code"], found["sentence"], found["counts"]) == (
        change.exit_code,
        change.sentence,
        dict(change.counts),
    )
    assert found["verdict_changes"] == [v.model_dump(mode="json") for v in change.verdict_changes]
    assert found["count"] == len(change.decisive) + len(change.moved)
    assert [c["decisive"] for c in found["items"][: len(change.decisive)]] == [True] * len(change.decisive)
    for entry in found["items"]:
        before = RunMeasure.objects.get(
            run=measured.biased, measure=entry["id"], slice=entry["slice"], over=entry["over"] or "",
            at=entry["at"],
        )  # fmt: skip
        assert entry["n_before"] == before.n
    better = api.get(f"{path}?reading=better&limit=100")
    assert {c["reading"] for c in better["items"]} == {"better"}
    for way in ("compare", "gate"):
        foreign = api.get(f"/audits/{measured.biased.pk}/{way}/{measured.foreign.pk}", status=400)
        assert "one system" in foreign["detail"]


def test_single_rows_need_their_own_scope_and_leave_a_trace(measured: Measured) -> None:
    people, run = measured.people, measured.biased
    path = f"/audits/{run.pk}/rows"
    assert '"rows"' in Api(people, people.engineer).get(path, status=403)["detail"]
    assert "auditor" in Api(people, people.auditor, ("read", "rows")).get(path, status=403)["detail"]
    looks = TrailEntry.objects.filter(target_id=run.pk, action="rows.read")
    assert not looks.exists()
    api = Api(people, people.engineer, ("rows",))
    page = api.get(f"{path}?group=sex=Female&errors=true&page=1")
    kept = kept_rows(run)
    assert kept is not None
    women = kept.attributes["sex"] == kept.categories["sex"].index("Female")
    wrong = kept.label != kept.prediction
    assert (page["of"], page["total"]) == (600, int((women & wrong).sum()))
    first = page["items"][0]
    place = int((women & wrong).nonzero()[0][0])
    assert (first["number"], first["groups"], first["wrong"]) == (place + 1, {"sex": "Female"}, True)
    assert first["score"] == pytest.approx(float(kept.score[place]))
    assert first["label"] != first["prediction"]
    entry = looks.get()
    assert (entry.actor_id, entry.facts["rows"]) == (people.engineer.pk, len(page["items"]))
    assert entry.payload.content == {"groups": {"sex": "Female"}}
    verdicts = evidence_of(run).verdicts
    place = next(i for i, v in enumerate(verdicts) if v.pillar == "fairness" and v.outcome == "fail")
    judged = api.get(f"{path}?verdict={place}&counted=1")
    assert judged["about"]
    assert {row["counted"] for row in judged["items"]} == {1}
    assert 'no attribute "age"' in api.get(f"{path}?group=age=3", status=400)["detail"]
    assert 'no group "X"' in api.get(f"{path}?group=sex=X", status=400)["detail"]
    Api(people, people.outsider, ("rows",)).get(path, status=404)


def test_rows_are_erased_for_good_by_owners_with_the_scope() -> None:
    people = make_people()
    run = factory.measured_run(people)
    path = f"/audits/{run.pk}/rows"
    api = Api(people, people.owner, ("read", "rows", "manage"))
    assert api.get(path)["of"] == 400
    Api(people, people.owner, ("read", "write", "rows")).delete(path, status=403)
    Api(people, people.engineer, ("manage",)).delete(path, status=403)
    for _twice in range(2):
        api.delete(path)
    assert "erased" in api.get(path, status=410)["detail"]
    assert TrailEntry.objects.filter(target_id=run.pk, action="rows.erased").count() == 1
    assert api.get(f"/audits/{run.pk}/evidence.json")["snapshot_digest"] == run.snapshot_digest


def test_figures_series_and_files_of_an_audit(measured: Measured) -> None:
    people, run = measured.people, measured.mended
    api = Api(people, people.auditor, ("read",))
    figures = api.get(f"/audits/{run.pk}/figures")
    assert figures["count"] >= len(figures["items"]) > 3
    assert all(f["alt"] and f["columns"] and f["rows"] for f in figures["items"])
    ids = [f["id"] for f in figures["items"]]
    assert len(set(ids)) == len(ids)
    secret = api.token
    for figure in figures["items"][:2]:
        drawn = Client().get(figure["svg"], headers={"Authorization": f"Bearer {secret}"})
        assert drawn["Content-Type"] == "image/svg+xml"
        assert drawn.content.startswith(b"<svg")
    api.get(f"/audits/{run.pk}/figures/F999.svg", status=404)
    series = api.get(f"/audits/{run.pk}/series")
    known = evidence_of(run).series
    assert (series["count"], series["items"][0]["id"]) == (len(known), known[0].id)
    one = api.get(f"/audits/{run.pk}/series?method={known[-1].method}")
    assert {s["method"] for s in one["items"]} == {known[-1].method}
    csv = Client().get(f"/api/v1/audits/{run.pk}/measures.csv", headers={"Authorization": f"Bearer {secret}"})
    assert csv.content.decode().count("\r\n") == 1 + run.measures.count()
    listed = api.get(f"/audits/{run.pk}/downloads")["items"]
    assert [d["name"] for d in listed] == ["evidence.json", "measures.csv"]
    for each in listed:
        assert Client().get(each["url"], headers={"Authorization": f"Bearer {secret}"}).status_code == 200


def test_a_draft_is_estimated_changed_and_drafted_again() -> None:
    people = make_people()
    api = Api(people, people.engineer)
    made = api.post("/audits", {**versions(people), "tier": "quick"}, status=201)
    path = f"/audits/{made['id']}"
    assert "being read" in api.get(f"{path}/estimate", status=400)["detail"]
    reading = api.get(f"{path}/progress")
    assert (reading["ended"], reading["percent"]) == (False, 0)
    factory.run_jobs()
    estimate = api.get(f"{path}/estimate")
    plan = api.get(f"{path}/plan")
    assert estimate["plan_sha256"] == plan["plan_sha256"]
    planned = {m["id"]: m["estimate"] for m in estimate["methods"] if m["planned"]}
    assert planned == {m["id"]: m["estimate"] for m in plan["methods"]}
    assert all(m["why_not"] for m in estimate["methods"] if not m["planned"])
    assert estimate["seconds"] > sum(e["seconds"] for e in planned.values())
    policy = api.post("/policies", {"toml": HOUSE}, status=201)
    changed = api.patch(path, {"policy": policy["id"], "methods": ["performance.classification"], "seed": 3})
    assert (changed["policy_version"], changed["seed"], changed["tier"]) == (policy["id"], 3, "quick")
    narrow = api.get(f"{path}/estimate")
    assert [m["id"] for m in narrow["methods"] if m["planned"]] == ["performance.classification"]
    assert narrow["rules"] >= 1
    assert api.patch(path, {"policy": None, "methods": None})["policy_version"] is None
    assert "tier" in api.patch(path, {"tier": None}, status=400)["detail"]
    api.patch(path, {"policy": "hirring"}, status=400)
    api.post(f"{path}/again", status=409)
    started = api.post(f"{path}/start?plan_sha256={api.get(f'{path}/plan')['plan_sha256']}")
    assert started["state"] == "running"
    assert {line["state"] for line in api.get(f"{path}/progress")["methods"]} == {"waiting"}
    for late in (
        lambda: api.patch(path, {"seed": 4}, status=409),
        lambda: api.get(f"{path}/estimate", status=409),
    ):
        assert late()["code"] == "conflict"
    api.post(f"{path}/read", status=409)
    factory.run_jobs()
    done = api.get(f"{path}/progress")
    assert (done["ended"], done["percent"], done["state"]) == (True, 100, "done")
    again = api.post(f"{path}/again", status=201)
    assert (again["state"], again["seed"], again["number"]) == ("draft", 3, made["number"] + 1)
    assert api.post(f"{path}/again", status=201)["id"] == again["id"]


def test_under_a_baseline_only_the_title_can_be_changed(measured: Measured) -> None:
    people, before = measured.people, measured.biased
    api = Api(people, people.engineer)
    said = {
        "model_version": str(before.subject.model_version_id),
        "dataset_version": str(before.subject.dataset_version_id),
        "baseline": str(before.pk),
    }
    made = api.post("/audits", said, status=201)
    assert "seed is the baseline's" in api.patch(f"/audits/{made['id']}", {"seed": 9}, status=400)["detail"]
    assert api.patch(f"/audits/{made['id']}", {"title": "Named"})["title"] == "Named"
    api.delete(f"/audits/{made['id']}")


def test_measures_say_what_rows_of_unknown_group_could_make_of_them() -> None:
    people = make_people()
    system = factory.system(people)
    data = factory.data_version(system, people.engineer, rows=200, identifier="income")
    lines = files.read(people.organisation.pk, data.files.get().file.sha256).decode().splitlines()
    incomes = dict.fromkeys(line.split(",")[0] for line in lines[1:])
    people_csv = "income,group\n" + "".join(
        f"{income},{'a' if place % 2 else 'b'}\n" for place, income in enumerate(incomes) if place % 10
    )
    stored = files.keep(people.organisation, [people_csv.encode()])
    DatasetFile.objects.create(version=data, role="attributes", file=stored, name="people.csv")
    data.description = {**data.description, "sensitive": ["group"]}
    data.save(update_fields=["description"])
    run = factory.measured_run(people, model=factory.predictions_version(system, people.engineer), data=data)
    assert run.state == "done", run.reason
    wanted = {measure_key(m): m.unknown for m in evidence_of(run).measures}
    found = Api(people, people.auditor, ("read",)).get(f"/audits/{run.pk}/measures?pillar=fairness")["items"]
    for each in found:
        known = wanted[each["key"]]
        assert each["unknown"] == (known.model_dump(mode="json") if known is not None else None)
    shares = {m["unknown"]["share"] for m in found if m["unknown"] is not None}
    assert max(shares) == pytest.approx(20 / 200)
    assert any(m["unknown"] is None for m in found)


def test_policies_are_read_archived_and_restored(people: People) -> None:
    api = Api(people, people.engineer)
    made = api.post("/policies", {"toml": HOUSE}, status=201)
    policy = api.get("/policies")["items"][0]["id"]
    text = Client().get(
        f"/api/v1/policies/{policy}/versions/1.toml", headers={"Authorization": f"Bearer {api.token}"}
    )
    assert text.content.decode() == HOUSE
    assert made["number"] == 1
    api.get(f"/policies/{policy}/versions/{2**40}.toml", status=404)
    api.post(f"/policies/{policy}/archive", status=204)
    assert api.get("/policies")["count"] == 0
    assert api.get("/policies?archived=true")["count"] == 1
    api.post(f"/policies/{policy}/restore", status=204)
    assert api.get("/policies")["count"] == 1
    assert "credit" in {pack["id"] for pack in api.get("/policies/packs")}
    Api(people, people.reviewer).post(f"/policies/{policy}/archive", status=403)


def test_the_same_request_with_a_key_is_done_once(measured: Measured) -> None:
    people = measured.people
    api = Api(people, people.engineer)
    key = {"headers": {"Authorization": f"Bearer {api.token}", "Idempotency-Key": "again"}}
    first, second = (
        Client().post(f"/api/v1/audits/{measured.foreign.pk}/again", content_type="application/json", **key)
        for _twice in range(2)
    )
    assert (first.status_code, second.content) == (201, first.content)
    assert second["Idempotent-Replayed"] == "true"
    Run.objects.of(people.organisation).get(pk=first.json()["id"]).delete()
