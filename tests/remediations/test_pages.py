"""Pages of remedies: what is offered, live progress, the gate's answer, roles, markup, queries."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import User
from audits.models import Finding, Run
from jobs.models import Shard
from remediations.models import RemedyRun, RemedyState
from remediations.services import start_remedy
from tests.conftest import People
from tests.remediations.made import answered, drafted
from tests.sample import policy_version

SignIn = Callable[[User], Client]
EVIL = "<script>alert(1)</script>"


def url(people: People, name: str, *more: Any) -> str:
    return reverse(f"remediations:{name}", args=[people.organisation.slug, *more])


def begun(people: People, baseline: Run | None = None) -> RemedyRun:
    return start_remedy(baseline or drafted(people), "training.fine_tune", by=people.engineer)


def finding(baseline: Run, title: str = "Gap between groups") -> Finding:
    made: Finding = Finding.objects.create(
        organisation=baseline.organisation,
        number=118,
        system=baseline.system,
        key="k",
        title=title,
        pillar="fairness",
        severity="high",
    )
    return made


def test_an_empty_list_says_what_to_do(people: People, as_user: SignIn) -> None:
    page = as_user(people.auditor).get(url(people, "remedies")).content.decode()
    assert "Nothing was repaired yet" in page
    assert "choose “Repair”" in page


def test_a_remedy_is_chosen_set_up_and_begun(people: People, as_user: SignIn) -> None:
    baseline = drafted(people)
    mended = finding(baseline)
    client = as_user(people.engineer)
    place = url(people, "new", baseline.pk)
    offered = client.get(place, {"finding": mended.pk}).content.decode()
    assert "For F-118, Gap between groups." in offered
    assert offered.count("Takes about") == 4
    assert "Reads sensitive columns in training only." in offered
    page = client.get(place, {"finding": mended.pk, "remedy": "training.fine_tune"})
    form = page.context["form"]
    text = page.content.decode()
    assert "Most passes over the training rows. 1 to 10,000." in text
    assert 'name="epochs" value="5"' in text
    values = {name: field.initial for name, field in form.fields.items() if field.initial is not None}
    values |= {"key": str(uuid.uuid4()), "remedy": "training.fine_tune", "finding": str(mended.pk)}
    values |= {"epochs": 3, "reweigh": ["sex"], "patience": ""}
    answers = [client.post(place, values) for _ in range(2)]  # a doubled click
    assert [a.status_code for a in answers] == [302, 302], answers[0].content.decode()
    remedy = RemedyRun.objects.of(people.organisation).get()
    assert answers[1]["Location"] == url(people, "remedy", remedy.pk)
    assert (remedy.finding, remedy.params["epochs"], remedy.params["reweigh"]) == (mended, 3, ["sex"])
    assert (remedy.params["patience"], remedy.params["clip_norm"]) == (None, 1.0)


def test_a_value_out_of_range_is_told_at_its_field_and_what_was_typed_stays(
    people: People, as_user: SignIn
) -> None:
    baseline = drafted(people)
    values = {"remedy": "training.from_scratch", "epochs": 0, "learning_rate": "fast", "sizes": EVIL}
    page = as_user(people.engineer).post(url(people, "new", baseline.pk), values).content.decode()
    assert "greater than or equal to 1" in page
    assert "Enter a number." in page
    assert 'value="fast"' in page
    assert "Enter a valid JSON." in page
    assert EVIL not in page
    values = {"remedy": "training.fine_tune", "epochs": 3, "learning_rate": "0", "batch_rows": 8, "seed": 0}
    values |= {"optimizer": "adamw", "schedule": "constant", "layers": "all", "weight_decay": 0}
    values |= {"momentum": 0.9, "warmup": 0}
    page = as_user(people.engineer).post(url(people, "new", baseline.pk), values).content.decode()
    assert "Input should be greater than 0." in page
    assert not RemedyRun.objects.of(people.organisation).exists()


def test_what_is_not_possible_says_why(people: People, as_user: SignIn) -> None:
    baseline = drafted(people, ("test",))
    page = as_user(people.engineer).get(url(people, "new", baseline.pk), {"remedy": "training.fine_tune"})
    text = page.content.decode()
    assert text.count("Not possible here") == 4
    assert "None of the remedies can be applied here" in text
    assert page.context["form"] is None
    baseline.snapshot_digest = ""
    baseline.save()
    assert "has no result yet" in as_user(people.owner).get(url(people, "new", baseline.pk)).content.decode()


def test_progress_is_live_costs_nothing_unchanged_and_reloads_at_the_next_step(
    people: People, as_user: SignIn
) -> None:
    remedy = begun(people)
    client = as_user(people.auditor)
    page = client.get(url(people, "remedy", remedy.pk)).content.decode()
    assert 'hx-trigger="every 2s"' in page
    assert "waiting for a worker" in page
    Shard.objects.filter(job=remedy.job).update(
        state="leased", doing="epoch 4", checkpoint={"epoch": 3, "epochs": 20, "done": 0.2}
    )
    RemedyRun.unscoped.filter(pk=remedy.pk).update(state=RemedyState.RUNNING)
    place = url(people, "progress", remedy.pk)
    assert client.get(place, {"state": "waiting"})["HX-Refresh"] == "true"
    answer = client.get(place, {"state": "running"})
    assert "epoch 3 of 20 done" in answer.content.decode()
    assert 'value="20"' in answer.content.decode()
    again = client.get(place, {"state": "running"}, headers={"if-none-match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    Shard.objects.filter(job=remedy.job).update(progress=0.5)
    moved = client.get(place, {"state": "running"}, headers={"if-none-match": answer["ETag"]})
    assert (moved.status_code, 'value="50"' in moved.content.decode()) == (200, True)


@pytest.mark.parametrize(
    ("code", "heading"),
    [(0, "let through"), (1, "not let through"), (2, "not comparable"), (3, "not decided")],
)
def test_the_answer_comes_first_with_figures_tables_and_ways_on(
    people: People, as_user: SignIn, code: int, heading: str
) -> None:
    remedy = answered(begun(people), exit_code=code)
    page = as_user(people.engineer).get(url(people, "remedy", remedy.pk)).content.decode()
    assert f"<h1>Fine-tuning: {heading}</h1>" in page
    assert page.index("Let through: Accuracy.") < page.index("Before and after")
    for part in ("What else became better or worse", "Rules whose verdict changed", "0.700", "0.800"):
        assert part in page
    assert page.count('xmlns="http') == 3
    assert page.count("Data as a table") == 3
    assert "style=" not in page
    assert "2 more are in the full comparison" in page
    assert "600 training rows, 200 tuning rows; no test row" in page
    listed = as_user(people.auditor).get(url(people, "remedies")).content.decode()
    assert heading in listed.lower()
    offered = as_user(people.engineer).get(url(people, "new", remedy.baseline_id)).content.decode()
    assert f"1 time, let through {int(code == 0)}" in offered


def test_a_remedy_is_stopped_once(people: People, as_user: SignIn) -> None:
    remedy = begun(people)
    client = as_user(people.engineer)
    first, second = (
        client.post(url(people, "cancel", remedy.pk), follow=True).content.decode() for _ in range(2)
    )
    assert "is being stopped" in first
    assert "ended already" in second
    assert "Fine-tuning: cancelled" in second


def test_what_is_refused_is_set_by_those_who_write_policies(people: People, as_user: SignIn) -> None:
    policy = policy_version(people).policy
    client = as_user(people.owner)
    place = url(people, "rules")
    client.post(place, {"everywhere": "on", "policies": [str(policy.pk)]})
    page = client.get(place).content.decode()
    assert page.count("checked") == 2
    assert client.post(place, {"policies": [str(uuid.uuid4())]}).status_code == 200


def test_markup_in_every_text_is_shown_as_text(people: People, as_user: SignIn) -> None:
    baseline = drafted(people)
    baseline.subject.model_version.model.name = EVIL
    baseline.subject.model_version.model.save()
    remedy = answered(begun(people, baseline), word=EVIL)
    remedy.finding, remedy.reason = finding(baseline, EVIL), EVIL
    remedy.save()
    client = as_user(people.engineer)
    for place in (
        url(people, "remedies"),
        url(people, "remedy", remedy.pk),
        url(people, "new", baseline.pk) + f"?finding={remedy.finding.pk}",
    ):
        page = client.get(place).content.decode()
        assert EVIL not in page
        assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("name", "method", "allowed"),
    [
        ("remedies", "get", {"owner", "engineer", "reviewer", "auditor", "operator"}),
        ("remedy", "get", {"owner", "engineer", "reviewer", "auditor", "operator"}),
        ("progress", "get", {"owner", "engineer", "reviewer", "auditor", "operator"}),
        ("new", "get", {"owner", "engineer"}),
        ("cancel", "post", {"owner", "engineer"}),
        ("rules", "get", {"owner", "engineer"}),
    ],
)
def test_roles(people: People, as_user: SignIn, name: str, method: str, allowed: set[str]) -> None:
    remedy = begun(people)
    key = {"remedies": [], "rules": [], "new": [remedy.baseline_id]}.get(name, [remedy.pk])
    place = url(people, name, *key)
    for role in ("owner", "engineer", "reviewer", "auditor", "operator"):
        status = getattr(as_user(getattr(people, role)), method)(place).status_code
        assert status == ((200 if method == "get" else 302) if role in allowed else 403), role
    assert getattr(as_user(people.outsider), method)(place).status_code == 404
    assert getattr(Client(), method)(place).status_code == 302
    if key:
        elsewhere = place.replace(people.organisation.slug, people.elsewhere.slug)
        assert getattr(as_user(people.outsider), method)(elsewhere).status_code == 404


def test_longer_lists_and_longer_answers_take_no_more_queries(people: People, as_user: SignIn) -> None:
    client = as_user(people.engineer)
    first = answered(begun(people))

    def queries(place: str) -> int:
        with CaptureQueriesContext(connection) as counted:
            assert client.get(place).status_code == 200
        return len(counted)

    listed, one = queries(url(people, "remedies")), queries(url(people, "remedy", first.pk))
    for _ in range(3):
        answered(begun(people))
    first.changes["moved"] = first.changes["moved"] * 40
    first.save()
    assert queries(url(people, "remedies")) == listed
    assert queries(url(people, "remedy", first.pk)) == one <= 8
