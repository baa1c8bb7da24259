"""A language model behind an address in the service: by the form and by the API, to a measured perplexity."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.models import User
from assay.contracts import EndpointRequest
from audits.models import Run, RunState
from models_registry.description import DataDescription
from models_registry.models import DatasetVersion, IntakeState, Model, ModelVersion
from models_registry.services import add_dataset_version, create_dataset, create_model
from tests import factory
from tests.conftest import People, make_people
from tests.endpoint_server import EndpointServer, served
from tests.endpoints.test_likelihoods import GENERATION
from tests.endpoints.writer import byte_writer
from tests.models.transformers_made import byte_llama
from tests.models_registry.stored import stored
from tests.models_registry.test_api import Caller

pytestmark = pytest.mark.usefixtures("committed")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return byte_llama(tmp_path_factory.mktemp("models") / "bytes")


@pytest.fixture
def server(written: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EndpointServer]:
    """A served language model whose host this installation allows."""
    with served() as found:
        found.echo = byte_writer(written)
        allowed = {"endpoint_hosts": found.url.partition("//")[2], "endpoint_private": True}
        monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update=allowed))
        yield found


def asked(server: EndpointServer, protocol: str = "openai_completions") -> dict[str, Any]:
    said = EndpointRequest.model_validate(
        {
            "url": f"{server.url}/v1",
            "protocol": protocol,
            "model": "writer",
            "signature": GENERATION,
            "limits": {"requests_per_second": 5_000},
        }
    )
    return said.model_dump(mode="json")


def _notes(people: People, model: Model) -> DatasetVersion:
    dataset = create_dataset(model.system, "notes", by=people.engineer)
    content = "\n".join(["note", *(f"note {n} of day {n * n % 31}" for n in range(80))]).encode()
    files = {"test": ("notes.csv", stored(people.organisation, content))}
    return add_dataset_version(dataset, files, DataDescription(text="note"), by=people.engineer)


def _audited(people: People, version: ModelVersion, data: DatasetVersion) -> Run:
    methods = ["performance.language_modelling"]
    run = factory.measured_run(people, model=version, data=data, methods=methods)
    assert run.state == RunState.DONE, run.reason
    return run


def test_the_form_takes_a_language_model_and_audits_share_its_answers(
    server: EndpointServer, as_user: Callable[[User], Client]
) -> None:
    people = make_people()
    model = create_model(factory.system(people), "writer", by=people.engineer)
    client = as_user(people.engineer)
    address = reverse("models_registry:new_endpoint", args=[people.organisation.slug, model.pk])
    assert "task&quot;: &quot;generation" in client.get(address).content.decode()
    said = {
        "url": f"{server.url}/v1",
        "protocol": "openai_completions",
        "name": "writer",
        "signature": '{"task": "generation", "output": "score", "text": {}}',
        "most_requests": "100",
        "requests_per_second": "5000",
        "timeout": "10",
        "retries": "2",
        "batch_rows": "32",
        "price_per_1k_tokens": "0",
    }
    assert client.post(address, said).status_code == 302
    factory.run_jobs()
    version = ModelVersion.objects.of(people.organisation).get()
    assert (version.state, version.refusal, version.format) == (IntakeState.READY, "", "endpoint")
    page = client.get(reverse("models_registry:model_version", args=[people.organisation.slug, version.pk]))
    assert "each text as it is, for the likelihoods of its tokens" in page.content.decode()

    data = _notes(people, model)
    first = _audited(people, version, data)
    caller = Caller(people.engineer, people.organisation)
    body = caller("GET", f"/audits/{first.pk}/evidence.json").json()
    measures = {m["id"]: m for m in body["measures"]}
    assert measures["performance.perplexity"]["grade"] == "endpoint"
    assert measures["performance.scored_tokens"]["value"] == sum(
        len(f"note {n} of day {n * n % 31}") for n in range(80)
    )
    assert measures["performance.unknown_tokens"]["status"] == "not_applicable"
    count = len(server.seen)
    again = _audited(people, version, data)
    repeated = caller("GET", f"/audits/{again.pk}/evidence.json").json()
    assert repeated["result_digest"] == body["result_digest"]
    assert repeated["endpoint"]["canary"]["changed"] is False
    more = {text for _, _, _, said in server.seen[count:] for text in said["prompt"]}
    assert len(more - {"This is a text."}) == 8, "the canary; every other text was answered before"


def test_the_api_takes_a_language_model_over_completions_and_no_other_protocol(
    server: EndpointServer,
) -> None:
    people = make_people()
    model = create_model(factory.system(people), "writer", by=people.engineer)
    caller = Caller(people.engineer, people.organisation)

    def added(endpoint: dict[str, Any]) -> dict[str, Any]:
        made = caller("POST", f"/models/{model.pk}/endpoints", {"endpoint": endpoint})
        assert made.status_code == 201, made.content
        factory.run_jobs()
        found: dict[str, Any] = caller("GET", f"/model-versions/{made.json()['id']}").json()
        return found

    assert added(asked(server))["state"] == "ready"
    chat = added(asked(server, "openai_chat"))
    assert chat["state"] == "refused"
    assert "A language model (task generation) is asked over openai_completions" in chat["refusal"]
    server.echo = None
    silent = added(asked(server))
    assert silent["state"] == "refused"
    assert "(echo with logprobs)" in silent["refusal"]
