"""Adapters in the service: each over a registered, ready base whose files go with it wherever it is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import User
from assay.contracts import ModelSignature
from assay.errors import BadInput
from audits.models import RunState
from compliance.basis import model_digest
from models_registry.description import DataDescription
from models_registry.model_diff import diff_models
from models_registry.models import DatasetVersion, IntakeState, Model, ModelVersion, VersionFile
from models_registry.services import (
    add_dataset_version,
    add_model_version,
    correct_signature,
    create_dataset,
    create_model,
)
from tests import factory
from tests.conftest import People, make_people
from tests.models.transformers_made import chain_folder, chain_texts, lora
from tests.models_registry.stored import folder, stored
from tests.models_registry.test_api import Caller

pytestmark = pytest.mark.usefixtures("committed")
Files = dict[str, bytes]


_FOUND = ("state", "sha256", "format", "facts", "signature", "gate", "sandbox", "remarks")


class Made(NamedTuple):
    base: Files
    adapter: Files
    read: dict[str, Any]
    """What a child found in the base, once one has read it."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A language model and a LoRA adapter over it, as PEFT saves one."""
    place = tmp_path_factory.mktemp("adapters")
    base = chain_folder(place / "base")
    lora(
        place / "adapter",
        base,
        "AutoModelForCausalLM",
        task_type="CAUSAL_LM",
        target_modules=["v_proj", "o_proj"],
    )
    return Made(_files(base), _files(place / "adapter"), {})


def _files(place: Path) -> Files:
    return {path.name: path.read_bytes() for path in sorted(place.iterdir())}


class Place(NamedTuple):
    people: People
    model: Model

    def add(self, files: Files, base: ModelVersion | None = None) -> ModelVersion:
        version = add_model_version(
            self.model,
            {path: stored(self.people.organisation, content) for path, content in files.items()},
            by=self.people.engineer,
            base=base,
        )
        factory.run_jobs()
        version.refresh_from_db()
        return version

    def base(self, made: Made) -> ModelVersion:
        """The base, ready; only the first one in this process is read by a child."""
        if not made.read:
            version = self.add(made.base)
            made.read.update({name: getattr(version, name) for name in _FOUND})
            return version
        organisation = self.people.organisation
        version = ModelVersion.objects.create(
            organisation=organisation,
            model=self.model,
            number=self.model.versions.count() + 1,
            created_by=self.people.engineer,
            **made.read,
        )
        for path, content in made.base.items():
            VersionFile.objects.create(version=version, file=stored(organisation, content), path=path)
        return version

    def notes(self, rows: int) -> DatasetVersion:
        dataset = create_dataset(self.model.system, "notes", by=self.people.engineer)
        content = "\n".join(["note", *chain_texts(rows, 1)]).encode()
        files = {"test": ("notes.csv", stored(self.people.organisation, content))}
        return add_dataset_version(dataset, files, DataDescription(text="note"), by=self.people.engineer)


@pytest.fixture
def place() -> Place:
    people = make_people()
    return Place(people, create_model(factory.system(people), "writer", by=people.engineer))


def test_an_adapter_is_read_and_audited_over_its_base_and_both_are_named(
    place: Place, made: Made, as_user: Callable[[User], Client]
) -> None:
    base = place.base(made)
    adapter = place.add(made.adapter, base)
    assert (adapter.state, adapter.refusal, adapter.format) == ("ready", "", "huggingface_adapter")
    assert adapter.facts is not None
    assert adapter.facts["base"]["sha256"] == base.sha256 != adapter.sha256
    data = place.notes(30)
    run = factory.measured_run(
        place.people, model=adapter, data=data, methods=["performance.language_modelling"]
    )
    assert run.state == RunState.DONE, run.reason
    caller = Caller(place.people.engineer, place.people.organisation)
    found = caller("GET", f"/audits/{run.pk}/evidence.json").json()
    model = found["subject"]["model"]
    assert (model["sha256"], model["base"]["sha256"]) == (adapter.sha256, base.sha256)
    assert {m["grade"] for m in found["measures"]} == {"executed"}
    perplexity = next(m for m in found["measures"] if m["id"] == "performance.perplexity")
    assert perplexity["value"] > 3, "the chain's own is 2.75: the adapter must have changed it"
    assert caller("GET", f"/model-versions/{adapter.pk}").json()["base"] == str(base.pk)
    assert diff_models(base, adapter).relation == f"{adapter} is an adapter over {base}."

    page = _page(as_user(place.people.engineer), adapter)
    assert "adapter of" in page
    assert base.sha256 in page
    assert "adapter over this version" in _page(as_user(place.people.engineer), base)


def _page(client: Client, version: ModelVersion) -> str:
    address = reverse("models_registry:model_version", args=[version.organisation.slug, version.pk])
    return str(client.get(address).content.decode())


def test_an_adapter_over_another_base_is_another_model(place: Place, made: Made) -> None:
    first = place.base(made)
    config = json.loads(made.base["config.json"])
    second = place.add({**made.base, "config.json": json.dumps({**config, "rms_norm_eps": 0.5}).encode()})
    versions = [place.add(made.adapter, base) for base in (first, second)]
    assert [v.state for v in versions] == ["ready", "ready"]
    assert versions[0].sha256 == versions[1].sha256
    data = place.notes(20)
    methods = ["performance.language_modelling"]
    runs = [
        factory.measured_run(place.people, model=version, data=data, methods=methods) for version in versions
    ]
    standings = [run.plan["opening"]["standing"] for run in runs]
    assert standings == ["baseline", "exploratory"], "the sealed rows were opened for two models"
    assert model_digest(versions[0]) != model_digest(versions[1])


@pytest.mark.parametrize("with_base", [False, True])
def test_files_and_base_must_fit(place: Place, made: Made, with_base: bool) -> None:
    if with_base:
        base = place.base(made)
        with pytest.raises(BadInput, match=r"no adapter .*leave the base out"):
            place.add(folder(), base)
        mixed = {**made.adapter, "config.json": made.base["config.json"]}
        with pytest.raises(BadInput, match="leave the base out"):
            place.add(mixed, base)
    else:
        with pytest.raises(BadInput, match="are an adapter: name its base"):
            place.add(made.adapter)
    assert place.model.versions.count() == with_base


def test_only_a_whole_ready_model_of_the_same_organisation_is_a_base(place: Place, made: Made) -> None:
    base = place.base(made)
    adapter = place.add(made.adapter, base)
    with pytest.raises(BadInput, match="is an adapter itself"):
        place.add(made.adapter, adapter)
    with pytest.raises(
        BadInput, match="of the format torch_folder; the base of an adapter is of huggingface"
    ):
        place.add(made.adapter, place.add(folder()))
    predictions = factory.predictions_version(place.model.system, place.people.engineer)
    with pytest.raises(BadInput, match="the base of an adapter is of huggingface"):
        place.add(made.adapter, predictions)
    ModelVersion.unscoped.filter(pk=base.pk).update(state=IntakeState.WAITING)
    with pytest.raises(BadInput, match="is not ready"):
        place.add(made.adapter, base)
    ModelVersion.unscoped.filter(pk=base.pk).update(state=IntakeState.READY)
    strangers = make_people()
    other = Place(strangers, create_model(factory.system(strangers), "writer", by=strangers.engineer))
    with pytest.raises(BadInput, match="The base is not there"):
        other.add(made.adapter, base)


def test_a_base_of_others_is_unknown_to_the_api_and_the_form(
    place: Place, made: Made, as_user: Callable[[User], Client]
) -> None:
    base = place.base(made)
    strangers = make_people()
    theirs = create_model(factory.system(strangers), "writer", by=strangers.engineer)
    caller = Caller(strangers.engineer, strangers.organisation)
    files = [{"upload": caller.upload(content, path), "path": path} for path, content in made.adapter.items()]
    path = f"/models/{theirs.pk}/versions"
    refused = caller("POST", path, {"files": files, "base": str(base.pk)})
    unknown = caller("POST", path, {"files": files, "base": str(theirs.pk)})
    assert (refused.status_code, unknown.status_code) == (404, 404)
    assert refused.json()["detail"] == unknown.json()["detail"]
    lacking = caller("POST", path, {"files": files})
    assert lacking.status_code == 400, lacking.content
    assert "name its base" in lacking.json()["detail"]

    address = reverse("models_registry:new_model_version", args=[strangers.organisation.slug, theirs.pk])
    client = as_user(strangers.engineer)
    assert str(base.pk) not in client.get(address).content.decode()
    ids = ",".join(each["upload"] for each in files)
    posted = client.post(address, {"uploaded": ids, "base": str(base.pk)})
    assert posted.status_code == 400
    assert "Select a valid choice" in posted.content.decode()
    assert not theirs.versions.exists()


def test_the_form_asks_for_the_base_and_keeps_the_files(
    place: Place, made: Made, as_user: Callable[[User], Client]
) -> None:
    base = place.base(made)
    caller = Caller(place.people.engineer, place.people.organisation)
    ids = ",".join(caller.upload(content, f"lora/{path}") for path, content in made.adapter.items())
    address = reverse(
        "models_registry:new_model_version", args=[place.people.organisation.slug, place.model.pk]
    )
    client = as_user(place.people.engineer)
    lacking = client.post(address, {"uploaded": ids})
    assert lacking.status_code == 400
    assert "are an adapter: name its base" in lacking.content.decode()
    assert f"{len(made.adapter)} files uploaded already" in lacking.content.decode()
    assert client.post(address, {"uploaded": ids, "base": str(base.pk)}).status_code == 302
    factory.run_jobs()
    version = place.model.versions.get(base=base)
    assert (version.state, version.refusal) == ("ready", "")


def test_a_base_stays_what_it_is_when_its_signature_is_corrected(place: Place, made: Made) -> None:
    base = place.base(made)
    adapter = place.add(made.adapter, base)
    before = model_digest(adapter)
    said: Any = {**(base.signature or {}), "text": {"max_length": 12}}
    corrected = correct_signature(base, ModelSignature.model_validate(said), by=place.people.engineer)
    assert corrected.pk != base.pk
    base.refresh_from_db()
    adapter.refresh_from_db()
    assert (base.state, model_digest(adapter)) == ("ready", before)
    renamed = correct_signature(adapter, ModelSignature.model_validate(said), by=place.people.engineer)
    factory.run_jobs()
    renamed.refresh_from_db()
    assert (renamed.state, renamed.refusal, renamed.base_id) == ("ready", "", base.pk)
