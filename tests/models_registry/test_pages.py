"""The registry's pages: who may, what they show, and that nothing typed is lost or believed."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from models_registry import panels
from models_registry.description import DataDescription
from models_registry.models import (
    Dataset,
    DatasetVersion,
    IntakeState,
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
from tests.models_registry.registered import EVIL, Registered, SignIn
from tests.models_registry.stored import stored


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
    assert next_step() == "Register data", "it was not read yet"
    dataset.versions.update(state=IntakeState.READY)
    assert next_step() == "Register a model"
    add_predictions_version(create_model(system, "m", by=people.engineer), scores="s", by=people.engineer)
    assert next_step() == "Audit"


def test_apps_above_fill_in_the_latest_audit(
    people: People, as_user: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, client = Registered(people), as_user(people.auditor)
    monkeypatch.setattr(panels, "_latest_audits", None)
    panels.provide_latest_audits(
        lambda organisation, keys: {key: panels.Standing("fail", "Audit 27", "/x/") for key in keys}
    )
    assert "Audit 27" in client.get(made.url("systems")).content.decode()
    assert "Audit 27" in client.get(made.url("system", made.system)).content.decode()


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
        made.url("systems"): 7,
        made.url("system", made.system): 11,
        made.url("model", made.model): 9,
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
