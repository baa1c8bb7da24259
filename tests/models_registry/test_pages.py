"""The registry's pages: who may, what they show, and that nothing typed is lost or believed."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from accounts.models import User
from assay.contracts import Lineage
from models_registry import panels
from models_registry.description import DataDescription
from models_registry.models import (
    AISystem,
    Dataset,
    DatasetVersion,
    IntakeState,
    Model,
    ModelVersion,
    Upload,
)
from models_registry.services import (
    add_dataset_version,
    add_model_version,
    add_predictions_version,
    archive_system,
    create_dataset,
    create_model,
    create_system,
)
from tests.conftest import People
from tests.models_registry.stored import loans_csv, stored

SignIn = Callable[[User], Client]
EVIL = '<script>alert("x")</script>&'


class Registered:
    """A system with a model and a dataset, and versions of both."""

    def __init__(self, people: People, words: str = "plain") -> None:
        self.org = people.organisation.slug
        self.system = create_system(
            people.organisation,
            f"System {words}",
            by=people.engineer,
            purpose=words,
            hazards=words,
            affected_people=words,
        )
        self.model = create_model(self.system, f"m {words}", by=people.engineer, description=words)
        self.dataset = create_dataset(self.system, f"d {words}", by=people.engineer, description=words)
        self.predictions = add_predictions_version(
            self.model, scores=words, by=people.engineer, label=words[:60], notes=words
        )
        name = f"{words}.json".replace("/", "")
        self.version = add_model_version(
            self.model,
            {name: stored(people.organisation, b"{}")},
            by=people.engineer,
            notes=words,
            parent=self.predictions,
            lineage=Lineage(remedy="training.fine_tune", version="1", params={words: words}, seed=1),
        )
        self.data = add_dataset_version(
            self.dataset,
            {"test": (f"{words}.csv".replace("/", ""), stored(people.organisation, b"a,b\n1,2\n"))},
            DataDescription(label=words, sensitive=(words,), favourable=words),
            by=people.engineer,
            origin=words,
            licence=words,
            consent_basis=words,
            period=words,
            disjoint=True,
        )

    def url(self, name: str, *rows: Any) -> str:
        return reverse(f"models_registry:{name}", args=[self.org, *(row.pk for row in rows)])

    @property
    def reading(self) -> list[str]:
        return [
            self.url("systems"),
            self.url("system", self.system),
            self.url("model", self.model),
            self.url("model_version", self.version),
            self.url("model_version", self.predictions),
            self.url("model_version_state", self.version),
            self.url("dataset", self.dataset),
            self.url("dataset_version", self.data),
            self.url("dataset_version_state", self.data),
        ]

    @property
    def writing(self) -> list[str]:
        return [
            self.url("new_system"),
            self.url("edit_system", self.system),
            self.url("new_model", self.system),
            self.url("new_dataset", self.system),
            self.url("new_model_version", self.model),
            self.url("new_predictions", self.model),
            self.url("new_dataset_version", self.dataset),
        ]

    @property
    def posting(self) -> list[str]:
        return [
            self.url("archive_system", self.system),
            self.url("restore_system", self.system),
            self.url("read_model_version", self.version),
            self.url("read_dataset_version", self.data),
            self.url("begin_upload"),
        ]


def test_everybody_here_reads_and_those_who_register_write(people: People, as_user: SignIn) -> None:
    made = Registered(people)
    for role in ("owner", "engineer", "reviewer", "auditor", "operator"):
        client, writes = as_user(getattr(people, role)), role in ("owner", "engineer")
        for url in made.reading:
            assert client.get(url).status_code == 200, (role, url)
        for url in made.writing:
            assert client.get(url).status_code == (200 if writes else 403), (role, url)
        for url in made.posting:
            assert (client.post(url).status_code == 403) != writes, (role, url)


def test_outsiders_find_nothing_and_strangers_sign_in(people: People, as_user: SignIn) -> None:
    made, outsider = Registered(people), as_user(people.outsider)
    for url in [*made.reading, *made.writing, *made.posting]:
        assert outsider.get(url).status_code == 404, url
        assert outsider.post(url).status_code == 404, url
        there = url.replace(f"/{made.org}/", f"/{people.elsewhere.slug}/")
        if any(character in url for character in "0123456789") and url.count("-") > 4:
            assert outsider.get(there).status_code in (404, 405), there
        assert Client().get(url).status_code == 302


def test_markup_in_every_field_is_shown_as_it_was_typed(people: People, as_user: SignIn) -> None:
    made, client = Registered(people, EVIL), as_user(people.engineer)
    ModelVersion.unscoped.filter(pk=made.version.pk).update(state=IntakeState.REFUSED, refusal=EVIL)
    DatasetVersion.unscoped.filter(pk=made.data.pk).update(state=IntakeState.FAILED, refusal=EVIL)
    for url in [*made.reading, *made.writing]:
        html = client.get(url).content.decode()
        assert "<script>alert" not in html, url
    assert (
        "&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;"
        in client.get(made.reading[1]).content.decode()
    )


def test_hostile_words_of_the_child_are_escaped_too(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    summary = {"name": EVIL, "kind": "category", "rows": 2, "missing": 0, "distinct": 2}
    DatasetVersion.unscoped.filter(pk=made.data.pk).update(
        state=IntakeState.READY,
        profile={
            "modality": "table",
            "roles": {"label": EVIL},
            "datasets": [
                {
                    "role": "test",
                    "name": EVIL,
                    "sha256": "0" * 64,
                    "rows": 2,
                    "columns": [{**summary, "categories": [EVIL, "b"], "counts": [1, 1]}],
                }
            ],
            "notes": [EVIL],
        },
    )
    html = client.get(made.url("dataset_version", made.data)).content.decode()
    assert "<script>alert" not in html
    assert "2 test rows of 1 column" in html


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


def test_a_newcomer_is_led_from_data_to_the_first_audit(people: People, as_user: SignIn) -> None:
    client = as_user(people.engineer)
    systems = reverse("models_registry:systems", args=[people.organisation.slug])
    assert "Register the first system" in client.get(systems).content.decode()
    system = create_system(people.organisation, "S", by=people.engineer)
    url = reverse("models_registry:system", args=[people.organisation.slug, system.pk])

    def next_step() -> str:
        return next(step.title for step in client.get(url).context["steps"] if step.next)

    assert next_step() == "Register data"
    dataset: Dataset = create_dataset(system, "d", by=people.engineer)
    assert next_step() == "Register data"
    add_dataset_version(
        dataset,
        {"test": ("t.csv", stored(people.organisation, b"a\n1\n"))},
        DataDescription(),
        by=people.engineer,
    )
    assert next_step() == "Register a model"
    add_predictions_version(create_model(system, "m", by=people.engineer), scores="s", by=people.engineer)
    assert next_step() == "Audit"


def test_apps_above_fill_in_the_latest_audit(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.auditor)
    panels.provide_latest_audits(
        lambda organisation, keys: {key: panels.Standing("fail", "Audit 27", "/x/") for key in keys}
    )
    try:
        assert "Audit 27" in client.get(made.url("systems")).content.decode()
        assert "Audit 27" in client.get(made.url("system", made.system)).content.decode()
    finally:
        panels.provide_latest_audits(None)


def test_lineage_shows_forks_and_parents_in_other_models(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    file = stored(people.organisation, b"{}")
    other = create_model(made.system, "student", by=people.engineer)
    child = add_model_version(other, {"m.json": file}, by=people.engineer, parent=made.version, label="s1")
    add_model_version(other, {"m.json": file}, by=people.engineer, parent=child, label="s2")
    add_model_version(other, {"m.json": file}, by=people.engineer, parent=child, label="s3")
    lines = client.get(made.url("model", other)).context["lineage"]
    assert [(line.version.label or line.version.number, line.depth, line.others) for line in lines] == [
        (2, 0, True),
        ("s1", 1, False),
        ("s2", 2, False),
        ("s3", 2, False),
    ]


def test_pages_take_a_fixed_number_of_queries(
    people: People, as_user: SignIn, django_assert_num_queries: Any
) -> None:
    made, client = Registered(people), as_user(people.engineer)
    file = stored(people.organisation, b"{}")
    pages = {
        made.url("systems"): 6,
        made.url("system", made.system): 10,
        made.url("model", made.model): 8,
        made.url("dataset", made.dataset): 7,
    }
    for count in (1, 12):
        for each in range(count):
            system = create_system(people.organisation, f"S {count}.{each}", by=people.engineer)
            create_model(made.system, f"m {count}.{each}", by=people.engineer)
            create_dataset(system, "d", by=people.engineer)
            add_model_version(made.model, {"m.json": file}, by=people.engineer, parent=made.version)
            add_dataset_version(
                made.dataset, {"test": ("t.csv", file)}, DataDescription(), by=people.engineer
            )
        for url, queries in pages.items():
            with django_assert_num_queries(queries):
                assert client.get(url).status_code == 200


def test_long_lists_have_pages(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    for _ in range(55):
        add_predictions_version(made.model, scores="s", by=people.engineer)
    url = made.url("model", made.model)
    assert "1–50 of 57" in client.get(url).content.decode()
    assert "51–57 of 57" in client.get(f"{url}?page=2").content.decode()
    for odd in ("0", "x", "99", "-1"):
        assert client.get(f"{url}?page={odd}").status_code == 200


def test_odd_searches_find_nothing_and_break_nothing(people: People, as_user: SignIn) -> None:
    made, client = Registered(people), as_user(people.engineer)
    for search in ("S-999999999999999999999", "%", "_" * 300, "²", "S-1", "system"):
        assert client.get(made.url("systems"), {"q": search}).status_code == 200
    archive_system(made.system, by=people.owner)
    assert Upload.objects.of(people.organisation).count() == 0
    assert client.get(made.url("system", made.system)).status_code == 200
    assert client.get(reverse("models_registry:model", args=[made.org, uuid.uuid4()])).status_code == 404
