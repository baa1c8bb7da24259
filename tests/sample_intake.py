"""What came into the sample's registry through the real gate: data with columns apart, files, an address."""

from __future__ import annotations

import csv
import io
from typing import Any

import numpy as np
from django.conf import settings

from assay.contracts import EndpointRequest, InputColumn, ModelSignature
from models_registry.description import DataDescription
from models_registry.endpoints import add_endpoint_version
from models_registry.models import AISystem, DatasetVersion
from models_registry.services import (
    add_dataset_version,
    add_model_version,
    create_dataset,
    create_model,
    create_system,
)
from tests import factory
from tests.conftest import People
from tests.endpoint_server import served
from tests.models_registry.stored import PICKLE, folder, stored

__all__ = ["taken_in"]

_SIGNATURE = ModelSignature(
    task="binary",
    output="probability",
    classes=("no", "yes"),
    columns=(InputColumn(name="income", kind="number", encoding="standard", mean=1_500, scale=2_000),),
)


def taken_in(people: People) -> dict[str, Any]:
    """Two versions of data with attributes kept apart, files read and refused, a model behind an address."""
    system = create_system(
        people.organisation, "Flat allocation", by=people.engineer, purpose="Ranks who is offered a flat."
    )
    rows = _data(people, system) | _files(people, system)
    factory.run_jobs()
    with served([1.0]) as server:
        before = settings.ENV
        allowed = {"endpoint_hosts": server.url.partition("//")[2], "endpoint_private": True}
        settings.ENV = before.model_copy(update=allowed)
        try:
            request = EndpointRequest(
                url=server.url, protocol="open_inference_v2", model="tiny", signature=_SIGNATURE
            )
            behind = create_model(system, "behind an address", by=people.engineer)
            rows["endpoint"] = add_endpoint_version(behind, request, by=people.engineer)
            factory.run_jobs()
        finally:
            settings.ENV = before
    return rows


def _data(people: People, system: AISystem) -> dict[str, Any]:
    dataset = create_dataset(system, "applicants", by=people.engineer)

    def version(seed: int, **shape: Any) -> DatasetVersion:
        files = {
            "test": ("applicants.csv", stored(people.organisation, _applicants(seed, **shape))),
            "attributes": ("kept_apart.csv", stored(people.organisation, _attributes(380))),
        }
        said = DataDescription(label="granted", favourable="yes", identifier="id", attributes_id="person")
        made: DatasetVersion = add_dataset_version(
            dataset,
            files,
            said,
            by=people.engineer,
            origin="The housing office's own applications, January to June.",
            licence="Own data",
            consent_basis="Consent on the application form.",
            period="2031-01 to 2031-06",
            disjoint=True,
        )
        return made

    return {"applicants": version(1), "applicants_later": version(2, raised=400, moved=True)}


def _files(people: People, system: AISystem) -> dict[str, Any]:
    model = create_model(system, "ranker", by=people.engineer)

    def version(files: dict[str, bytes]) -> Any:
        kept = {path: stored(people.organisation, content) for path, content in files.items()}
        return add_model_version(model, kept, by=people.engineer)

    return {
        "read": version(folder()),
        "read_later": version(folder(0.5)),
        "stopped": version({"model.pkl": PICKLE}),
    }


def _applicants(seed: int, rows: int = 400, raised: float = 0.0, moved: bool = False) -> bytes:
    rng = np.random.default_rng(seed)
    income = np.round(rng.gamma(4.0, 400, rows) + raised)
    household = rng.integers(1, 6, rows)
    district = rng.choice(["north", "south", "west", *(["east"] if moved else [])], rows)
    granted = np.where(income + rng.normal(0, 500, rows) > 1_500, "yes", "no")
    columns: dict[str, Any] = {
        "id": [f"P{i}" for i in range(rows)],
        "granted": granted,
        "income": income,
        "household": household,
        "district": district,
    }
    if moved:
        columns["waited_months"] = rng.integers(0, 60, rows)
    return _csv(columns)


def _attributes(rows: int) -> bytes:
    rng = np.random.default_rng(7)
    return _csv(
        {
            "person": [f"P{i}" for i in range(rows)],
            "sex": rng.choice(["Female", "Male"], rows),
            "age_group": rng.choice(["18-29", "30-49", "50+"], rows),
        }
    )


def _csv(columns: dict[str, Any]) -> bytes:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue().encode()
