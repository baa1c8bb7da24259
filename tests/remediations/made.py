"""A model that can be trained further, its training rows, and an audit of it: all small and really made."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from accounts.models import User
from audits.models import Run
from models_registry import files
from models_registry.models import (
    AISystem,
    Dataset,
    DatasetFile,
    DatasetVersion,
    IntakeState,
    ModelVersion,
    VersionFile,
)
from tests import factory
from tests.command import write_csv
from tests.conftest import People
from tests.models.made import linear_folder, number, two_gaussians

__all__ = ["METHODS", "audited", "learnable_data", "trainable_model", "without_training"]

METHODS = ["performance.classification", "fairness.group_rates"]
ROWS = {"training": (600, 1), "tuning": (200, 2), "test": (300, 3)}


def learnable_data(system: AISystem, by: User, roles: tuple[str, ...] = tuple(ROWS)) -> DatasetVersion:
    """Two Gaussians: x1 tells the label, x2 nothing; `sex` is sensitive."""
    dataset = Dataset.unscoped.filter(system=system).first() or Dataset.objects.create(
        organisation=system.organisation, system=system, name="gaussians", created_by=by
    )
    version: DatasetVersion = DatasetVersion.objects.create(
        organisation=system.organisation,
        dataset=dataset,
        number=dataset.versions.count() + 1,
        description={"label": "label", "sensitive": ["sex"], "favourable": "yes"},
        state=IntakeState.READY,
        created_by=by,
    )
    with tempfile.TemporaryDirectory() as folder:
        for role in roles:
            path = write_csv(Path(folder) / f"{role}.csv", two_gaussians(*ROWS[role]))
            stored = files.keep(system.organisation, [path.read_bytes()])
            DatasetFile.objects.create(version=version, role=role, file=stored, name=path.name)
    return version


def trainable_model(system: AISystem, by: User) -> ModelVersion:
    """A linear network that reads x1 and x2 and weighs the one that tells nothing."""
    version = factory.predictions_version(system, by)
    version.source, version.predictions, version.scores = ModelVersion.Source.ARTEFACT, "", ""
    version.save()
    with tempfile.TemporaryDirectory() as name:
        columns = [number("x1", mean=1.0, scale=1.4), number("x2")]
        folder = linear_folder(Path(name) / "linear", columns, [0.4, 0.6])
        for path in sorted(folder.iterdir()):
            stored = files.keep(system.organisation, [path.read_bytes()])
            VersionFile.objects.create(version=version, file=stored, path=path.name)
    return version


def audited(people: People, **more: Any) -> Run:
    """A measured audit of that model on those rows."""
    system = factory.system(people, f"Scores {AISystem.unscoped.count()}")
    data = learnable_data(system, people.engineer)
    model = trainable_model(system, people.engineer)
    return factory.measured_run(people, model=model, data=data, methods=METHODS, **more)


def without_training(people: People) -> Run:
    """A measured audit of supplied predictions, on data that has test rows only."""
    return factory.measured_run(people)
