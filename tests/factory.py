"""Registered systems, models, data and measured runs for the service's tests; everything really runs."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connections

from accounts.models import User
from audits.models import Run
from audits.services import draft_run
from jobs.worker import Slot
from models_registry import files
from models_registry.models import (
    AISystem,
    Dataset,
    DatasetFile,
    DatasetVersion,
    IntakeState,
    Model,
    ModelVersion,
    VersionFile,
)
from tests.command import loans, write_csv
from tests.conftest import People
from tests.models.made import linear_folder, number
from tests.warm import warm_children

__all__ = [
    "data_version",
    "measured_run",
    "model_version",
    "predictions_version",
    "run_jobs",
    "system",
    "working",
]


def run_jobs() -> int:
    """Work off every job in this process, as a worker would."""
    slot = Slot(["cpu", "gpu"])
    try:
        with warm_children():
            return slot.work()
    finally:
        slot.close()


@contextmanager
def working() -> Iterator[None]:
    """A worker beside the caller, in a thread of its own."""
    over = threading.Event()

    def work() -> None:
        slot = Slot(["cpu"])
        try:
            while not over.wait(0.1):
                slot.work()
        finally:
            slot.close()
            connections.close_all()  # PostgreSQL's would outlive the thread

    worker = threading.Thread(target=work)
    worker.start()
    try:
        with warm_children():
            yield
    finally:
        over.set()
        worker.join()


def system(people: People, name: str = "Loan pre-screen") -> AISystem:
    number_ = AISystem.objects.of(people.organisation).count() + 1
    return AISystem.objects.create(
        organisation=people.organisation,
        number=number_,
        name=name,
        purpose="Shortlists loan applications.",
        owner=people.owner,
        created_by=people.engineer,
    )


def data_version(
    system_: AISystem, by: User, rows: int = 400, gap: float = 0.0, **description: Any
) -> DatasetVersion:
    """A test file of loans with label `repaid`, sensitive `sex`, and columns of predictions that
    favour men by `gap`."""
    columns = loans(rows, gap)
    dataset = Dataset.unscoped.filter(system=system_).first() or Dataset.objects.create(
        organisation=system_.organisation, system=system_, name="loans", created_by=by
    )
    version: DatasetVersion = DatasetVersion.objects.create(
        organisation=system_.organisation,
        dataset=dataset,
        number=dataset.versions.count() + 1,
        description={"label": "repaid", "sensitive": ["sex"], **description},
        state=IntakeState.READY,
        created_by=by,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = write_csv(Path(folder) / "loans.csv", columns)
        stored = files.keep(system_.organisation, [path.read_bytes()])
    DatasetFile.objects.create(version=version, role="test", file=stored, name="loans.csv")
    return version


def model_version(system_: AISystem, by: User, weight: float = 1.0) -> ModelVersion:
    """A linear torch_folder that reads income."""
    version = _version(system_, by, source="artefact")
    with tempfile.TemporaryDirectory() as name:
        folder = linear_folder(Path(name) / "linear", [number("income", mean=1_500, scale=2_000)], [weight])
        for path in sorted(folder.iterdir()):
            stored = files.keep(system_.organisation, [path.read_bytes()])
            VersionFile.objects.create(version=version, file=stored, path=path.name)
    return version


def predictions_version(system_: AISystem, by: User) -> ModelVersion:
    """Predictions that came in the data: no model to load, so audits of it take a second."""
    return _version(system_, by, source="predictions", predictions="approved", scores="score")


def measured_run(
    people: People, *, policy: Any = None, model: ModelVersion | None = None, **more: Any
) -> Run:
    """An audit that has run; of supplied predictions unless a model is given."""
    system_ = (
        model.model.system if model is not None else system(people, f"System {AISystem.unscoped.count()}")
    )
    version = model or predictions_version(system_, people.engineer)
    data = more.pop("data", None) or data_version(system_, people.engineer)
    run = draft_run(
        version, data, by=people.engineer, policy=policy, tier="quick", start_when_ready=True, **more
    )
    run_jobs()
    run.refresh_from_db()
    return run


def _version(system_: AISystem, by: User, **values: Any) -> ModelVersion:
    model = Model.unscoped.filter(system=system_).first() or Model.objects.create(
        organisation=system_.organisation, system=system_, name="scorer", created_by=by
    )
    made: ModelVersion = ModelVersion.objects.create(
        organisation=system_.organisation,
        model=model,
        number=model.versions.count() + 1,
        state=IntakeState.READY,
        created_by=by,
        **values,
    )
    return made
