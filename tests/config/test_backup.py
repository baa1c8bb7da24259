"""A backup brings an installation back elsewhere, and a damaged one is refused; on the real database."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.backup import _kept_files

ROOT = Path(__file__).resolve().parents[2]
_FILL = """
import django; django.setup()
import numpy as np
from assay.endpoints.kept import KeptAnswers
from models_registry.files import ANSWERS, root_of
from tests import factory
from tests.conftest import make_people
from tests.warm import fresh_children
with fresh_children():
    run = factory.measured_run(make_people())
assert run.state == "done", run.reason
kept = KeptAnswers("endpoint", root_of(run.organisation_id) / ANSWERS / f"{run.subject_id}.npz")
kept.put(bytes(16), np.array([0.25, 0.75]), False)
kept.save()
print(run.pk, run.snapshot_digest)
"""
_CHECK = """
import django; django.setup()
import sys
from django.conf import settings
from assay.endpoints.kept import KeptAnswers
from audits.models import Run
from audits.planning import evidence_of
from models_registry.files import ANSWERS, root_of
run = Run.unscoped.get(pk=sys.argv[1])
assert evidence_of(run).snapshot_digest == sys.argv[2]
path = root_of(run.organisation_id) / ANSWERS / f"{run.subject_id}.npz"
answers = KeptAnswers("endpoint", path, settings.ENV.keyring)
outputs, unmatched = answers.get(bytes(16))
assert (outputs.tolist(), unmatched) == ([0.25, 0.75], False)
assert path.exists() != bool(settings.ENV.storage_key), "sealed where there is a key, else in the clear"
print(run.measures.count())
"""
_WORK = """
import django; django.setup()
from accounts.models import Organisation
from trail.services import record
bank, _made = Organisation.objects.get_or_create(slug="bank", defaults={"name": "Bank"})
record(bank.pk, "organisation.changed", "organisation", bank.pk)
"""


class Place:
    """An installation: a home and a database of its own."""

    def __init__(self, home: Path) -> None:
        self.environment = {**os.environ, "ASSAY_HOME": str(home), "OMP_NUM_THREADS": "1"}
        self.environment["DJANGO_SETTINGS_MODULE"] = "config.settings"
        self.database = ""
        server = os.environ.get("ASSAY_DATABASE_URL", "")
        if server.startswith("postgres"):
            self.database = f"backup_{uuid.uuid4().hex[:12]}"
            self._server(f"CREATE DATABASE {self.database}")
            self.environment["ASSAY_DATABASE_URL"] = f"{server.rpartition('/')[0]}/{self.database}"

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            env={**self.environment, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.python("manage.py", *arguments)

    def drop(self) -> None:
        if self.database:
            self._server(f"DROP DATABASE {self.database} WITH (FORCE)")

    def _server(self, statement: str) -> None:
        import psycopg

        with psycopg.connect(os.environ["ASSAY_DATABASE_URL"], autocommit=True) as server:
            server.execute(statement)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Place]]:
    names = ("first", "second", "third", "fourth", "fifth", "sixth")
    made = [Place(tmp_path_factory.mktemp(name)) for name in names]
    yield made
    for place in made:
        place.drop()


def test_an_installation_comes_back_whole_and_damage_is_refused(places: list[Place], tmp_path: Path) -> None:
    first, second, third, fourth, *_ = places
    assert first.manage("migrate", "-v0").returncode == 0
    filled = first.python("-W", "ignore", "-c", _FILL)
    assert filled.returncode == 0, filled.stderr
    run, snapshot = filled.stdout.split()
    backup = tmp_path / "assay.tar"
    made = first.manage("backup", str(backup))
    assert made.returncode == 0, made.stderr
    assert backup.stat().st_mode & 0o077 == 0
    assert "exists already" in first.manage("backup", str(backup)).stderr
    back = second.manage("restore", str(backup))
    assert back.returncode == 0, back.stderr
    assert int(second.python("-c", _CHECK, run, snapshot).stdout) > 10
    assert "already" in second.manage("restore", str(backup)).stderr

    damaged = tmp_path / "damaged.tar"
    content = bytearray(backup.read_bytes())
    with tarfile.open(backup) as tar:
        stored = next(m for m in tar if "/content/" in m.name and m.size > 100)
    content[stored.offset_data + 50] ^= 1
    damaged.write_bytes(bytes(content))
    refused = third.manage("restore", str(damaged))
    assert refused.returncode != 0
    assert "has another digest" in refused.stderr

    # Sealed meanwhile: the backup is as sealed as the files are, and comes back where the key is.
    first.environment["ASSAY_STORAGE_KEY"] = "11" * 32
    rotated = first.manage("rotate_storage_key")
    assert rotated.returncode == 0, rotated.stderr
    assert " 0 opened, 0 left as they were" in rotated.stdout
    sealed = tmp_path / "sealed.tar"
    assert first.manage("backup", str(sealed)).returncode == 0
    refused = fourth.manage("restore", str(sealed))
    assert "which ASSAY_STORAGE_KEY does not hold" in refused.stderr
    fourth.environment["ASSAY_STORAGE_KEY"] = "22" * 32 + " " + "11" * 32
    back = fourth.manage("restore", str(sealed))
    assert back.returncode == 0, back.stderr
    assert int(fourth.python("-c", _CHECK, run, snapshot).stdout) > 10


def test_a_backup_of_a_service_at_work_comes_back(places: list[Place], tmp_path: Path) -> None:
    *_, first, second = places
    if not first.database:
        pytest.skip("SQLite copies itself, so that no program stands between the copy and its trails' ends")
    assert first.manage("migrate", "-v0").returncode == 0
    made = first.python("-c", _WORK)
    assert made.returncode == 0, made.stderr
    dump = tmp_path / "pg_dump"
    work = shlex.join([sys.executable, "-c", _WORK])
    dump.write_text(f'#!/bin/sh\n{shutil.which("pg_dump")} "$@" && exec {work}\n')
    dump.chmod(0o755)
    first.environment["PATH"] = f"{tmp_path}:{first.environment['PATH']}"
    kept = first.manage("backup", str(tmp_path / "assay.tar"))
    assert kept.returncode == 0, kept.stderr
    back = second.manage("restore", str(tmp_path / "assay.tar"))
    assert back.returncode == 0, back.stderr


def test_a_file_that_is_sealed_or_opened_while_others_are_kept_is_kept_too(tmp_path: Path) -> None:
    place = tmp_path / "files" / "bank" / "content" / "aa"
    place.mkdir(parents=True)
    for name in ("1", "2", "3.sealed", "4"):
        (place / name).write_bytes(b"x")
    kept = _kept_files(tmp_path)
    found = [next(kept).name]
    (place / "2").rename(place / "2.sealed")
    (place / "3.sealed").rename(place / "3")
    (place / "4").unlink()
    found += [path.name for path in kept]
    assert found == ["1", "2.sealed", "3"]
