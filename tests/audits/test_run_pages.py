"""One page a run, from the form of a new audit to its end; works without JavaScript, polls with ETags."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audits.models import Policy, Run
from audits.services import cancel_run, draft_run, start_run
from jobs.worker import Slot
from models_registry.models import IntakeState, Subject
from tests import factory
from tests.conftest import People, make_people


def url(people: People, name: str, *more: Any) -> str:
    return reverse(f"audits:{name}", args=[people.organisation.slug, *more])


def hidden(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    assert found is not None
    return found[1]


def test_an_audit_from_the_form_to_the_result(committed: None, as_user: Callable[..., Client]) -> None:
    people = make_people()
    system = factory.system(people)
    model = factory.predictions_version(system, people.engineer)
    data = factory.data_version(system, people.engineer)
    client = as_user(people.engineer)

    # the form offers built-in packs; the one that is chosen is copied in
    form = client.get(url(people, "new_run") + f"?model_version={model.pk}").text
    assert "Consumer credit 1.0" in form
    assert "ten times" in form
    said = {
        "system": system.pk,
        "model_version": model.pk,
        "dataset_version": data.pk,
        "policy": "pack:general",
        "tier": "quick",
        "seed": "3",
        "title": "Before <em>release</em>",
    }
    answer = client.post(url(people, "new_run"), said)
    run = Run.objects.of(people.organisation).get()
    page = url(people, "run", run.pk)
    assert answer.headers["Location"] == page
    assert Policy.objects.of(people.organisation).get().name == "General binary decisions"

    # model and data are read first
    text = client.get(page).text
    assert "model and data are being read" in text
    assert 'hx-trigger="every 2s"' in text
    assert '<noscript><meta http-equiv="refresh" content="5"></noscript>' in text
    assert "Waiting for a free worker" in client.get(url(people, "run_progress", run.pk)).text
    factory.run_jobs()
    assert client.get(url(people, "run_progress", run.pk)).headers["HX-Refresh"] == "true"

    # the plan: what, why not, how long, judged by what, openings, digests
    text = client.get(page).text
    assert "Before &lt;em&gt;release&lt;/em&gt;" in text
    assert "Needs a model that can be asked about new inputs" in text
    assert "no opening of the sealed rows is counted" in text
    assert "Cannot run here" in text
    assert "≥ 0.80" in text
    planned = text.split("What will be measured")[1]
    assert "--" not in unescape(re.sub(r"<!--.*?-->|<input type=\"hidden\"[^>]*>", "", planned))
    digest = hidden(text, "plan_sha256")
    assert digest in text.split("What starting freezes")[1]

    # one method, with a parameter of its own
    changed = {
        "title": run.title,
        "policy": str(run.policy_id),
        "tier": "quick",
        "shown_tier": "quick",
        "seed": "3",
        "every": "1",
        "offered": ["performance.classification", "fairness.group_rates"],
        "methods": ["performance.classification"],
        "performance_classification-level": "0.9",
        "performance_classification-replicates": "2000",
    }
    assert client.post(url(people, "change_run", run.pk), changed).status_code == 302
    run.refresh_from_db()
    assert run.methods == ["performance.classification"]
    assert run.params == {"performance.classification": {"level": 0.9}}

    # the plan that was seen before is not started; the present one is, once
    client.post(url(people, "start_run", run.pk), {"plan_sha256": digest})
    run.refresh_from_db()
    assert run.state == "draft"
    digest = hidden(client.get(page).text, "plan_sha256")
    for _twice in range(2):
        answer = client.post(url(people, "start_run", run.pk), {"plan_sha256": digest}, follow=True)
    assert "runs already" in answer.text
    run.refresh_from_db()
    assert (run.state, run.plan_sha256) == ("running", digest)

    # while it runs: 304 while nothing moved
    live = client.get(page).text
    assert "Audit 1 is running" in live
    assert "Classification performance" in live
    first = client.get(url(people, "run_progress", run.pk))
    tag = first.headers["ETag"]
    same = client.get(url(people, "run_progress", run.pk), headers={"If-None-Match": tag})
    assert (same.status_code, same.content) == (304, b"")
    slot = Slot(["cpu"])
    slot.work(limit=2)
    slot.close()
    moved = client.get(url(people, "run_progress", run.pk), headers={"If-None-Match": tag})
    assert moved.status_code == 200
    assert "Measured" in moved.text

    # the end: the poll asks for a reload, which shows the verdicts
    factory.run_jobs()
    assert client.get(url(people, "run_progress", run.pk)).headers["HX-Refresh"] == "true"
    assert client.get(page).status_code == 200
    evidence = client.get(url(people, "evidence", run.pk)).json()
    assert evidence["plan"]["plan_sha256"] == digest
    run.refresh_from_db()
    assert evidence["snapshot_digest"] == run.snapshot_digest


def test_a_wrong_parameter_is_named_at_its_field_and_everything_typed_is_kept(
    committed: None, as_user: Callable[..., Client]
) -> None:
    people = make_people()
    run = ready_draft(people)
    said = {
        "title": "Typed title",
        "policy": "",
        "tier": "deep",
        "shown_tier": "quick",
        "seed": "12",
        "methods": ["performance.classification"],
        "performance_classification-level": "7",
        "performance_classification-replicates": "1234",
    }
    answer = as_user(people.engineer).post(url(people, "change_run", run.pk), said)
    assert answer.status_code == 400
    text = answer.text
    assert "less than or equal to 0.9999" in text
    for kept in ('value="Typed title"', 'value="12"', 'value="7"', 'value="1234"'):
        assert kept in text
    run.refresh_from_db()
    assert (run.tier, run.params) == ("quick", {})


def test_another_tier_brings_its_own_parameters(committed: None, as_user: Callable[..., Client]) -> None:
    people = make_people()
    run = ready_draft(people)
    said = {
        "title": run.title,
        "policy": "",
        "tier": "deep",
        "shown_tier": "quick",
        "seed": "0",
        "methods": ["performance.classification"],
        "performance_classification-replicates": "2000",
    }
    as_user(people.engineer).post(url(people, "change_run", run.pk), said)
    run.refresh_from_db()
    assert (run.tier, run.params) == ("deep", {})


def test_all_methods_ticked_means_all_that_apply_and_none_is_refused(
    committed: None, as_user: Callable[..., Client]
) -> None:
    people = make_people()
    run = ready_draft(people)
    client = as_user(people.engineer)
    text = client.get(url(people, "run", run.pk)).text
    offered = re.findall(r'name="offered" value="([^"]+)"', text)
    base = {
        "title": run.title,
        "policy": "",
        "tier": "quick",
        "shown_tier": "quick",
        "seed": "0",
        "every": "1",
    }
    client.post(url(people, "change_run", run.pk), {**base, "offered": offered, "methods": offered[:1]})
    run.refresh_from_db()
    assert run.methods == offered[:1]
    client.post(url(people, "change_run", run.pk), {**base, "offered": offered, "methods": offered})
    run.refresh_from_db()
    assert run.methods is None
    answer = client.post(url(people, "change_run", run.pk), {**base, "offered": offered})
    assert (answer.status_code, "No method is chosen" in answer.text) == (400, True)


def test_refused_data_shows_the_reason_and_the_way_out(
    committed: None, as_user: Callable[..., Client]
) -> None:
    people = make_people()
    system = factory.system(people)
    run = draft_run(
        factory.predictions_version(system, people.engineer),
        factory.data_version(system, people.engineer, label="<i>gone</i>"),
        by=people.engineer,
    )
    factory.run_jobs()
    client = as_user(people.engineer)
    text = client.get(url(people, "run", run.pk)).text
    assert "cannot be planned" in text
    assert "&lt;i&gt;gone" in text
    assert "<i>gone" not in text
    client.post(url(people, "read_again", run.pk))
    assert "are being read" in client.get(url(people, "run", run.pk)).text
    client.post(url(people, "delete_run", run.pk))
    assert not Run.objects.of(people.organisation).exists()


def test_cancelling_asks_first_and_a_cancelled_run_can_be_tried_again(
    committed: None, as_user: Callable[..., Client]
) -> None:
    people = make_people()
    run = ready_draft(people)
    start_run(run, by=people.engineer)
    client = as_user(people.engineer)
    assert "Let it run" in client.get(url(people, "cancel_run", run.pk)).text
    client.post(url(people, "cancel_run", run.pk))
    answer = client.post(url(people, "cancel_run", run.pk), follow=True)
    assert "has ended already" in answer.text
    assert "was cancelled" in answer.text
    for _twice in range(2):
        answer = client.post(url(people, "try_again", run.pk), follow=True)
    assert "Audit 2: the plan" in answer.text
    listed = client.get(url(people, "runs")).text
    assert "Cancelled" in listed


def test_progress_takes_the_same_queries_for_many_shards(
    committed: None, as_user: Callable[..., Client], django_assert_num_queries: Any
) -> None:
    people = make_people()
    run = ready_draft(people)
    start_run(run, by=people.engineer)
    run.refresh_from_db()
    client = as_user(people.auditor)
    with CaptureQueriesContext(connection) as few:
        client.get(url(people, "run_progress", run.pk))
    assert len(few) <= 7
    from jobs.models import Shard

    shard = Shard.objects.filter(job=run.job).order_by("-id").first()
    assert shard is not None
    Shard.objects.bulk_create(
        Shard(job=run.job, stage=0, index=1000 + n, spec=shard.spec, queue="cpu", state="cancelled")
        for n in range(500)
    )
    with django_assert_num_queries(len(few)):
        answer = client.get(url(people, "run_progress", run.pk))
    assert "500 of 501 pieces" in answer.text
    cancel_run(run, by=people.engineer)


@pytest.mark.parametrize("state", list(IntakeState))
def test_roles_and_outsiders(people: People, as_user: Callable[..., Client], state: str) -> None:
    system = factory.system(people)
    run = draft_run(
        factory.predictions_version(system, people.engineer),
        factory.data_version(system, people.engineer),
        by=people.engineer,
    )
    if state != IntakeState.READY:
        Subject.unscoped.filter(pk=run.subject_id).update(state=state)
    readable = [url(people, "run", run.pk), url(people, "run_progress", run.pk), url(people, "runs")]
    writable = [url(people, name, run.pk) for name in ("cancel_run", "delete_run")] + [url(people, "new_run")]
    posts = [
        url(people, name, run.pk)
        for name in ("change_run", "start_run", "cancel_run", "delete_run", "try_again", "read_again")
    ]
    for address in readable:
        assert as_user(people.auditor).get(address).status_code == 200
        assert Client().get(address).status_code == 302
    for address in writable:
        assert as_user(people.owner).get(address).status_code == 200
        assert as_user(people.operator).get(address).status_code == 403
    for address in posts:
        assert as_user(people.reviewer).post(address).status_code == 403
        assert as_user(people.outsider).post(address).status_code == 404
        assert as_user(people.engineer).get(address).status_code in (200, 302, 405)
    for address in readable + writable + [url(people, "evidence", run.pk)]:
        assert as_user(people.outsider).get(address).status_code == 404
    foreign = reverse("audits:run", args=[people.elsewhere.slug, run.pk])
    assert as_user(people.outsider).get(foreign).status_code == 404


def test_a_form_that_is_sent_twice_makes_one_audit(people: People, as_user: Callable[..., Client]) -> None:
    system = factory.system(people)
    said = {
        "system": system.pk,
        "model_version": factory.predictions_version(system, people.engineer).pk,
        "dataset_version": factory.data_version(system, people.engineer, rows=20).pk,
        "tier": "quick",
    }
    client = as_user(people.engineer)
    said["once"] = hidden(client.get(url(people, "new_run")).text, "once")
    pages = {client.post(url(people, "new_run"), said).headers["Location"] for _twice in range(2)}
    assert len(pages) == Run.objects.of(people.organisation).count() == 1


def test_versions_of_another_organisation_cannot_be_audited(
    people: People, as_user: Callable[..., Client]
) -> None:
    system = factory.system(people)
    model = factory.predictions_version(system, people.engineer)
    data = factory.data_version(system, people.engineer, rows=20)
    address = reverse("audits:new_run", args=[people.elsewhere.slug])
    said = {"system": system.pk, "model_version": model.pk, "dataset_version": data.pk, "tier": "quick"}
    as_user(people.outsider).post(address, said)
    assert not Run.objects.of(people.elsewhere).exists()


def ready_draft(people: People) -> Run:
    """A quick draft of supplied predictions that has been read."""
    system = factory.system(people)
    run = draft_run(
        factory.predictions_version(system, people.engineer),
        factory.data_version(system, people.engineer),
        by=people.engineer,
        tier="quick",
    )
    factory.run_jobs()
    run.refresh_from_db()
    return run


def test_starting_with_a_changed_form_is_refused_and_keeps_what_was_typed(
    committed: None, as_user: Callable[..., Client]
) -> None:
    people = make_people()
    system = factory.system(people)
    model, data = (
        factory.predictions_version(system, people.engineer),
        factory.data_version(system, people.engineer),
    )
    run = draft_run(model, data, by=people.engineer, tier="quick", title="As planned")
    factory.run_jobs()
    client = as_user(people.engineer)
    page = client.get(url(people, "run", run.pk))
    lines = [line for pillar in page.context["page"].pillars for line in pillar.methods if not line.why_not]
    shown = {
        field.html_name: field.value() for line in lines for field in line.form if field.value() is not None
    }
    shown |= {
        name: field.value()
        for name, field in ((n, page.context["form"][n]) for n in page.context["form"].fields)
    }
    shown |= {
        "plan_sha256": hidden(page.text, "plan_sha256"),
        "every": "1",
        "offered": [line.id for line in lines],
        "methods": [line.id for line in lines],
    }
    shown = {name: value for name, value in shown.items() if value is not False}
    for change in (
        {"title": "Typed with care"},
        {"seed": "x"},
        {"methods": shown["methods"][1:]},
        {"performance_classification-level": "0.9"},
    ):
        refused = client.post(url(people, "start_run", run.pk), {**shown, **change})
        assert (refused.status_code, "The audit was not started" in refused.text) == (400, True), change
        assert "Start audit" not in refused.text
        run.refresh_from_db()
        assert run.state == "draft"
    kept = client.post(url(people, "start_run", run.pk), {**shown, "title": "Typed with care"}).text
    assert 'value="Typed with care"' in kept
    assert client.post(url(people, "start_run", run.pk), shown).status_code == 302
    run.refresh_from_db()
    assert run.state == "running"
