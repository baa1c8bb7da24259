"""What tests of the job engine share: the counting kind, quick leases, and jobs of a fresh organisation."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from jobs import kinds, services
from jobs.models import Job
from tests.conftest import make_people
from tests.jobs.counting import Counting, RetryableCounting


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the service's tables and no rows, to be copied: making the tables takes seconds."""
    home = tmp_path_factory.mktemp("empty")
    environment = {**os.environ, "ASSAY_HOME": str(home), "DJANGO_SETTINGS_MODULE": "config.settings"}
    environment.pop("ASSAY_DATABASE_URL", None)
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], env=environment, cwd=root, check=True)
    return home / "assay.sqlite3"


@pytest.fixture
def counting(committed: None, monkeypatch: pytest.MonkeyPatch) -> Counting:
    """A registered kind whose jobs end as failed for good."""
    kind = Counting()
    monkeypatch.setitem(kinds._KINDS, "counting", kind)
    return kind


@pytest.fixture
def retryable(committed: None, monkeypatch: pytest.MonkeyPatch) -> RetryableCounting:
    """The same, and ended jobs may be tried again."""
    kind = RetryableCounting()
    monkeypatch.setitem(kinds._KINDS, "counting", kind)
    return kind


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set ASSAY_* settings for one test: environment(lease_seconds=0.3)."""

    def change(**values: Any) -> None:
        monkeypatch.setattr(settings, "ENV", settings.ENV.model_copy(update=values))

    return change


@pytest.fixture
def submit(committed: None) -> Callable[..., Job]:
    """Submit a counting job: submit([{"number": 2}], priority=5, strict=True)."""

    def make(
        shards: list[dict[str, Any]],
        *,
        priority: int = 0,
        subject_key: str = "",
        queue: str = "cpu",
        **request: Any,
    ) -> Job:
        people = make_people()
        return services.submit(
            "counting",
            people.organisation,
            people.organisation.pk,
            request={"shards": shards, **request},
            priority=priority,
            subject_key=subject_key,
            queue=queue,
            by=people.engineer,
        )

    return make
