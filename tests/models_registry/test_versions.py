"""Versions are frozen, numbered, hashed, and made from files of the same organisation only."""

from __future__ import annotations

import uuid

import pytest

from assay.contracts import Lineage
from assay.errors import AssayError, BadInput
from models_registry.description import DataDescription
from models_registry.models import Dataset, DatasetVersion, IntakeState, Model, ModelVersion
from models_registry.services import (
    add_dataset_version,
    add_model_version,
    add_predictions_version,
    archive_system,
    create_dataset,
    create_model,
    create_system,
    read_again,
)
from models_registry.signals import version_changed
from tests.conftest import People
from tests.models_registry.stored import stored
from trail.models import TrailEntry


def made(people: People) -> tuple[Model, Dataset]:
    system = create_system(people.organisation, f"System {uuid.uuid4().hex[:6]}", by=people.engineer)
    return create_model(system, "scorer", by=people.engineer), create_dataset(
        system, "loans", by=people.engineer
    )


def data(people: People, dataset: Dataset, **more: object) -> DatasetVersion:
    values = {"files": {"test": ("loans.csv", stored(people.organisation, b"a,b\n1,2\n"))}, **more}
    description = values.pop("description", DataDescription(label="b"))
    return add_dataset_version(dataset, values.pop("files"), description, by=people.engineer, **values)  # type: ignore[arg-type]


def test_versions_count_within_their_model_and_wait_for_their_job(people: People) -> None:
    model, _ = made(people)
    file = stored(people.organisation, b"{}")
    one = add_model_version(model, {"a/config.json": file}, by=people.engineer, label="3.1")
    two = add_model_version(model, {"model.json": file}, by=people.engineer)
    assert (one.number, two.number, one.state) == (1, 2, IntakeState.WAITING)
    assert one.job is not None
    assert one.job.kind == "model_intake"
    assert [m.path for m in one.members.all()] == ["a/config.json"]
    entry = TrailEntry.objects.get(target_id=one.pk)
    assert entry.facts["files"] == 1
    assert entry.payload.content == {"model": "scorer", "label": "3.1"}


def test_the_same_form_sent_twice_makes_one_version(people: People) -> None:
    model, dataset = made(people)
    file, key = stored(people.organisation, b"{}"), uuid.uuid4()
    first = add_model_version(model, {"m.json": file}, by=people.engineer, key=key)
    assert add_model_version(model, {"m.json": file}, by=people.engineer, key=key) == first
    one = data(people, dataset, key=(other := uuid.uuid4()))
    assert data(people, dataset, key=other) == one
    assert add_predictions_version(model, scores="s", by=people.engineer, key=(p := uuid.uuid4())) == (
        add_predictions_version(model, scores="s", by=people.engineer, key=p)
    )
    assert model.versions.count() == 2


def test_a_key_of_somebody_else_tells_nothing_and_makes_nothing(people: People) -> None:
    model, _ = made(people)
    elsewhere = create_model(
        create_system(people.elsewhere, "Theirs", by=people.outsider), "m", by=people.outsider
    )
    file, key = stored(people.organisation, b"{}"), uuid.uuid4()
    add_model_version(model, {"m.json": file}, by=people.engineer, key=key)
    with pytest.raises(BadInput, match="load the page again"):
        add_model_version(elsewhere, {"m.json": stored(people.elsewhere, b"{}")}, by=people.outsider, key=key)


def test_files_of_another_organisation_cannot_be_used(people: People) -> None:
    model, dataset = made(people)
    theirs = stored(people.elsewhere, b"theirs")
    with pytest.raises(BadInput, match="not there"):
        add_model_version(model, {"m.json": theirs}, by=people.engineer)
    with pytest.raises(BadInput, match="not there"):
        data(people, dataset, files={"test": ("t.csv", theirs)})


def test_a_parent_is_of_the_same_system_and_lineage_is_kept(people: People) -> None:
    model, _ = made(people)
    other, _ = made(people)
    file = stored(people.organisation, b"{}")
    parent = add_model_version(model, {"m.json": file}, by=people.engineer)
    lineage = Lineage(remedy="training.fine_tune", version="1", params={"epochs": 3}, seed=7)
    child = add_model_version(model, {"m.json": file}, by=people.engineer, parent=parent, lineage=lineage)
    assert child.parent == parent
    assert child.lineage is not None
    assert Lineage.model_validate(child.lineage) == lineage
    with pytest.raises(BadInput, match="another system"):
        add_model_version(other, {"m.json": file}, by=people.engineer, parent=parent)


def test_predictions_are_ready_at_once_and_hashed_over_their_description(people: People) -> None:
    model, _ = made(people)
    heard: list[ModelVersion] = []

    def hear(sender: object, version: ModelVersion, **_: object) -> None:
        heard.append(version)

    version_changed.connect(hear)
    try:
        one = add_predictions_version(model, scores=" score ", threshold=0.4, by=people.engineer)
        two = add_predictions_version(model, scores="score", threshold=0.5, by=people.engineer)
        three = add_predictions_version(model, scores="score", threshold=0.4, by=people.engineer)
    finally:
        version_changed.disconnect(hear)
    assert (one.state, one.scores, one.job) == (IntakeState.READY, "score", None)
    assert one.sha256 == three.sha256 != two.sha256
    assert heard == [one, two, three]
    for wrong in ({}, {"predictions": "p", "threshold": 0.5}, {"scores": "s", "threshold": float("nan")}):
        with pytest.raises(BadInput):
            add_predictions_version(model, by=people.engineer, **wrong)  # type: ignore[arg-type]


def test_a_dataset_version_is_hashed_over_roles_files_and_description(people: People) -> None:
    _, dataset = made(people)
    first = data(people, dataset, origin="Core banking", disjoint=True)
    same = data(people, dataset, origin="Elsewhere")
    other_words = data(people, dataset, description=DataDescription(label="a"))
    other_role = data(
        people, dataset, files={"training": ("loans.csv", stored(people.organisation, b"a,b\n1,2\n"))}
    )
    assert first.sha256 == same.sha256
    assert len({first.sha256, other_words.sha256, other_role.sha256}) == 3
    assert (first.disjoint_by, same.disjoint_by) == (people.engineer, None)
    assert TrailEntry.objects.get(target_id=first.pk).facts["attested_disjoint"] is True


def test_roles_are_known_and_lead_somewhere(people: People) -> None:
    _, dataset = made(people)
    file = ("t.csv", stored(people.organisation, b"a\n1\n"))
    for files, why in (
        ({}, "test rows"),
        ({"tuning": file}, "test rows"),
        ({"test": file, "other": file}, "is no row role"),
        ({"training": file, "asked": file}, "beside test rows"),
        ({"test": ("../t.csv", file[1])}, "plainly"),
    ):
        with pytest.raises(BadInput, match=why):
            data(people, dataset, files=files)
    with pytest.raises(BadInput, match="NUL"):
        data(people, dataset, description=DataDescription(label="a\x00"))


def test_an_archived_system_takes_no_versions(people: People) -> None:
    model, dataset = made(people)
    archive_system(model.system, by=people.owner)
    with pytest.raises(BadInput, match="is archived"):
        add_predictions_version(model, scores="s", by=people.engineer)
    with pytest.raises(BadInput, match="is archived"):
        data(people, dataset)


def test_only_what_failed_is_read_again(people: People) -> None:
    model, _ = made(people)
    version = add_model_version(model, {"m.json": stored(people.organisation, b"{}")}, by=people.engineer)
    with pytest.raises(AssayError, match="has not failed"):
        read_again(version, by=people.engineer)
    ModelVersion.unscoped.filter(pk=version.pk).update(state=IntakeState.FAILED)
    before = version.job
    read_again(version, by=people.engineer)
    version.refresh_from_db()
    assert version.state == IntakeState.WAITING
    assert version.job != before
