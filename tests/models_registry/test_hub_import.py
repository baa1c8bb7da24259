"""Models named on the Hugging Face Hub: off by default; fetched by a job, then read like any upload."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.urls import reverse

from assay.errors import AssayError, BadInput
from assay.remote.hub import HubFile, HubModel
from models_registry import hub_kind
from models_registry.models import Model
from models_registry.services import add_hub_version, create_model, create_system
from tests import factory
from tests.at_once import at_once
from tests.conftest import People, make_people
from tests.models_registry.registered import SignIn
from tests.models_registry.stored import folder
from trail.models import TrailEntry

pytestmark = pytest.mark.usefixtures("committed")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update={"hub": True, "attempts": 1}))


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What stands in for the network: the two functions that tests/remote/test_hub.py tries over HTTP."""
    content = folder()
    asked: dict[str, Any] = {}

    def look_up(name: Any, **more: Any) -> HubModel:
        asked["name"] = name
        if name.repo == "org/refused":
            raise BadInput("org/refused has no safetensors at its top.")
        if name.repo == "org/away":
            raise AssayError("The Hugging Face Hub cannot be reached: no route", code="hub")
        return HubModel(name.repo, COMMIT, tuple(HubFile(p, len(c)) for p, c in content.items()))

    def fetch(found: HubModel, into: Path, progress: Any) -> list[Path]:
        for path, each in content.items():
            (into / path).write_bytes(each)
        progress(1.0)
        return [into / path for path in content]

    monkeypatch.setattr(hub_kind, "look_up", look_up)
    monkeypatch.setattr(hub_kind, "fetch", fetch)
    return asked


def model_of(people: People) -> Model:
    system = create_system(people.organisation, "Screen", by=people.engineer)
    return create_model(system, "scorer", by=people.engineer)


def test_it_is_off_where_the_operator_says_nothing(as_user: SignIn) -> None:
    people = make_people()
    model = model_of(people)
    with pytest.raises(BadInput, match="the operator has not set ASSAY_HUB"):
        add_hub_version(model, "org/name", by=people.engineer)
    url = reverse("models_registry:new_hub_version", args=[people.organisation.slug, model.pk])
    client = as_user(people.engineer)
    assert "Not allowed here" in client.get(url).content.decode()
    assert client.post(url, {"name": "org/name"}).status_code == 400
    assert model.versions.count() == 0


@pytest.mark.usefixtures("allowed")
def test_a_named_model_is_fetched_pinned_and_read(as_user: SignIn, fetched: dict[str, Any]) -> None:
    people = make_people()
    model = model_of(people)
    url = reverse("models_registry:new_hub_version", args=[people.organisation.slug, model.pk])
    client = as_user(people.engineer)
    assert "is no name of a model" in client.post(url, {"name": "../x"}).content.decode()
    assert client.post(url, {"name": "org/name@v1", "label": "hub"}).status_code == 302
    factory.run_jobs()
    version = model.versions.get()
    assert (version.state, version.refusal, version.format) == ("ready", "", "torch_folder")
    assert version.hub == {"repo": "org/name", "revision": "v1", "commit": COMMIT}
    assert sorted(m.path for m in version.members.all()) == sorted(folder())
    page = reverse("models_registry:model_version", args=[people.organisation.slug, version.pk])
    assert f"org/name at {COMMIT}" in client.get(page).content.decode()


@pytest.mark.usefixtures("allowed")
def test_what_cannot_be_fetched_is_refused_or_can_be_tried_again(fetched: dict[str, Any]) -> None:
    people = make_people()
    refused = add_hub_version(model_of(people), "org/refused", by=people.engineer)
    away = add_hub_version(refused.model, "org/away", by=people.engineer)
    factory.run_jobs()
    for version in (refused, away):
        version.refresh_from_db()
    assert (refused.state, away.state) == ("refused", "failed")
    assert "no safetensors" in refused.refusal
    assert "cannot be reached" in away.refusal


@pytest.mark.usefixtures("allowed")
def test_a_form_that_is_sent_twice_at_once_makes_one_version() -> None:
    people = make_people()
    model, key = model_of(people), uuid.uuid4()
    made = at_once(*[lambda: add_hub_version(model, "org/name", by=people.engineer, key=key)] * 2)
    assert [version.pk for version in made] == [key, key]
    (entry,) = TrailEntry.objects.filter(target_id=key)
    assert entry.facts["hub"] == {"repo": "org/name", "revision": "main"}
