"""Alive, ready, measured: without secrets, and figures only for those who may read them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from django.test import Client

from config import health
from jobs.models import Job, Shard
from tests.conftest import People


def test_alive(db: None) -> None:
    assert Client().get("/health/live").json() == {"live": True}


def test_ready_says_what_was_looked_at(people: People) -> None:
    answer = Client().get("/health/ready")
    assert answer.status_code == 200
    told = answer.json()
    assert told["ready"] is True
    assert set(told) == {"ready", "database", "migrations", "files", "oldest_claimable_seconds"}
    job = Job.objects.create(organisation=people.organisation, kind="x", target_id=people.organisation.pk)
    Shard.objects.create(job=job, stage=0, index=0, queue="cpu", claimable_at=1.0)
    assert Client().get("/health/ready").json()["oldest_claimable_seconds"] > 1e9


def test_not_ready_is_503_and_tells_no_secret(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> bool:
        raise OSError("/secret/place cannot be reached with password hunter2")

    monkeypatch.setitem(health._CHECKS, "files", broken)
    answer = Client().get("/health/ready")
    assert answer.status_code == 503
    assert answer.json()["files"] is False
    assert "hunter2" not in answer.content.decode()


def test_figures_are_for_this_machine_or_for_the_token(people: People, settings: object) -> None:
    Job.objects.create(organisation=people.organisation, kind="audit", target_id=people.organisation.pk)
    text = Client().get("/metrics").content.decode()
    assert 'assay_jobs{kind="audit",state="waiting"} 1.0' in text
    assert "assay_oldest_claimable_seconds" in text
    assert people.organisation.slug not in text
    assert Client().get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 403
    assert Client().get("/metrics", headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 403
    settings.ENV = settings.ENV.model_copy(update={"metrics_token": "s3cret"})  # type: ignore[attr-defined]
    assert Client().get("/metrics").status_code == 403
    assert Client().get("/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 403
    assert Client().get("/metrics", headers={"Authorization": "Bearer s3cret"}).status_code == 200


_LOAD = """
import django, os, sys
django.setup()
from django.urls import get_resolver
from django.core.management import get_commands
def walk(patterns):
    for one in patterns:
        walk(one.url_patterns) if hasattr(one, "url_patterns") else one.callback
walk(get_resolver().url_patterns)
import config.wsgi
from django.test import Client
Client(headers={"host": "127.0.0.1"}).get("/accounts/login/")
heavy = {"torch", "pyarrow", "transformers", "shap", "sklearn", "xgboost", "celery.app.base"}
heavy = sorted(heavy & set(sys.modules))
pages = int(open("/proc/self/statm").read().split()[1])
print(heavy, pages * os.sysconf("SC_PAGE_SIZE") // 2**20)
"""


def test_the_web_process_loads_every_url_without_torch_in_less_than_200_mb(tmp_path: object) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", _LOAD],
        env={"ASSAY_HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "config.settings", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert answer.returncode == 0, answer.stderr
    heavy, megabytes = answer.stdout.strip().splitlines()[-1].rsplit(" ", 1)
    print(f"{megabytes} MB")
    assert heavy == "[]"
    assert int(megabytes) < 200
