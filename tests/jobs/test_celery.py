"""The real Celery worker: it finds work, hears of it over each broker, and stops within seconds."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.models import Worker

ROOT = Path(__file__).parents[2]
REDIS = os.environ.get("ASSAY_TEST_REDIS", "redis://127.0.0.1:6379/7")
RABBIT = os.environ.get("ASSAY_TEST_RABBIT", "amqp://guest:guest@127.0.0.1:5672//")


def _reachable(broker: str) -> bool:
    from kombu import Connection

    with contextlib.suppress(Exception), Connection(broker, connect_timeout=1) as connection:
        connection.ensure_connection(max_retries=1, timeout=2)
        return True
    return False


def _environment(folder: Path, broker: str) -> dict[str, str]:
    return {
        **os.environ,
        "ASSAY_HOME": str(folder),
        "ASSAY_DATABASE_URL": f"sqlite:///{folder / 'celery.sqlite3'}",
        "ASSAY_BROKER_URL": broker,
        # a sweep would come too late for the test: only the message can be what woke the worker
        "ASSAY_SWEEP_SECONDS": "0.3" if broker == "memory://" else "60",
    }


@contextlib.contextmanager
def _worker(environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = ["-m", "celery", "-A", "config.celery", "worker", "--without-mingle", "--without-gossip"]
    process = subprocess.Popen(
        [sys.executable, *command],
        env=environment,
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if b" ready." in line:
                break
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


# What a web process does: the waker is set by config.celery, a job is submitted, and its end is awaited.
_SUBMIT = """
import os, sys, time
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import config.wsgi
from accounts.models import Organisation, User
from accounts.services import create_organisation
from jobs import kinds, services
from jobs.models import Job
class Nobody:
    name = "unknown here"
    def begin(self, job): return [kinds.NewShard({})]
kinds.register(Nobody())
owner = User.objects.create_user("o@example.org")
organisation = create_organisation("Bank", owner)
job = services.submit("unknown here", organisation, organisation.pk)
deadline = time.monotonic() + 15
while not job.events.filter(what="claimed").exists():
    if time.monotonic() > deadline: sys.exit("nobody took it")
    time.sleep(0.02)
print("celery" in sys.modules)
"""


@pytest.mark.parametrize("broker", ["memory://", RABBIT, REDIS], ids=["embedded", "rabbitmq", "redis"])
def test_a_submitted_job_is_begun_and_the_worker_stops_within_seconds(
    broker: str, tmp_path: Path, empty_database: Path
) -> None:
    if broker != "memory://" and not _reachable(broker):
        pytest.skip(f"{broker.split(':')[0]} does not run here")
    environment = _environment(tmp_path, broker)
    shutil.copy(empty_database, tmp_path / "celery.sqlite3")
    with _worker(environment) as worker:
        run = subprocess.run(
            [sys.executable, "-c", _SUBMIT],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stderr[-2_000:]
        # a web process of the embedded installation loads no Celery
        assert run.stdout.strip() == str(broker != "memory://")
        start = time.monotonic()
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
        assert time.monotonic() - start < 10


def test_only_two_modules_import_celery() -> None:
    apps = ("accounts", "audits", "compliance", "config", "jobs", "models_registry", "portal", "remediations")
    found = [
        str(path.relative_to(ROOT))
        for app in (*apps, "assay", "reports", "trail")
        for path in sorted((ROOT / app).rglob("*.py"))
        if any(
            line.lstrip().startswith(("import celery", "from celery", "import kombu", "from kombu"))
            for line in path.read_text().splitlines()
        )
    ]
    assert found == ["config/celery.py", "jobs/tasks.py"]


def test_a_dead_broker_costs_a_submission_seconds_once_and_then_nothing(tmp_path: Path) -> None:
    script = """
import os, time
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import config.wsgi
from jobs import wake
for _ in range(2):
    start = time.monotonic(); wake.wake("cpu"); print(time.monotonic() - start)
"""
    environment = _environment(tmp_path, "amqp://guest:guest@127.0.0.1:1//")
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True, check=True
    )
    first, second = (float(line) for line in run.stdout.split())
    assert first < 5
    assert second < 0.01
    assert "a sweep will find the work" in run.stderr


def test_the_heartbeat_is_what_the_operator_reads(committed: None) -> None:
    from jobs.station import Station, make_slots

    station = Station(make_slots(["cpu"], 3), ["cpu"])
    station._beat()
    station._beat()
    worker = Worker.objects.get(name__contains=f":{os.getpid()}")
    assert (worker.queues, worker.slots) == ("cpu", 3)
    worker.delete()


def test_the_run_script_offers_serve() -> None:
    assert shutil.which("sh")
    shown = subprocess.run(["sh", "run", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "serve [--port 8000]" in shown
