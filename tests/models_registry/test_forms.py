"""The registry's forms and uploads: what is typed is kept, what is sent twice is made once."""

from __future__ import annotations

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from models_registry.description import DataDescription
from models_registry.models import (
    AISystem,
    IntakeState,
    Model,
    ModelVersion,
)
from tests.conftest import People
from tests.models_registry.registered import Registered, SignIn
from tests.models_registry.stored import loans_csv


def test_a_new_system_is_registered_and_its_form_sent_twice_makes_one(
    people: People, as_user: SignIn
) -> None:
    client, url = (
        as_user(people.engineer),
        reverse("models_registry:new_system", args=[people.organisation.slug]),
    )
    key = client.get(url).context["form"]["key"].value()
    said = {
        "key": str(key),
        "name": "Loans",
        "owner": str(people.owner.pk),
        "act_role": "deployer",
        "risk_class": "high",
        "purpose": "Shortlists.",
    }
    first, again = client.post(url, said), client.post(url, said)
    system = AISystem.objects.of(people.organisation).get()
    assert first.status_code == again.status_code == 302
    assert (system.name, system.owner, system.risk_class) == ("Loans", people.owner, "high")


def test_what_was_typed_stays_when_something_is_wrong(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    said = {
        "name": made.system.name,
        "owner": str(people.owner.pk),
        "act_role": "deployer",
        "risk_class": "high",
        "purpose": "Typed with care.",
    }
    answer = client.post(made.url("new_system"), said)
    html = answer.content.decode()
    assert answer.status_code == 400
    assert "already; choose another name" in html
    assert "Typed with care." in html
    stranger = client.post(made.url("new_system"), {**said, "name": "Z", "owner": str(people.outsider.pk)})
    assert stranger.status_code == 400


def test_an_edit_is_saved_and_archiving_can_be_undone(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.owner)
    form = client.get(made.url("edit_system", made.system)).context["form"]
    said = {name: form[name].value() for name in form.fields if name != "key"}
    client.post(made.url("edit_system", made.system), {**said, "purpose": "New words."})
    made.system.refresh_from_db()
    assert made.system.purpose == "New words."
    client.post(made.url("archive_system", made.system))
    client.get(made.url("systems"))  # shows the message
    assert made.system.name not in client.get(made.url("systems")).content.decode()
    assert made.system.name in client.get(made.url("systems") + "?archived=1").content.decode()
    refused = client.post(made.url("new_predictions", made.model), {"scores": "s"})
    assert (refused.status_code, b"is archived" in refused.content) == (400, True)
    client.post(made.url("restore_system", made.system))
    assert made.system.name in client.get(made.url("systems")).content.decode()


def test_a_model_comes_in_by_a_plain_form(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    there = client.post(made.url("new_model", made.system), {"name": "second"})
    model = Model.objects.of(people.organisation).get(name="second")
    assert there.url == made.url("new_model_version", model)
    files = [SimpleUploadedFile("model.json", b"{}"), SimpleUploadedFile(".DS_Store", b"x")]
    answer = client.post(there.url, {"files": files, "label": "3.1"})
    version = model.versions.get()
    assert answer.url == made.url("model_version", version)
    assert [m.path for m in version.members.all()] == ["model.json"]
    assert (version.label, version.state) == ("3.1", "waiting")


def test_a_folder_comes_in_by_chunks_and_loses_its_own_name(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    ids = []
    for name, content in (("net/model.safetensors", b"abc"), ("net/sub/config.json", b"{}")):
        begun = client.post(made.url("begin_upload"), {"name": name, "size": len(content)})
        assert begun.status_code == 201
        place = f"{made.url('begin_upload')}{begun.json()['id']}/"
        conflict = client.patch(f"{place}?offset=2", content[2:], content_type="application/octet-stream")
        assert (conflict.status_code, conflict.json()["received"]) == (409, 0)
        sent = client.patch(f"{place}?offset=0", content, content_type="application/octet-stream")
        assert sent.json()["received"] == len(content) == client.get(place).json()["received"]
        assert client.post(f"{place}finish/").json()["finished"] is True
        ids.append(begun.json()["id"])
    client.post(made.url("new_model_version", made.model), {"uploaded": ",".join(ids)})
    version = made.model.versions.order_by("-number").first()
    assert version is not None
    assert sorted(m.path for m in version.members.all()) == ["model.safetensors", "sub/config.json"]


def test_uploads_of_others_are_not_there(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    begun = client.post(made.url("begin_upload"), {"name": "a", "size": "1"}).json()
    place = f"{made.url('begin_upload')}{begun['id']}/"
    colleague, outsider = as_user(people.owner), as_user(people.outsider)
    for other in (colleague, outsider):
        assert other.get(place).status_code == 404
        assert other.patch(f"{place}?offset=0", b"x").status_code == 404
        assert other.post(f"{place}finish/").status_code == 404
    stolen = colleague.post(made.url("new_model_version", made.model), {"uploaded": begun["id"]})
    assert (stolen.status_code, b"not there or not finished" in stolen.content) == (400, True)
    for wrong in ({"name": "../a", "size": "1"}, {"name": "a", "size": "much"}, {}):
        assert client.post(made.url("begin_upload"), wrong).status_code == 400


def test_chunks_need_the_forms_token(people: People) -> None:
    made = Registered(people)
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.engineer, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.post(made.url("begin_upload"), {"name": "a", "size": "1"}).status_code == 403
    form = client.get(made.url("new_model_version", made.model)).context["csrf_token"]
    begun = client.post(
        made.url("begin_upload"), {"name": "a", "size": "1"}, headers={"X-CSRFToken": str(form)}
    )
    assert begun.status_code == 201


def test_data_comes_in_with_its_words_and_files_survive_a_mistake(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    url = made.url("new_dataset_version", made.dataset)
    file = SimpleUploadedFile("loans.csv", loans_csv(20))
    said = {
        "label_column": "repaid",
        "sensitive": "sex, age",
        "bins": "age 25",
        "favourable": "yes",
        "origin": "Core banking",
        "disjoint": "on",
    }
    wrong = client.post(url, {**said, "test": file})
    html = wrong.content.decode()
    assert wrong.status_code == 400
    assert "is not of the form" in html
    assert "Uploaded already: loans.csv" in html
    ids = wrong.context["form"]["uploaded_test"].value()
    right = client.post(url, {**said, "bins": "age: 25, 60", "uploaded_test": ids, "missing": "?, n/a"})
    assert right.status_code == 302
    version = made.dataset.versions.order_by("-number").first()
    assert version is not None
    described = DataDescription.model_validate(version.description)
    assert (described.label, described.sensitive, described.bins) == (
        "repaid",
        ("sex", "age"),
        {"age": (25, 60)},
    )
    assert described.missing == ("?", "n/a")
    assert version.files.get().name == "loans.csv"
    assert (version.origin, version.disjoint_by) == ("Core banking", people.engineer)


def test_a_dataset_without_files_is_told_what_is_lacking(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    answer = client.post(made.url("new_dataset_version", made.dataset), {"origin": "Typed with care."})
    html = answer.content.decode()
    assert (answer.status_code, "test rows" in html, "Typed with care." in html) == (400, True, True)
    empty = client.post(made.url("new_model_version", made.model), {"label": "x"})
    assert (empty.status_code, b"choose the files" in empty.content) == (400, True)


def test_the_state_is_polled_with_an_etag_until_it_has_ended(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    url, page = made.url("model_version_state", made.version), made.url("model_version", made.version)
    assert 'hx-trigger="every 2s"' in client.get(page).content.decode()
    first = client.get(url)
    same = client.get(url, headers={"If-None-Match": first["ETag"], "HX-Request": "true"})
    assert (first.status_code, same.status_code) == (200, 304)
    assert "HX-Refresh" not in same.headers
    ModelVersion.unscoped.filter(pk=made.version.pk).update(state=IntakeState.REFUSED, refusal="No.")
    ended = client.get(url, headers={"If-None-Match": first["ETag"], "HX-Request": "true"})
    assert (ended.status_code, ended["HX-Refresh"]) == (200, "true")
    assert "every 2s" not in client.get(page).content.decode()


def test_only_a_failed_reading_can_be_asked_for_again(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    page, again = made.url("model_version", made.version), made.url("read_model_version", made.version)
    assert again not in client.get(page).content.decode()
    ModelVersion.unscoped.filter(pk=made.version.pk).update(state=IntakeState.FAILED, refusal="Killed.")
    assert again in client.get(page).content.decode()
    assert again not in as_user(people.reviewer).get(page).content.decode()
    client.post(again)
    client.post(again)
    made.version.refresh_from_db()
    assert made.version.state == IntakeState.WAITING
