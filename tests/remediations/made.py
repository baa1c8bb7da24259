"""A model that can be trained further, its training rows, and an audit of it: all small and really made."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from accounts.models import User
from assay.loading import load_subject
from audits.models import Run, RunState
from audits.services import draft_run
from models_registry import files
from models_registry.description import lay_out, request_of
from models_registry.models import (
    AISystem,
    Dataset,
    DatasetFile,
    DatasetVersion,
    IntakeState,
    ModelVersion,
    VersionFile,
)
from remediations.models import RemedyRun, RemedyState
from tests import factory
from tests.command import write_csv
from tests.conftest import People
from tests.models.made import linear_folder, number, two_gaussians

__all__ = ["METHODS", "answered", "audited", "drafted", "learnable_data", "trainable_model"]

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


def drafted(people: People, roles: tuple[str, ...] = tuple(ROWS), *, supplied: bool = False) -> Run:
    """An audit for pages: its subject was really read, in this process; that it was measured is made up."""
    system = factory.system(people, f"Scores {AISystem.unscoped.count()}")
    data = learnable_data(system, people.engineer, roles)
    if supplied:
        data.description = {**data.description, "label": "label"}
        version = factory.predictions_version(system, people.engineer)
        version.predictions, version.scores = "label", ""
        version.save()
    else:
        version = trainable_model(system, people.engineer)
    run = draft_run(version, data, by=people.engineer, methods=METHODS)
    subject = run.subject
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lay_out(folder, version, data)
        request = request_of(folder, version, data, device="cpu")
        if supplied:
            request = request.model_copy(update={"predictions": None, "label": "label"})
        loaded = load_subject(request, folder)
        subject.profile = loaded.subject.profile.model_dump(mode="json")
        subject.rows_per_second = loaded.rows_per_second
    subject.state = IntakeState.READY
    subject.save()
    run.state, run.snapshot_digest = RunState.DONE, "5" * 64
    run.save()
    return run


def answered(remedy: RemedyRun, *, word: str = "Accuracy", exit_code: int = 0) -> RemedyRun:
    """The remedy as it stands when the loop is closed, with numbers that are made up."""
    entry = {
        "id": "performance.accuracy",
        "title": word,
        "pillar": "performance",
        "before": 0.7,
        "after": 0.8,
        "change": 0.1,
        "low": 0.05,
        "high": 0.15,
        "level": 0.95,
        "interval_method": "paired bootstrap",
        "tolerance": 0.01,
        "reading": "better",
        "unit": "share",
        "note": word,
    }
    curve = {
        "id": "training.loss",
        "title": word,
        "method": remedy.remedy,
        "columns": [
            {"name": "epoch", "unit": "count", "values": [1, 2, 3]},
            {"name": "training loss", "unit": "loss", "values": [0.9, 0.5, 0.4]},
            {"name": "tuning loss", "unit": "loss", "values": [0.8, 0.6, 0.55]},
            {"name": "tuning accuracy", "unit": "share", "values": [0.6, 0.7, 0.75]},
        ],
        "note": word,
    }
    parent = remedy.model_version
    remedy.candidate = ModelVersion.objects.create(
        organisation=remedy.organisation,
        model=parent.model,
        number=parent.model.versions.count() + 1,
        label=f"{parent.number} {remedy}",
        parent=parent,
        sha256="c" * 64,
        state=IntakeState.READY,
        created_by=remedy.created_by,
        lineage={
            "remedy": remedy.remedy,
            "rows": {"training": 600, "tuning": 200},
            "figures": {"tuning_loss_before": 0.9, "tuning_loss_after": 0.55, "parameters_after": 6},
            "notes": [word],
            "loss_curves": [curve],
        },
    )
    remedy.run = draft_run(
        remedy.candidate, remedy.dataset_version, by=remedy.created_by, trigger="remedy", methods=METHODS
    )
    remedy.gate = {
        "exit_code": exit_code,
        "sentence": f"Let through: {word}.",
        "reasons": [word],
    }
    remedy.changes = {
        "statements": [word],
        "counts": {"better": 2},
        "decisive": [entry],
        "moved": [{**entry, "id": "performance.f1", "reading": "worse"}],
        "moved_total": 3,
        "verdict_changes": [
            {
                "rule": "r",
                "title": word,
                "pillar": "performance",
                "over": None,
                "before": "fail",
                "after": "pass",
            }
        ],
    }
    remedy.state = RemedyState.DONE
    remedy.save()
    return remedy
