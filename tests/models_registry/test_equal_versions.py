"""The same files brought again are found before they are sent; what differs in what counts is not."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from models_registry.models import DatasetVersion, IntakeState, ModelVersion
from models_registry.services import add_predictions_version, create_dataset, create_model, create_system
from tests.conftest import People
from tests.models_registry.stored import loans_csv
from tests.models_registry.test_api import Caller


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def engineer(people: People) -> Caller:
    return Caller(people.engineer, people.organisation)


def _versions(caller: Caller, path: str, body: dict[str, Any]) -> Any:
    answer = caller("POST", f"{path}/equal", body)
    assert answer.status_code == 200, answer.content
    return answer.json()["version"]


def test_a_model_is_the_same_by_files_paths_and_signature(engineer: Caller, people: People) -> None:
    system = create_system(people.organisation, "Loans", by=people.engineer)
    model = create_model(system, "scorer", by=people.engineer)
    content = {"model.json": b"{}", "signature.json": b'{"a": 1}'}
    files = {path: sha256(each) for path, each in content.items()}
    path = f"/models/{model.pk}/versions"
    assert _versions(engineer, path, {"files": files}) is None
    sent = [{"upload": engineer.upload(each, name), "path": name} for name, each in content.items()]
    made = engineer("POST", path, {"files": sent, "label": "3.1"}).json()
    assert _versions(engineer, path, {"files": files})["id"] == made["id"]
    upper = {name: digest.upper() for name, digest in files.items()}
    assert _versions(engineer, path, {"files": upper, "label": " 3.1 "})["number"] == 1
    signature = {
        "task": "binary",
        "output": "probability",
        "classes": ["no", "yes"],
        "columns": [{"name": "income", "kind": "number", "encoding": "identity"}],
    }
    for other in (
        {"files": {"model.json": files["model.json"]}},
        {"files": files | {"more.json": files["model.json"]}},
        {"files": files | {"signature.json": "0" * 64}},
        {"files": {"m.json": files["model.json"], "signature.json": files["signature.json"]}},
        {"files": files, "label": "3.2"},
        {"files": files, "signature": signature},
        {"files": files, "base": made["id"]},
    ):
        assert _versions(engineer, path, other) is None, other
    ModelVersion.unscoped.filter(pk=made["id"]).update(state=IntakeState.REFUSED)
    assert _versions(engineer, path, {"files": files}) is None
    wrong = engineer("POST", f"{path}/equal", {"files": {"a": "x"}})
    assert wrong.status_code == 422
    outsider = Caller(people.outsider, people.elsewhere)
    assert outsider("POST", f"{path}/equal", {"files": files}).status_code == 404


def test_predictions_are_the_same_by_their_columns(engineer: Caller, people: People) -> None:
    system = create_system(people.organisation, "Loans", by=people.engineer)
    model = create_model(system, "scorer", by=people.engineer)
    made = add_predictions_version(
        model, predictions="approved", scores="score", threshold=0.5, by=people.engineer
    )
    path, said = f"/models/{model.pk}/predictions", {"predictions": "approved", "scores": "score"}
    assert _versions(engineer, path, {**said, "threshold": 0.5})["id"] == str(made.pk)
    assert _versions(engineer, path, said) is None
    assert _versions(engineer, path, {"predictions": "approved"}) is None


def test_data_is_the_same_by_roles_files_and_words(engineer: Caller, people: People) -> None:
    system = create_system(people.organisation, "Loans", by=people.engineer)
    dataset = create_dataset(system, "loans", by=people.engineer)
    content = loans_csv(50)
    said = {"label": "repaid", "sensitive": ["sex"]}
    path = f"/datasets/{dataset.pk}/versions"
    sent = {"files": {"test": {"upload": engineer.upload(content)}}, "description": said}
    made = engineer("POST", path, sent).json()
    files = {"test": sha256(content)}
    assert _versions(engineer, path, {"files": files, "description": said})["id"] == made["id"]
    for other in (
        {"files": {"training": files["test"]}, "description": said},
        {"files": files, "description": {"label": "repaid"}},
        {"files": files, "description": said, "disjoint": True},
        {"files": files, "description": said, "label": "2024"},
    ):
        assert _versions(engineer, path, other) is None, other
    attested = engineer("POST", path, {**sent, "disjoint": True}).json()
    found = _versions(engineer, path, {"files": files, "description": said, "disjoint": True})
    assert found["id"] == attested["id"]
    assert DatasetVersion.objects.of(people.organisation).count() == 2


def test_what_could_not_be_read_is_read_again_and_a_signature_is_checked(
    engineer: Caller, people: People
) -> None:
    system = create_system(people.organisation, "Loans", by=people.engineer)
    model = create_model(system, "scorer", by=people.engineer)
    made = engineer(
        "POST", f"/models/{model.pk}/versions", {"files": [{"upload": engineer.upload(b"{}", "m.json")}]}
    ).json()
    path = f"/model-versions/{made['id']}"
    assert engineer("POST", f"{path}/read").status_code == 409
    ModelVersion.unscoped.filter(pk=made["id"]).update(state=IntakeState.FAILED, refusal="lost")
    again = engineer("POST", f"{path}/read").json()
    assert (again["state"], again["refusal"]) == ("waiting", "")
    dataset = create_dataset(system, "loans", by=people.engineer)
    data = engineer(
        "POST", f"/datasets/{dataset.pk}/versions",
        {"files": {"test": {"upload": engineer.upload(loans_csv(20))}}},
    ).json()  # fmt: skip
    DatasetVersion.unscoped.filter(pk=data["id"]).update(state=IntakeState.FAILED)
    assert engineer("POST", f"/dataset-versions/{data['id']}/read").json()["state"] == "waiting"

    good = {
        "task": "binary",
        "output": "probability",
        "classes": ["no", "yes"],
        "columns": [{"name": "income", "kind": "number", "encoding": "identity"}],
    }
    checked = engineer("POST", f"{path}/signature/check", {"signature": good}).json()
    assert (checked["problems"], checked["changes"][0]["field"]) == ([], "signature")
    bad = engineer("POST", f"{path}/signature/check", {"signature": {**good, "classes": ["a", "a"]}}).json()
    assert (bad["problems"][0]["field"], bad["changes"]) == ("classes", [])
    auditor = Caller(people.auditor, people.organisation)
    assert auditor("POST", f"{path}/signature/check", {"signature": good}).status_code == 403
