"""A model behind an address is registered, asked, audited and watched; keys and foreign hosts stay out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from accounts.api_auth import new_token
from accounts.models import User
from assay.commands.endpoint import EndpointOptions
from assay.commands.remote import PushOptions, push
from assay.contracts import EndpointRequest, InputColumn, ModelSignature
from assay.errors import BadInput
from audits.models import Run, RunState
from audits.services import draft_run
from compliance.basis import model_digest
from jobs.folders import clean_up
from jobs.worker import Slot
from models_registry.endpoints import add_endpoint_version, secret_of
from models_registry.models import IntakeState, ModelVersion
from models_registry.services import correct_signature, create_model, read_again
from tests import factory
from tests.browser import served as at_address
from tests.conftest import People, make_people
from tests.endpoint_server import EndpointServer, served
from tests.models_registry.test_api import Caller
from tests.warm import warm_children

pytestmark = pytest.mark.usefixtures("committed")
SIGNATURE = ModelSignature(
    task="binary",
    output="probability",
    classes=("no", "yes"),
    columns=(InputColumn(name="income", kind="number", encoding="standard", mean=1_500, scale=2_000),),
)
SECRET = "sk-very-secret-key"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[EndpointServer]:
    """A served model whose host this installation allows, and whose key lies with the secrets."""
    with served([1.0]) as found:
        found.key = SECRET
        allowed = {
            "endpoint_hosts": found.url.partition("//")[2],
            "endpoint_private": True,
            "secrets": tmp_path,
        }
        monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update=allowed))
        yield found


def asked(server: EndpointServer, **limits: Any) -> EndpointRequest:
    return EndpointRequest.model_validate(
        {
            "url": server.url,
            "protocol": "open_inference_v2",
            "model": "tiny",
            "signature": SIGNATURE,
            "key": "TINY_KEY",
            "limits": {"requests_per_second": 5_000, **limits},
        }
    )


def give_key(people: People, tmp_path: Path) -> None:
    folder = tmp_path / people.organisation.slug
    folder.mkdir()
    (folder / "TINY_KEY").write_text(f"{SECRET}\n")


def added(people: People, server: EndpointServer, **limits: Any) -> ModelVersion:
    model = create_model(factory.system(people), "behind", by=people.engineer)
    version = add_endpoint_version(model, asked(server, **limits), by=people.engineer)
    factory.run_jobs()
    version.refresh_from_db()
    return version


def audited(people: People, version: ModelVersion, data: Any) -> Run:
    methods = ["performance.classification", "robustness.noise"]
    return factory.measured_run(people, model=version, data=data, methods=methods)


def test_the_signature_of_an_endpoint_is_given_anew_with_its_address(
    server: EndpointServer, tmp_path: Path
) -> None:
    people = make_people()
    give_key(people, tmp_path)
    with pytest.raises(BadInput, match="is asked by its signature; add the address again"):
        correct_signature(added(people, server), None, by=people.engineer)


def test_an_endpoint_is_asked_audited_and_noticed_when_it_is_swapped(
    server: EndpointServer, tmp_path: Path, as_user: Callable[[User], Client]
) -> None:
    people = make_people()
    give_key(people, tmp_path)
    version = added(people, server)
    assert (version.state, version.refusal, version.format) == (IntakeState.READY, "", "endpoint")
    data = factory.data_version(version.model.system, people.engineer, 200)
    before = model_digest(version)
    run = audited(people, version, data)
    assert run.state == RunState.DONE, run.reason
    body = Caller(people.engineer, people.organisation)("GET", f"/audits/{run.pk}/evidence.json").json()
    record = body["endpoint"]
    assert (body["subject"]["grade"], record["canary"]["changed"]) == ("endpoint", False)
    assert {m["grade"] for m in body["measures"]} == {"endpoint"}
    assert record["requests"] > 3
    asked_rows = sum(len(b["inputs"][0]["data"]) for m, _, _, b in server.seen if m == "POST")
    first_reading = 2 + 3 * 8 + 200  # the probe, the canary three times, the test rows once
    assert asked_rows <= first_reading + record["rows"]
    version.refresh_from_db()
    assert version.swapped == ""

    server.weights = server.weights * -1
    again = audited(people, version, data)
    assert again.state == RunState.DONE, again.reason
    version.refresh_from_db()
    assert "another model answers" in version.swapped
    assert model_digest(version) != before
    page = as_user(people.engineer).get(
        reverse("models_registry:model_version", args=[people.organisation.slug, version.pk])
    )
    assert "Another model answers at this address" in page.content.decode()
    _nobody_shows_the_key(version, page.content.decode(), json.dumps(body), tmp_path)


def _nobody_shows_the_key(version: ModelVersion, page: str, evidence: str, secrets: Path) -> None:
    assert SECRET not in page + evidence + json.dumps(version.endpoint)
    home = Path(settings.ENV.home)
    for path in home.rglob("*"):
        if path.is_file() and not path.is_relative_to(secrets):
            assert SECRET.encode() not in path.read_bytes(), path


def test_every_audit_of_a_session_that_stays_open_has_limits_and_a_record_of_its_own(
    server: EndpointServer, tmp_path: Path
) -> None:
    people = make_people()
    give_key(people, tmp_path)
    version = added(people, server, batch_rows=50, most_requests=60)
    data = factory.data_version(version.model.system, people.engineer, 200)
    slot = Slot(["cpu", "gpu"])
    call = Caller(people.engineer, people.organisation)
    records = []
    try:
        with warm_children():
            for _ in range(4):
                before = len(server.seen)
                methods = ["performance.classification", "robustness.noise"]
                run = draft_run(
                    version,
                    data,
                    by=people.engineer,
                    policy=None,
                    tier="quick",
                    start_when_ready=True,
                    methods=methods,
                )
                slot.work()
                clean_up()  # the counts of a job that is over go
                run.refresh_from_db()
                assert run.state == RunState.DONE, run.reason
                records.append(call("GET", f"/audits/{run.pk}/evidence.json").json()["endpoint"])
                if len(records) > 1:  # the first one's reading belongs to another job
                    assert records[-1]["requests"] == len(server.seen) - before
    finally:
        slot.close()
    assert sum(record["requests"] for record in records) > 60
    assert len({(record["requests"], record["rows"]) for record in records[1:]}) == 1
    assert all(record["canary"]["first"] == records[0]["canary"]["first"] for record in records)


def test_a_plan_that_asks_too_much_is_refused_with_the_reason(server: EndpointServer, tmp_path: Path) -> None:
    people = make_people()
    give_key(people, tmp_path)
    version = added(people, server, most_requests=12, batch_rows=50)
    data = factory.data_version(version.model.system, people.engineer, 200)
    count = len(server.seen)
    run = factory.measured_run(people, model=version, data=data, methods=["robustness.noise"])
    assert run.state == RunState.FAILED, run.state
    assert "12 are allowed" in run.reason
    assert len(server.seen) - count <= 12


def test_what_is_wrong_with_an_endpoint_stands_on_its_version(server: EndpointServer, tmp_path: Path) -> None:
    people = make_people()
    version = added(people, server)
    assert version.state == IntakeState.REFUSED
    assert "There is no secret TINY_KEY" in version.refusal
    assert not server.seen
    give_key(people, tmp_path)
    server.inputs = [{"name": "x", "datatype": "FP32", "shape": [-1, 9]}]
    other = add_endpoint_version(version.model, asked(server), by=people.engineer)
    factory.run_jobs()
    other.refresh_from_db()
    assert "[-1, 9]; by the signature a row is [1] numbers" in other.refusal
    with pytest.raises(Exception, match="has not failed"):
        read_again(other, by=people.engineer)


def test_no_organisation_reaches_anothers_secrets(server: EndpointServer, tmp_path: Path) -> None:
    people = make_people()
    give_key(people, tmp_path)
    assert secret_of(people.organisation, "TINY_KEY").strip() == SECRET
    with pytest.raises(BadInput, match="no secret"):
        secret_of(people.elsewhere, "TINY_KEY")
    (tmp_path / people.elsewhere.slug).mkdir()
    (tmp_path / people.elsewhere.slug / "LINK").symlink_to(tmp_path / people.organisation.slug / "TINY_KEY")
    with pytest.raises(BadInput, match="no secret"):
        secret_of(people.elsewhere, "LINK")
    with pytest.raises(ValueError, match="key"):
        EndpointRequest.model_validate({**asked(server).model_dump(), "key": "../other/TINY_KEY"})


def test_a_pipeline_pushes_an_endpoint_by_name_of_its_key(
    server: EndpointServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = make_people()
    give_key(people, tmp_path)
    _, token = new_token(people.engineer, people.organisation, "ci", ["read", "write"])
    signature = tmp_path / "signature.json"
    signature.write_text(SIGNATURE.model_dump_json(by_alias=True))
    options = EndpointOptions(server.url, model="tiny", key_env="TINY_KEY", limits=("most_requests=50",))
    with factory.working(), at_address() as address:
        monkeypatch.setenv("ASSAY_SERVER", address)
        monkeypatch.setenv("ASSAY_TOKEN", token)
        assert push(PushOptions(system="Loans", endpoint=options, signature=signature)) == 0
    version = ModelVersion.objects.of(people.organisation).get()
    assert (version.state, version.model.name, version.format) == (IntakeState.READY, "tiny", "endpoint")
    assert version.endpoint["limits"]["most_requests"] == 50


def test_the_portal_and_the_api_take_an_endpoint_and_refuse_foreign_hosts(
    server: EndpointServer, as_user: Callable[[User], Client]
) -> None:
    people = make_people()
    model = create_model(factory.system(people), "behind", by=people.engineer)
    client = as_user(people.engineer)
    address = reverse("models_registry:new_endpoint", args=[people.organisation.slug, model.pk])
    assert client.get(address).status_code == 200
    said = {
        "url": server.url,
        "protocol": "open_inference_v2",
        "name": "tiny",
        "signature": SIGNATURE.model_dump_json(by_alias=True),
        "secret": "TINY_KEY",
        "most_requests": "100",
        "requests_per_second": "5",
        "timeout": "10",
        "retries": "2",
        "batch_rows": "32",
        "price_per_1k_tokens": "0",
    }
    assert client.post(address, said).status_code == 302
    version = ModelVersion.objects.of(people.organisation).get()
    assert version.endpoint["limits"]["most_requests"] == 100
    page = client.get(reverse("models_registry:model_version", args=[people.organisation.slug, version.pk]))
    assert "in the secret TINY_KEY" in page.content.decode()
    for changed, says in (
        ({"url": "http://169.254.169.254/latest"}, "none of the hosts"),
        ({"url": f"{server.url}/?key=1"}, "holds a query"),
        ({"signature": "{"}, "The signature is no JSON"),
        ({"signature": "{}"}, "signature.task: Field required"),
        ({"most_spend": "3"}, "needs the price"),
    ):
        refused = client.post(address, {**said, **changed, "key": ""})
        assert (refused.status_code, says in refused.content.decode()) == (400, True), changed
    caller = Caller(people.engineer, people.organisation)
    body = {"endpoint": asked(server).model_dump(mode="json")}
    made = caller("POST", f"/models/{model.pk}/endpoints", body)
    assert (made.status_code, made.json()["source"]) == (201, "endpoint"), made.content
    body["endpoint"]["url"] = "https://evil.example.org"
    assert caller("POST", f"/models/{model.pk}/endpoints", body).status_code == 400
    outsider = Caller(people.outsider, people.elsewhere)
    assert outsider("POST", f"/models/{model.pk}/endpoints", body).status_code == 404
