"""`manage.py check` finds what would hurt in production; with https nothing is left to say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.checks import CheckMessage

from config import checks


def _check(home: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        env={"ASSAY_HOME": str(home), "PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_deployment_behind_https_is_clean(tmp_path: Path) -> None:
    answer = _check(tmp_path, ASSAY_URL="https://assay.example.org")
    assert answer.returncode == 0, answer.stderr
    assert "every layer is on" in answer.stderr
    assert "assay.W" not in answer.stderr
    assert "WARNING" not in answer.stderr
    assert "Stored files are not encrypted by Assay" in answer.stderr, "it says so, and that is no fault"
    sealed = _check(tmp_path, ASSAY_URL="https://assay.example.org", ASSAY_STORAGE_KEY="11" * 32)
    assert sealed.returncode == 0, sealed.stderr
    assert "are encrypted (AES-256-GCM)" in sealed.stderr


def test_without_https_it_says_so(tmp_path: Path) -> None:
    answer = _check(tmp_path)
    assert answer.returncode == 1
    assert "assay.W003" in answer.stderr


def _ids(found: list[CheckMessage]) -> list[str]:
    return [str(message.id) for message in found]


def test_a_home_that_cannot_be_written_is_an_error(settings: object, tmp_path: Path) -> None:
    settings.ENV = settings.ENV.model_copy(update={"home": tmp_path / "missing"})  # type: ignore[attr-defined]
    assert _ids(checks.check_home()) == ["assay.E001"]


def test_a_secret_that_everybody_can_read_is_an_error(
    settings: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ENV = settings.ENV.model_copy(update={"home": tmp_path})  # type: ignore[attr-defined]
    secret = tmp_path / "database_url"
    secret.write_text("postgresql://u:p@h/d")
    secret.chmod(0o644)
    monkeypatch.setenv("ASSAY_DATABASE_URL_FILE", str(secret))
    assert _ids(checks.check_secret()) == ["assay.E002"]
    secret.chmod(0o640)
    assert checks.check_secret() == []


def test_several_workers_on_sqlite_are_warned_about(settings: object) -> None:
    if not settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # type: ignore[attr-defined]
        pytest.skip("the database is PostgreSQL here")
    settings.ENV = settings.ENV.model_copy(update={"broker_url": "redis://127.0.0.1"})  # type: ignore[attr-defined]
    assert _ids(checks.check_database()) == ["assay.W001"]


def test_the_sandbox_of_this_machine_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    (found,) = checks.check_sandbox()
    assert found.id in ("assay.I001", "assay.W002")
    assert "minimal environment" in found.msg
    monkeypatch.setattr(checks, "_LAYERS", 'print(\'{"landlock": false, "own_session": true}\')')
    found = checks.check_sandbox()
    assert _ids(found) == ["assay.W002"]
    assert "Landlock (files)" in found[0].msg
    assert "On are: session of its own" in found[0].msg
    assert "class A" in str(found[0].hint)
    monkeypatch.setattr(checks, "_LAYERS", "raise SystemExit(3)")
    assert _ids(checks.check_sandbox()) == ["assay.E003"]
