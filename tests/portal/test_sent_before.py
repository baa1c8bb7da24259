"""A form that the browser's Back brought again, and that was changed, is never dropped as sent before."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from accounts.sent_before import AGAIN, UsedBefore
from audits.models import Run
from jobs.schedule_services import Wish, create_schedule
from models_registry.models import AISystem, DatasetVersion, Model, ModelVersion
from models_registry.versions import add_model_version
from tests import factory
from tests.browser import browser, chromium, press, served, sign_in
from tests.conftest import People, make_people
from tests.models_registry.registered import Registered, SignIn
from tests.models_registry.stored import folder, loans_csv, stored


def test_a_changed_system_form_is_refused_once_and_then_makes_another(
    people: People, as_user: SignIn
) -> None:
    client, url = (
        as_user(people.engineer),
        reverse("models_registry:new_system", args=[people.organisation.slug]),
    )
    said = {
        "key": str(uuid.uuid4()),
        "name": "Loans",
        "owner": str(people.owner.pk),
        "act_role": "deployer",
        "risk_class": "high",
    }
    client.post(url, said)
    refused = client.post(url, {**said, "name": "Second attempt"})
    html = refused.content.decode()
    assert (refused.status_code, AGAIN in html, "Second attempt" in html) == (400, True, True)
    assert AISystem.objects.of(people.organisation).count() == 1
    key = refused.context["form"]["key"].value()
    assert key != said["key"]
    client.post(url, {**said, "key": key, "name": "Second attempt"})
    assert {s.name for s in AISystem.objects.of(people.organisation)} == {"Loans", "Second attempt"}


@pytest.mark.parametrize(
    ("page", "sent", "changed", "kind"),
    [
        ("new_model", {"name": "one"}, {"name": "two"}, Model),
        ("new_predictions", {"scores": "s"}, {"scores": "t"}, ModelVersion),
        ("new_predictions", {"scores": "s", "label": "1"}, {"label": "2"}, ModelVersion),
    ],
)
def test_changed_forms_of_the_registry_are_refused(
    people: People, as_user: SignIn, page: str, sent: dict[str, str], changed: dict[str, str], kind: Any
) -> None:
    made, client = Registered(people), as_user(people.engineer)
    url = made.url(page, made.system if page == "new_model" else made.model)
    sent = {**sent, "key": str(uuid.uuid4())}
    assert client.post(url, sent).status_code == 302
    before = kind.objects.of(people.organisation).count()
    assert client.post(url, sent).status_code == 302
    refused = client.post(url, {**sent, **changed})
    assert (refused.status_code, AGAIN in refused.content.decode()) == (400, True)
    assert kind.objects.of(people.organisation).count() == before


def test_changed_columns_of_a_data_form_are_refused(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    url, said = made.url("new_dataset_version", made.dataset), {"key": str(uuid.uuid4())}
    for _ in range(2):
        csv = SimpleUploadedFile("a.csv", loans_csv(50))
        assert client.post(url, {**said, "label_column": "repaid", "test": csv}).status_code == 302
    csv = SimpleUploadedFile("a.csv", loans_csv(50))
    refused = client.post(url, {**said, "label_column": "sex", "test": csv})
    assert (refused.status_code, AGAIN in refused.content.decode()) == (400, True)
    assert DatasetVersion.objects.of(people.organisation).filter(pk=said["key"]).count() == 1


def test_other_files_are_no_repeat_and_an_untouched_form_is(people: People) -> None:
    made, key = Registered(people), uuid.uuid4()
    files = {name: stored(people.organisation, content) for name, content in folder().items()}
    first = add_model_version(made.model, files, by=people.engineer, key=key)
    assert add_model_version(made.model, files, by=people.engineer, key=key) == first
    other = {"a.json": stored(people.organisation, b"{}")}
    with pytest.raises(UsedBefore):
        add_model_version(made.model, other, by=people.engineer, key=key)


def test_a_changed_new_audit_is_refused_and_keeps_what_was_typed(people: People, as_user: SignIn) -> None:
    system = factory.system(people)
    model = factory.predictions_version(system, people.engineer)
    data = factory.data_version(system, people.engineer)
    client, url = as_user(people.engineer), reverse("audits:new_run", args=[people.organisation.slug])
    said = {
        "system": str(system.pk),
        "model_version": str(model.pk),
        "dataset_version": str(data.pk),
        "tier": "quick",
        "seed": "0",
        "title": "first",
        "once": str(uuid.uuid4()),
    }
    assert client.post(url, said).url == client.post(url, said).url
    refused = client.post(url, {**said, "title": "Second attempt"})
    html = refused.content.decode()
    assert (refused.status_code, AGAIN in html, "Second attempt" in html) == (400, True, True)
    assert str(refused.context["once"]) != said["once"]
    assert [run.title for run in Run.objects.of(people.organisation)] == ["first"]


def test_a_changed_schedule_is_refused(people: People) -> None:
    system = factory.system(people)
    factory.data_version(system, people.engineer)
    model = factory.predictions_version(system, people.engineer)
    key, asked = uuid.uuid4(), {"model": str(model.model_id), "dataset": str(system.datasets.get().pk)}
    wish = Wish("nightly", "audit", cron="0 3 * * *", request=asked)
    made = [create_schedule(people.organisation, wish, by=people.engineer, key=key) for _ in range(2)]
    assert made[0] == made[1]
    other = Wish("nightly", "audit", cron="0 4 * * *", request=asked)
    with pytest.raises(UsedBefore):
        create_schedule(people.organisation, other, by=people.engineer, key=key)


@pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine")
@pytest.mark.usefixtures("committed")
def test_back_brings_a_fresh_form_and_uploads_go_on_working(tmp_path: Path) -> None:
    people = make_people()
    made = Registered(people)
    file = tmp_path / "loans.csv"
    file.write_bytes(loans_csv(50))
    with served() as address, browser(kept_pages=True) as chrome:
        context = chrome.new_context(base_url=address)
        sign_in(context, address, people.engineer)
        page = context.new_page()
        page.goto(f"{address}{made.url('new_model', made.system)}")
        key = page.locator("[name=key]").input_value()
        page.get_by_label("Name").fill("first")
        page.locator("main form button.main").click()
        page.wait_for_url("**/versions/new/")
        page.go_back()
        page.wait_for_function("key => document.querySelector('[name=key]').value !== key", arg=key)
        page.get_by_label("Name").fill("second")
        page.locator("main form button.main").click()
        page.wait_for_url("**/versions/new/")
        assert {"first", "second"} <= {m.name for m in Model.objects.of(people.organisation)}

        page.goto(f"{address}{made.url('new_dataset_version', made.dataset)}")
        page.set_input_files("#file_test", file)
        press(page, "Add the version")
        page.go_back()
        page.locator("#file_test:enabled").wait_for()
        page.set_input_files("#file_test", file)
        page.locator("#id_label_column").fill("repaid")
        press(page, "Add the version")
        page.wait_for_url("**/dataset-versions/**")
        assert made.dataset.versions.count() == 3
