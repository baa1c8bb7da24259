"""Signatures that people correct: in a form, by the API, kept in history, read again or as a new version."""

from __future__ import annotations

import json
import uuid
from typing import Any, get_args

import pytest
from django.urls import reverse

from accounts.api_auth import new_token
from assay.contracts import ImageInput, InputColumn, ModelSignature
from assay.errors import AssayError, BadInput
from models_registry.model_words import signature_of
from models_registry.models import ModelVersion, SignatureCorrection, Subject
from models_registry.services import add_model_version, archive_system, correct_signature
from models_registry.signature_changes import signature_changes
from models_registry.signature_checks import checked_signature, problems_of
from models_registry.signature_forms import SignatureForm
from models_registry.subjects import read_subject
from tests import factory
from tests.conftest import People, make_people
from tests.models_registry.registered import SignIn
from tests.models_registry.stored import folder
from tests.models_registry.test_gate_stored import added, read
from trail.models import TrailEntry

pytestmark = pytest.mark.usefixtures("committed")

TABLE = ModelSignature(
    task="binary",
    output="logit",
    classes=("no", "yes"),
    favourable="yes",
    threshold=0.4,
    columns=(
        InputColumn(name="age", kind="number", encoding="standard", mean=40, scale=9, minimum=18, maximum=90),
        InputColumn(name="job", kind="category", encoding="one_hot", categories=("clerk", "nurse, senior")),
    ),
)


def posted(signature: ModelSignature, **changes: Any) -> dict[str, Any]:
    form = SignatureForm(signature=signature)
    found = {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}
    found = {name: value for name, value in found.items() if value not in (None, False)}
    return {**found, **changes}


def ready(people: People) -> ModelVersion:
    """A linear model as its reading leaves it, without the seconds that a child takes."""
    content = folder()
    version = added(people, content, by_hand=True)
    version.state, version.sha256 = "ready", "a" * 64
    version.signature = checked_signature(json.loads(content["signature.json"])).model_dump(mode="json")
    version.save()
    return version


def settled(version: ModelVersion) -> ModelVersion:
    """As if the reading had found what people said, or else what the files say."""
    version.state = "ready"
    version.signature = version.said_signature or checked_signature(
        json.loads(folder()["signature.json"])
    ).model_dump(mode="json")
    version.save()
    return version


def test_the_form_says_again_what_the_signature_says() -> None:
    image = ModelSignature(
        task="multiclass",
        output="probability",
        classes=("a", "b", " c"),
        image=ImageInput(channels=3, height=8, width=9, mean=(0.1, 1 / 3, 1e-7 / 3), scale=(1, 1, 2)),
    )
    words = ModelSignature(
        task="binary",
        output="probability",
        classes=(" <=50K", " >50K"),
        favourable=" >50K",
        columns=(InputColumn(name="job", kind="category", encoding="value", categories=(" clerk", "nurse")),),
    )
    for signature in (TABLE, image, words):
        form = SignatureForm(posted(signature), signature=signature)
        assert form.is_valid(), form.errors
        assert form.cleaned_data["signature"] == signature


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"classes": "no\nyes\nmaybe"}, "__all__", "a binary signature names two classes"),
        ({"classes": "yes\nyes"}, "classes", 'The class "yes" stands twice'),
        ({"favourable": "perhaps"}, "favourable", 'is none of the classes "no", "yes"'),
        ({"favourable": "no"}, "favourable", "swap the two classes"),
        ({"threshold": "1.5"}, "threshold", "between 0 and 1"),
        ({"c0_name": "job"}, "__all__", 'Two columns are called "job"'),
        ({"c0_encoding": "code"}, "c0_kind", "encoding code does not fit a number"),
        ({"c0_scale": "0"}, "c0_scale", "must be more than 0"),
        ({"c0_minimum": "95"}, "c0_minimum", "above the largest"),
        ({"c1_categories": ""}, "c1_categories", "in the order in which the model codes them"),
        ({"c1_categories": "x\nx"}, "c1_categories", 'The value "x" stands twice'),
        ({"task": "regression"}, "classes", "no classes"),
    ],
)
def test_what_is_wrong_is_said_in_words_beside_its_field(
    changes: dict[str, str], field: str, words: str
) -> None:
    form = SignatureForm(posted(TABLE, **changes), signature=TABLE)
    assert not form.is_valid()
    said = " ".join(str(error) for error in form.errors.get(field, []))
    assert words.casefold() in said.casefold(), form.errors


def test_every_encoding_has_a_word_on_the_page_and_in_the_form(as_user: SignIn) -> None:
    people = make_people()
    version = ready(people)
    known = get_args(InputColumn.model_fields["encoding"].annotation)
    words = [each for each in known if each not in ("standard", "identity")]
    columns = tuple(
        InputColumn(
            name=each,
            kind="category" if each in words else "number",
            encoding=each,
            categories=("a", "b") if each in words else (),
        )
        for each in known
    )
    signature = TABLE.model_copy(update={"columns": columns})
    version.signature = signature.model_dump(mode="json")
    version.save()
    address = reverse("models_registry:model_version", args=[people.organisation.slug, version.pk])
    assert as_user(people.engineer).get(address).status_code == 200
    table = signature_of(version)
    assert table is not None
    assert len({line.encoding for line in table.lines}) == len(known)
    assert SignatureForm(posted(signature), signature=signature).is_valid()


def test_changes_are_named_field_by_field() -> None:
    age, job = TABLE.columns
    other = TABLE.model_copy(
        update={
            "classes": ("yes", "no"),
            "threshold": None,
            "columns": (job, age.model_copy(update={"scale": 10.0})),
        }
    )
    found = signature_changes(TABLE.model_dump(mode="json"), other.model_dump(mode="json"))
    assert [tuple(each) for each in found] == [
        ("classes, in order", "no, yes", "yes, no"),
        ("threshold", "0.4", "none"),
        ('column "age": scale', "9", "10"),
        ("order of columns", "age, job", "job, age"),
    ]
    assert signature_changes(None, None) == []


def test_a_correction_of_what_nothing_rests_on_is_read_and_audited_with_and_can_be_taken_back() -> None:
    people = make_people()
    version = ready(people)
    before = ModelSignature.model_validate(version.signature)
    after = before.model_copy(update={"threshold": 0.9})
    made = correct_signature(version, after, by=people.engineer)
    assert (made.pk, made.state) == (version.pk, "waiting")
    with pytest.raises(AssayError, match="is being read"):
        correct_signature(version, before, by=people.engineer)
    version = read(version)
    assert (version.state, version.refusal) == ("ready", "")
    assert ModelSignature.model_validate(version.signature) == after
    with pytest.raises(BadInput, match="Nothing is changed"):
        correct_signature(version, after, by=people.engineer)
    kept = version.corrections.get()
    assert (kept.before["threshold"], kept.after["threshold"], kept.by) == (None, 0.9, people.engineer)
    told = TrailEntry.objects.filter(
        organisation_id=people.organisation.pk, action="model_version.signature_corrected"
    )
    assert told.get().facts["new_version"] is False
    data = factory.data_version(version.model.system, people.engineer)
    subject = read_subject(version, data, people.engineer)
    factory.run_jobs()
    subject.refresh_from_db()
    assert subject.profile["model_signature"]["threshold"] == 0.9


def test_going_back_to_what_the_files_say() -> None:
    people = make_people()
    version = ready(people)
    said = ModelSignature.model_validate(version.signature).model_copy(update={"threshold": 0.9})
    settled(correct_signature(version, said, by=people.engineer))
    version = correct_signature(version, None, by=people.engineer)
    assert (version.said_signature, version.state) == (None, "waiting")
    assert [each.after is None for each in version.corrections.all()] == [True, False]


def test_what_was_read_with_data_stays_and_the_correction_makes_a_new_version() -> None:
    people = make_people()
    version = ready(people)
    data = factory.data_version(version.model.system, people.engineer)
    Subject.objects.create(organisation=people.organisation, model_version=version, dataset_version=data)
    said = ModelSignature.model_validate(version.signature).model_copy(update={"threshold": 0.9})
    key = uuid.uuid4()
    made = correct_signature(version, said, by=people.engineer, key=key)
    assert (made.pk, made.number, made.parent_id, made.state) == (key, 2, version.pk, "waiting")
    assert made.said_signature["threshold"] == 0.9
    assert correct_signature(version, said, by=people.engineer, key=key).pk == key
    version.refresh_from_db()
    assert (version.state, version.said_signature) == ("ready", None)
    listed = ("origin", "path", "file__sha256")
    assert sorted(made.members.values_list(*listed)) == sorted(version.members.values_list(*listed))
    assert version.model.versions.count() == 2


def test_files_that_came_without_a_signature_are_read_with_the_one_that_people_give() -> None:
    people = make_people()
    content = folder()
    signature = json.loads(content.pop("signature.json"))
    version = read(added(people, content))
    assert version.state == "refused"
    version = read(correct_signature(version, checked_signature(signature), by=people.engineer))
    assert (version.state, version.refusal) == ("ready", "")


def test_a_version_can_be_added_with_a_signature() -> None:
    people = make_people()
    version = ready(people)
    files = {m.path: m.file for m in version.members.select_related("file")}
    given = add_model_version(version.model, files, by=people.engineer, signature=TABLE)
    assert ModelSignature.model_validate(given.said_signature) == TABLE


def test_the_page_corrects_and_the_api_does_too(as_user: SignIn) -> None:
    people = make_people()
    version = ready(people)
    client = as_user(people.engineer)
    args = [people.organisation.slug, version.pk]
    page, check = (
        reverse(f"models_registry:{name}", args=args) for name in ("correct_signature", "check_signature")
    )
    html = client.get(page).content.decode()
    assert "Read it with this signature" in html
    signature = ModelSignature.model_validate(version.signature)
    said = client.post(check, posted(signature, threshold="2")).content.decode()
    assert "Threshold: It is compared with a probability" in said
    said = client.post(check, posted(signature, threshold="0.7")).content.decode()
    assert "Threshold: none → 0.7" in said
    wrong = client.post(page, posted(signature, threshold="2"))
    assert wrong.status_code == 400
    assert "between 0 and 1" in wrong.content.decode()
    assert client.post(page, {"document": "{"}).status_code == 400
    assert client.post(page, posted(signature, threshold="0.7")).status_code == 302
    version.refresh_from_db()
    assert settled(version).signature["threshold"] == 0.7
    shown = client.get(reverse("models_registry:model_version", args=args)).content.decode()
    assert "1 correction of the signature" in shown
    assert "threshold: none → 0.7" in shown
    _token, secret = new_token(people.engineer, people.organisation, "x", ["read", "write"])
    more: dict[str, Any] = {
        "headers": {"Authorization": f"Bearer {secret}"},
        "content_type": "application/json",
    }
    place = f"/api/v1/model-versions/{version.pk}/signature"
    bad = client.put(place, json.dumps({"signature": {"task": "binary"}}), **more)
    assert bad.status_code == 400
    assert "output: This is missing." in bad.json()["detail"]
    good = client.put(place, json.dumps({"signature": None}), **more)
    assert (good.status_code, good.json()["state"]) == (200, "waiting")
    assert len(good.json()["corrections"]) == 2


def test_those_who_read_only_cannot_correct(as_user: SignIn) -> None:
    people = make_people()
    version = ready(people)
    for name in ("correct_signature", "check_signature", "delete_bytes"):
        url = reverse(f"models_registry:{name}", args=[people.organisation.slug, version.pk])
        assert as_user(people.auditor).post(url).status_code == 403
    archive_system(version.model.system, by=people.owner)
    with pytest.raises(BadInput, match="is archived"):
        correct_signature(version, None, by=people.engineer)
    assert not SignatureCorrection.objects.of(people.organisation).exists()


def test_hostile_documents_are_told_in_words() -> None:
    for said in ({"task": []}, {"columns": [{"name": "\x00" * 30_000}]}, {"x": 1}, {"classes": 5}):
        assert all(each.words for each in problems_of(said))
