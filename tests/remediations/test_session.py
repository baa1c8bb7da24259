"""What a remedy is given: training and tuning rows, and never a sealed test row."""

from __future__ import annotations

from pathlib import Path

import pytest

from assay.errors import BadInput
from models_registry.models import DatasetFile
from remediations.session import rows_to_learn_from
from tests import factory
from tests.conftest import People
from tests.remediations.made import learnable_data, trainable_model


def names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "data").rglob("*") if path.is_file()}


def test_sealed_rows_are_neither_asked_for_nor_put_where_a_child_could_find_them(
    people: People, tmp_path: Path
) -> None:
    system = factory.system(people)
    data = learnable_data(system, people.engineer)
    asked = DatasetFile.objects.get(version=data, role="test").file
    DatasetFile.objects.create(version=data, role="asked", file=asked, name="asked.csv")
    request = rows_to_learn_from(tmp_path, trainable_model(system, people.engineer), data)
    assert (request.test, request.asked) == (None, None)
    assert request.training is not None
    assert request.tuning is not None
    assert request.model is not None
    assert names(tmp_path) == {"training.csv", "tuning.csv"}
    sealed = asked.sha256.encode()
    assert sealed not in request.model_dump_json().encode()


def test_an_earlier_models_answers_are_no_inputs(people: People, tmp_path: Path) -> None:
    system = factory.system(people)
    data = learnable_data(system, people.engineer)
    request = rows_to_learn_from(tmp_path, factory.predictions_version(system, people.engineer), data)
    assert (request.model, request.predictions, request.scores, request.threshold) == (None,) * 4


def test_data_without_training_rows_is_refused(people: People, tmp_path: Path) -> None:
    system = factory.system(people)
    data = learnable_data(system, people.engineer, roles=("test", "tuning"))
    with pytest.raises(BadInput, match="has no training rows"):
        rows_to_learn_from(tmp_path, trainable_model(system, people.engineer), data)


def test_one_file_with_a_column_of_roles_leads_as_training(people: People, tmp_path: Path) -> None:
    system = factory.system(people)
    data = learnable_data(system, people.engineer, roles=("test",))
    data.description = {**data.description, "roles_column": "part"}
    data.save()
    request = rows_to_learn_from(tmp_path, trainable_model(system, people.engineer), data)
    assert request.test is None
    assert request.training is not None
    assert (Path(request.training.path).name, request.roles_column) == ("test.csv", "part")
