"""How long the lists and pages of a model with 10,000 versions take, on SQLite and on PostgreSQL.

Run as `python -m benchmarks.versions`, which prints a table. PostgreSQL is the server that
ASSAY_BENCH_POSTGRESQL names; a database is made there and dropped. Each version has the facts, the signature
of 30 columns, the verdict of the gate and the lineage that a read version has, and files of its own.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import uuid
from collections.abc import Iterator
from functools import partial
from typing import Any

from benchmarks.database import in_process, postgresql
from benchmarks.pages import timed

__all__ = ["LIMIT_MS", "run"]

VERSIONS = 10_000
LIMIT_MS = 100.0
_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def run() -> dict[str, Any]:
    """Databases of their own, filled, asked and dropped.

    Returns:
        `versions`, and for `SQLite` and `PostgreSQL` page -> `p50_ms`, `p95_ms`, `cpu_ms`, `queries`, `kb`.
    """
    found: dict[str, Any] = {"versions": VERSIONS}
    for name, place in (("SQLite", _sqlite), ("PostgreSQL", postgresql)):
        with place() as environment:
            found[name] = in_process("benchmarks.versions", "measure", environment)
    return found


@contextlib.contextmanager
def _sqlite() -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as home:
        yield {"ASSAY_HOME": home}


def _measure() -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client

    call_command("migrate", verbosity=0)
    organisation, owner, model, newest, older = _seed()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    from accounts.api_auth import new_token

    client = Client(SERVER_NAME="localhost")
    client.force_login(owner, backend=_BACKEND)
    _token, secret = new_token(owner, organisation, "bench", ["read"])
    headers = {"Authorization": f"Bearer {secret}"}
    here = f"/o/{organisation.slug}"
    places: dict[str, tuple[str, dict[str, Any]]] = {
        "version list": (f"{here}/models/{model.pk}/", {}),
        "version list, page 100": (f"{here}/models/{model.pk}/?page=100", {}),
        "version list, last page": (f"{here}/models/{model.pk}/?page={VERSIONS // 50}", {}),
        "system": (f"{here}/systems/{model.system_id}/", {}),
        "one version": (f"{here}/model-versions/{newest}/", {}),
        "form of a new version": (f"{here}/models/{model.pk}/versions/new/", {}),
        "differences": (f"{here}/models/{model.pk}/differences/?before={older}&after={newest}", {}),
        "API list": (f"/api/v1/models/{model.pk}/versions?limit=50", {"headers": headers}),
        "API list, at 9,900": (
            f"/api/v1/models/{model.pk}/versions?limit=50&offset=9900",
            {"headers": headers},
        ),
    }
    found = {}
    for what, (place, more) in places.items():
        status = client.get(place, **more).status_code
        if status != 200:
            raise RuntimeError(f"{place} answers {status}")
        found[what] = timed(partial(client.get, place, **more))
    return found


def _seed() -> tuple[Any, Any, Any, uuid.UUID, uuid.UUID]:
    """An organisation, its owner, a model, and its newest and an older version."""
    from accounts.models import User
    from accounts.services import create_organisation
    from models_registry.models import ModelVersion, StoredFile, VersionFile
    from models_registry.services import create_model, create_system

    owner = User.objects.create(email="bench@example.org", name="Bench", password="!")
    organisation = create_organisation("Bench", owner)
    system = create_system(organisation, "Loan pre-screen", by=owner)
    model = create_model(system, "scorer", by=owner)
    said = _said()
    versions = [
        ModelVersion(
            organisation=organisation,
            model=model,
            number=number,
            label=f"1.{number}",
            state="ready",
            stage="deployed" if number % 1_000 == 0 else "candidate",
            format="torch_folder",
            sha256=f"{number:064x}",
            notes="Retrained on the data of the week.",
            created_by=owner,
            **said,
        )
        for number in range(1, VERSIONS + 1)
    ]
    for place, version in enumerate(versions[1:], 1):
        version.parent = versions[place - 1] if place % 3 else versions[place // 2]
    ModelVersion.unscoped.bulk_create(versions, batch_size=200)
    file = StoredFile.objects.create(organisation=organisation, sha256="a" * 64, size=48_000)
    VersionFile.objects.bulk_create(
        (
            VersionFile(version=version, file=file, path=path)
            for version in versions
            for path in ("architecture.json", "model.safetensors", "signature.json")
        ),
        batch_size=1_000,
    )
    return organisation, owner, model, versions[-1].pk, versions[-500].pk


def _said() -> dict[str, Any]:
    """What a reading leaves of a model that reads 30 columns."""
    from assay.contracts import GateVerdict, InputColumn, Lineage, ModelFacts, ModelSignature

    columns = [
        InputColumn(
            name=f"amount {n}", kind="number", encoding="standard", mean=n, scale=2, minimum=0, maximum=9
        )
        for n in range(20)
    ] + [
        InputColumn(
            name=f"kind {n}",
            kind="category",
            encoding="one_hot",
            categories=tuple(f"value {c}" for c in range(20)),
        )
        for n in range(10)
    ]
    signature = ModelSignature(
        task="binary", output="logit", classes=("no", "yes"), favourable="yes", columns=tuple(columns)
    )
    verdict = GateVerdict(trust="A", came_as="torch_folder", sha256="b" * 64)
    facts = ModelFacts(
        name="model",
        format="torch_folder",
        sha256="b" * 64,
        architecture="mlp with layers of 128 and 64",
        parameters=36_000,
        weight_bytes=144_000,
        dtype="float32",
        device="cpu",
        gate=verdict,
    )
    lineage = Lineage(remedy="training.fine_tune", version="1", params={"epochs": 8}, seed=7)
    layers = ("namespaces", "landlock", "seccomp", "minimal_environment", "resource_limits")
    return {
        "facts": facts.model_dump(mode="json"),
        "signature": signature.model_dump(mode="json"),
        "gate": verdict.model_dump(mode="json"),
        "lineage": lineage.model_dump(mode="json"),
        "sandbox": {"layers": dict.fromkeys(layers, True)},
    }


def print_table(found: dict[str, Any]) -> None:
    for database in ("SQLite", "PostgreSQL"):
        print(f"{database}, {found['versions']:,} versions: p50, p95, CPU in ms; queries; KB")
        for what, line in found[database].items():
            figures = f"{line['p50_ms']:7.1f} {line['p95_ms']:7.1f} {line['cpu_ms']:7.1f}"
            print(f"  {figures} {line['queries']:4} {line['kb']:5}  {what}")


if __name__ == "__main__":
    if sys.argv[1:] == ["measure"]:
        print(json.dumps(_measure()))
    else:
        print_table(run())
