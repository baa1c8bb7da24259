"""Backup and restore of a whole installation: database, stored files, keys, in one tar file.

The database is copied as of one moment (SQLite's backup API; pg_dump); stored files are only ever added under
their digests, so that what the database names is there when they are copied after it. The tar holds private
keys and personal data: it is written for its owner alone, and belongs on an encrypted disk.

    manifest.json       schema, time, database vendor, heads of all trails
    database            an SQLite file, or pg_dump's custom format
    home/...            files/, authority/, secret_key
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from assay.errors import AssayError, BadInput
from models_registry.files import SEALED, pieces
from trail.models import TrailHead
from trail.services import verify

__all__ = ["back_up", "restore"]

SCHEMA = "assay.backup/1"
_KEPT = ("files", "authority", "secret_key")


def back_up(target: Path) -> dict[str, Any]:
    """Write the installation to `target`, whole or not at all; returns the manifest.

    Raises:
        BadInput: the target exists, or cannot be written.
        AssayError: pg_dump is missing or failed.
    """
    if target.exists():
        raise BadInput(f"{target} exists already; a backup never writes over one. Name a new file.")
    home = Path(settings.ENV.home)
    draft = target.with_name(f".{target.name}.partial")
    with tempfile.TemporaryDirectory(prefix="assay-backup-") as folder:
        database = Path(folder) / "database"
        heads = _dump(database)
        manifest = {
            "schema": SCHEMA,
            "made_at": timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "vendor": connection.vendor,
            "database_sha256": _sha256(database),
            "trail_heads": heads,
        }
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w") as tar:
                _add(tar, "manifest.json", json.dumps(manifest, indent=1).encode())
                tar.add(database, "database")
                for path in _kept_files(home):
                    tar.add(path, f"home/{path.relative_to(home)}", recursive=False)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        except OSError as error:
            raise BadInput(f"{target} could not be written: {error.strerror or error}.") from error
        finally:
            draft.unlink(missing_ok=True)
    return manifest


def restore(source: Path) -> dict[str, Any]:
    """Bring an installation back into an empty home and an empty database; returns the manifest.

    Every stored file is checked against its digest, and every trail against its chain and the backup's head.

    Raises:
        BadInput: this is no backup, it is damaged, or home or database are not empty.
    """
    home = Path(settings.ENV.home)
    _refuse_full(home)
    with tempfile.TemporaryDirectory(prefix="assay-restore-", dir=home) as name:
        folder = Path(name)
        try:
            with tarfile.open(source) as tar:
                tar.extractall(folder, filter="data")
            manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
        except (OSError, tarfile.TarError, ValueError) as error:
            raise BadInput(f"{source} is no backup of Assay, or it is damaged ({error}).") from error
        if manifest.get("schema") != SCHEMA or _sha256(folder / "database") != manifest["database_sha256"]:
            raise BadInput(f"{source} is no backup of this version, or its database is damaged.")
        if manifest["vendor"] != connection.vendor:
            raise BadInput(
                f"The backup is of a {manifest['vendor']} database; set ASSAY_DATABASE_URL to one of "
                "that kind."
            )
        _check_files(folder / "home")
        for kept in _KEPT:
            place = folder / "home" / kept
            if place.exists():
                if (home / kept).is_file():
                    (home / kept).unlink()
                shutil.move(place, home / kept)
        _load(folder / "database")
    for organisation, head in manifest["trail_heads"].items():
        found = TrailHead.objects.filter(organisation_id=organisation).first()
        if found is None or found.hash != head or verify(found.organisation_id) is not None:
            raise AssayError(f"The trail of organisation {organisation} does not hold after the restore.")
    return manifest


def _dump(target: Path) -> dict[str, str]:
    """Copy the database as of one moment; the trails' ends at that moment, by organisation."""
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        copy = sqlite3.connect(target)
        with copy:
            connection.connection.backup(copy)
        rows = copy.execute("SELECT organisation_id, hash FROM trail_trailhead").fetchall()
        copy.close()
        return dict(rows)
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT pg_export_snapshot()")
        (moment,) = cursor.fetchone()
        options = ("--format=custom", "--no-owner", f"--snapshot={moment}", f"--file={target}")
        _run(["pg_dump", *options, _address()])
        return {str(head.organisation_id): head.hash for head in TrailHead.objects.all()}


def _load(source: Path) -> None:
    if connection.vendor == "sqlite":
        place = Path(str(connection.settings_dict["NAME"]))
        connection.close()
        for rest in ("-wal", "-shm"):
            place.with_name(place.name + rest).unlink(missing_ok=True)
        shutil.copyfile(source, place)
        place.chmod(0o600)
        return
    connection.close()
    _run(["pg_restore", "--no-owner", "--single-transaction", f"--dbname={_address()}", str(source)])


def _address() -> str:
    """A connection string without the password, which goes into the environment."""
    from psycopg.conninfo import make_conninfo

    known = connection.settings_dict
    parts = {"dbname": "NAME", "user": "USER", "host": "HOST", "port": "PORT"}
    place = {key: str(known[name]) for key, name in parts.items() if known[name]}
    return make_conninfo(**place, **known["OPTIONS"])


def _run(command: list[str]) -> None:
    environment = {**os.environ, "PGPASSWORD": str(connection.settings_dict["PASSWORD"] or "")}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise AssayError(f"{command[0]} is not installed; it comes with PostgreSQL's client tools.") from None
    if done.returncode:
        raise AssayError(f"{command[0]} failed: {done.stderr.strip().splitlines()[-1][:300]}.")


def _kept_files(home: Path) -> Iterator[Path]:
    """Files as they lie when it is their turn: a rotation of keys may seal or open them meanwhile."""
    given: set[Path] = set()
    for kept in _KEPT:
        place = home / kept
        for listed in sorted(place.rglob("*")) if place.is_dir() else [place]:
            path = listed if listed.exists() else _otherwise(listed)
            if path.is_file() and not path.is_symlink() and path.name[0] != "." and path not in given:
                given.add(path)
                yield path


def _otherwise(path: Path) -> Path:
    """Where a file lies sealed that lay in the clear, or the other way round."""
    if path.name.endswith(SEALED):
        return path.with_name(path.name.removesuffix(SEALED))
    return path.with_name(path.name + SEALED)


def _check_files(home: Path) -> None:
    """Every stored file still has the digest that is its name; the keys of sealed ones are at hand."""
    for path in sorted(home.glob("files/*/content/??/*")):
        try:
            for _piece in pieces(path.with_name(path.name.removesuffix(SEALED))):
                pass
        except BadInput as error:
            raise BadInput(f"The backup cannot be brought back: {error.message}") from None


def _refuse_full(home: Path) -> None:
    if any((home / kept).exists() for kept in ("files", "authority")):
        raise BadInput(f"{home} holds an installation already; set ASSAY_HOME to an empty folder.")
    if connection.vendor == "sqlite":
        place = Path(str(connection.settings_dict["NAME"]))
        full = place.exists() and place.stat().st_size > 0
    else:
        full = bool(connection.introspection.table_names())
    if full:
        raise BadInput("The database is not empty; restore into a new one.")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o600
    tar.addfile(member, io.BytesIO(content))
