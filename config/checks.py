"""What `manage.py check` looks at besides Django's own: home, secret, database, mail; with --deploy also the
sandbox that models are loaded in."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Tags, Warning, register  # noqa: A004

from assay.report.sandbox_words import layers_of
from assay.runner.sandbox import child_environment, contains

__all__ = ["check_database", "check_home", "check_sandbox", "check_secret", "check_storage"]

_LAYERS = (
    "import json, os; from assay.runner.sandbox import lock_down; print(json.dumps(lock_down(os.getppid())))"
)


@register(Tags.files)
def check_home(app_configs: Sequence[AppConfig] | None = None, **_more: Any) -> list[CheckMessage]:
    """Stored files and keys need a folder that this process can write."""
    home = settings.ENV.home
    try:
        with tempfile.TemporaryFile(dir=home):
            return []
    except OSError as error:
        return [
            Error(
                f"{home} cannot be written: {error.strerror}.",
                hint="Give ASSAY_HOME to the user that runs the service.",
                id="assay.E001",
            )
        ]


@register(Tags.security)
def check_secret(app_configs: Sequence[AppConfig] | None = None, **_more: Any) -> list[CheckMessage]:
    """Files that hold secrets are nobody else's to read."""
    home = settings.ENV.home
    paths = [home / "secret_key", *(Path(p) for name, p in os.environ.items() if _is_secret_file(name))]
    found: list[CheckMessage] = []
    for path in paths:
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            found.append(
                Error(
                    f"Everybody on this machine can read {path}, which holds a secret.",
                    hint=f"chmod o-rwx {path}",
                    id="assay.E002",
                )
            )
    return found


def _is_secret_file(variable: str) -> bool:
    return variable.startswith("ASSAY_") and variable.endswith("_FILE")


@register(Tags.database, deploy=True)
def check_database(app_configs: Sequence[AppConfig] | None = None, **_more: Any) -> list[CheckMessage]:
    """SQLite is for one machine; several workers with a broker want PostgreSQL."""
    sqlite = str(settings.DATABASES["default"]["ENGINE"]).endswith("sqlite3")
    if not sqlite or settings.ENV.broker_url.startswith("memory"):
        return []
    return [
        Warning(
            "A broker wakes several workers, but the database is SQLite: only one process writes at a time.",
            hint="Set ASSAY_DATABASE_URL to a PostgreSQL database.",
            id="assay.W001",
        )
    ]


@register(Tags.security, deploy=True)
def check_sandbox(app_configs: Sequence[AppConfig] | None = None, **_more: Any) -> list[CheckMessage]:
    """Which layers are active in a child of this machine; reports print the same."""
    with tempfile.TemporaryDirectory() as scratch:
        try:
            answer = subprocess.run(
                [sys.executable, "-I", "-c", _LAYERS],
                env=child_environment(os.environ, scratch),
                start_new_session=True,
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            layers: dict[str, bool] = json.loads(answer.stdout)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            return [
                Error(
                    f"The sandboxed child does not start on this machine: {error}.",
                    hint="Workers here could load no model.",
                    id="assay.E003",
                )
            ]
    on = ", ".join(title for title, active in layers_of(layers) if active)
    off = ", ".join(title for title, active in layers_of(layers) if not active)
    if not off:
        return [Info(f"In the sandbox of this machine every layer is on: {on}.", id="assay.I001")]
    what = (
        "Models of strangers are less well contained here"
        if contains(layers)
        else "Only model formats that hold no code (class A) are opened on this machine"
    )
    return [
        Warning(
            f"In the sandbox of this machine these layers are off: {off}. On are: {on or 'none'}.",
            hint=f"{what}; docs/deploy.md says what a host needs. Every report says which layers were on.",
            id="assay.W002",
        )
    ]


@register(Tags.security, deploy=True)
def check_storage(app_configs: Sequence[AppConfig] | None = None, **_more: Any) -> list[CheckMessage]:
    """Whether stored files are encrypted at rest."""
    ring = settings.ENV.keyring
    if ring.first is None:
        return [
            Info(
                "Stored files are not encrypted by Assay.",
                hint="Keep them on an encrypted disk, or set ASSAY_STORAGE_KEY (docs/deploy.md).",
                id="assay.I001",
            )
        ]
    others = f", and {len(ring) - 1} older key(s) open what they sealed" if len(ring) > 1 else ""
    return [
        Info(
            f"Stored files are encrypted (AES-256-GCM) under the key {ring.first.id.hex()}{others}.",
            hint="manage.py rotate_storage_key brings files from before under it.",
            id="assay.I002",
        )
    ]


@register(Tags.security, deploy=True)
def check_address(app_configs: Sequence[AppConfig] | None = None, **_more: Any) -> list[CheckMessage]:
    """Without https, sessions and passwords travel in the clear."""
    if settings.ENV.secure:
        return []
    return [
        Warning(
            f"ASSAY_URL is {settings.ENV.url}: cookies are not marked secure, and there is no HSTS.",
            hint="Put a proxy with a certificate in front, and set ASSAY_URL=https://...",
            id="assay.W003",
        )
    ]
