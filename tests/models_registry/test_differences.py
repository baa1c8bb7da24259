"""Two versions side by side: on a page and by the API, in each state that they can be in."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from accounts.api_auth import new_token
from assay.contracts import GateVerdict, Lineage, ModelFacts
from audits.latest import comparable_runs
from audits.models import Run
from models_registry.model_diff import diff_models
from models_registry.models import ModelVersion, Subject
from models_registry.services import add_model_version, add_predictions_version, create_model, create_system
from tests import factory
from tests.conftest import People
from tests.models_registry.registered import EVIL, SignIn
from tests.models_registry.stored import stored
from tests.models_registry.test_signatures import TABLE

LINEAGE = Lineage(remedy="training.fine_tune", version="1", params={}, seed=1)


def pair(people: People, words: str = "scorer") -> tuple[ModelVersion, ModelVersion]:
    """A version and what fine-tuning made of it, as their readings leave them."""
    system = create_system(people.organisation, "Screen", by=people.engineer)
    model = create_model(system, words, by=people.engineer)
    content = {
        "model.safetensors": b"weights",
        "old/vocab.txt": b"words",
        "gone.txt": b"x",
        "same.json": b"{}",
    }
    first = _added(people, model, content, label=words)
    content = {"model.safetensors": b"others", "vocab.txt": b"words", "same.json": b"{}", "new.txt": b"y"}
    second = _added(people, model, content, parent=first, lineage=LINEAGE)
    for version, parameters, signature in (
        (first, 10, TABLE),
        (second, 1_200, TABLE.model_copy(update={"threshold": 0.6})),
    ):
        facts = ModelFacts(
            name=words,
            format="torch_folder",
            sha256="a" * 64,
            architecture=f"mlp {words}",
            parameters=parameters,
            weight_bytes=4 * parameters,
            dtype="float32",
            device="cpu",
        )
        verdict = GateVerdict(trust="A", came_as="torch_folder", sha256="a" * 64)
        version.facts, version.gate = facts.model_dump(mode="json"), verdict.model_dump(mode="json")
        version.signature, version.state = signature.model_dump(mode="json"), "ready"
        version.format, version.sha256 = "torch_folder", str(version.number) * 64
        version.save()
    return first, second


def _added(people: People, model: Any, content: dict[str, bytes], **more: Any) -> ModelVersion:
    files = {path: stored(people.organisation, each) for path, each in content.items()}
    return add_model_version(model, files, by=people.engineer, read=False, **more)


def test_everything_that_differs_is_named(people: People) -> None:
    first, second = pair(people)
    found = diff_models(first, second)
    assert {each.path: (each.state, each.was) for each in found.files} == {
        "gone.txt": ("removed", ""),
        "model.safetensors": ("changed", ""),
        "new.txt": ("added", ""),
        "same.json": ("same", ""),
        "vocab.txt": ("moved", "old/vocab.txt"),
    }
    facts = {each.what: (each.before, each.after) for each in found.facts if not each.same}
    assert facts == {
        "Parameters": ("10", "1,200"),
        "Weights": ("40 bytes, float32", "4,800 bytes, float32"),
        "SHA-256": ("1" * 64, "2" * 64),
    }
    assert [tuple(each) for each in found.signature] == [("threshold", "0.4", "0.6")]
    assert found.relation == "scorer 2 was made from scorer scorer by training.fine_tune."
    assert found.sentence == (
        "1 file changed, 1 file moved, 1 file added, 1 file removed, 1 field of the signature changed."
    )
    assert found.differs
    assert not diff_models(first, first).differs
    back = diff_models(second, first)
    assert {each.path: each.state for each in back.files}["gone.txt"] == "added"


def test_files_against_predictions_are_no_files_removed(people: People) -> None:
    first, _second = pair(people)
    columns = add_predictions_version(
        first.model, predictions="approved", scores="", threshold=None, by=people.engineer
    )
    assert diff_models(first, columns).sentence == (
        "scorer scorer is model files, scorer 3 is predictions in the test data: what they answer can be "
        "compared, not what they are."
    )


def test_the_page_in_each_state(people: People, as_user: SignIn) -> None:
    first, _second = pair(people, EVIL)
    client = as_user(people.auditor)
    url = reverse("models_registry:differences", args=[people.organisation.slug, first.model_id])
    html = client.get(url).content.decode()
    assert "<script>alert" not in html
    assert "1 file changed" in html
    assert "No data was audited with both" in html
    assert "one and the same" in client.get(url, {"before": first.pk, "after": first.pk}).content.decode()
    wrong = client.get(url, {"before": people.owner.pk})
    assert (wrong.status_code, "no version of this system" in wrong.content.decode()) == (404, True)
    waiting = add_model_version(
        first.model, {"m.json": stored(people.organisation, b"{}")}, by=people.engineer
    )
    said = client.get(url, {"before": first.pk, "after": waiting.pk}).content.decode()
    assert "is not ready (waiting to be read)" in said
    predictions = add_predictions_version(first.model, scores="s", by=people.engineer)
    said = client.get(url, {"before": first.pk, "after": predictions.pk}).content.decode()
    assert "none given" in said
    empty = create_model(first.model.system, "empty", by=people.engineer)
    place = reverse("models_registry:differences", args=[people.organisation.slug, empty.pk])
    assert "No version yet" in client.get(place).content.decode()
    other = as_user(people.outsider)
    assert other.get(url).status_code == 404
    foreign = create_model(create_system(people.elsewhere, "S", by=people.outsider), "m", by=people.outsider)
    place = reverse("models_registry:differences", args=[people.elsewhere.slug, foreign.pk])
    assert other.get(place, {"before": first.pk}).status_code == 404


def test_audits_on_the_same_data_are_linked(people: People, as_user: SignIn) -> None:
    first, second = pair(people)
    data = factory.data_version(first.model.system, people.engineer, rows=20)
    other = factory.data_version(first.model.system, people.engineer, rows=30)
    runs = []
    for number, (version, on) in enumerate(
        ((first, data), (second, data), (first, data), (second, other)), 1
    ):
        subject, _made = Subject.unscoped.get_or_create(
            organisation=people.organisation, model_version=version, dataset_version=on
        )
        runs.append(
            Run.objects.create(
                organisation=people.organisation,
                system=first.model.system,
                subject=subject,
                number=number,
                title="x",
                state="done",
                snapshot_digest="a" * 64,
                created_by=people.engineer,
            )
        )
    (found,) = comparable_runs(people.organisation, first.pk, second.pk)
    assert found.url == reverse("audits:compare", args=[people.organisation.slug, runs[2].pk, runs[1].pk])
    assert comparable_runs(people.elsewhere, first.pk, second.pk) == []
    url = reverse("models_registry:differences", args=[people.organisation.slug, first.model_id])
    assert found.url in as_user(people.auditor).get(url).content.decode()


def test_the_api_says_the_same(people: People, as_user: SignIn) -> None:
    first, second = pair(people)
    _token, secret = new_token(people.auditor, people.organisation, "x", ["read"])
    headers = {"Authorization": f"Bearer {secret}"}
    answer = as_user(people.outsider).get(
        f"/api/v1/model-versions/{first.pk}/diff/{second.pk}", headers=headers
    )
    assert answer.status_code == 200
    body = answer.json()
    assert body["signature"] == [{"field": "threshold", "before": "0.4", "after": "0.6"}]
    assert {each["path"] for each in body["files"] if each["state"] == "same"} == {"same.json"}
    assert body["differs"] is True
    assert next(each for each in body["facts"] if each["what"] == "Parameters")["same"] is False
