"""`./run serve`: web and worker come up together, stay up, and go down together."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


class Served(NamedTuple):
    process: subprocess.Popen[str]
    address: str
    said: str


def _free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def _start(home: Path, port: int) -> subprocess.Popen[str]:
    environment = {**os.environ, "ASSAY_HOME": str(home)}
    environment.pop("ASSAY_DATABASE_URL", None)
    return subprocess.Popen(
        [sys.executable, "manage.py", "serve", "--port", str(port)],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    port = _free_port()
    process = _start(tmp_path_factory.mktemp("home"), port)
    said = ""
    assert process.stdout is not None
    for line in process.stdout:
        said += line
        if "Ctrl-C" in line:
            break
    address = f"http://127.0.0.1:{port}"
    _await(lambda: _status(address) == 200)
    yield Served(process, address, said)
    if process.poll() is None:
        process.terminate()
    process.communicate(timeout=30)


def _await(reached: object, seconds: float = 30.0) -> None:
    assert callable(reached)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if reached():
                return
        time.sleep(0.05)
    raise AssertionError("did not come about in time")


def _status(address: str) -> int:
    with urllib.request.urlopen(f"{address}/accounts/login/", timeout=20) as answer:
        return int(answer.status)


def _tree(process: int) -> dict[int, str]:
    """Process id -> command line of everything below."""
    found: dict[int, str] = {}
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in task.read_text().split():
                found[int(child)] = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
                found |= _tree(int(child))
    return found


def test_it_prints_the_address_and_the_first_password(served: Served) -> None:
    assert served.address in served.said
    assert re.search(r"Sign in as\s+admin@localhost.local\s+password\s+\S{12,}", served.said)


def test_the_web_process_has_no_torch_and_stays_below_200_mb(served: Served) -> None:
    for path in ("/accounts/login/", "/api/v1/openapi.json", "/admin/login/"):
        with contextlib.suppress(urllib.error.HTTPError):
            urllib.request.urlopen(served.address + path, timeout=20).read()
    web = [pid for pid, command in _tree(served.process.pid).items() if "gunicorn" in command]
    assert web
    for pid in web:
        assert "torch" not in Path(f"/proc/{pid}/maps").read_text()
        memory = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
        assert memory is not None
        assert int(memory[1]) < 200 * 1024


def test_reports_that_the_worker_prints_name_the_address_where_it_is_served(served: Served) -> None:
    [worker] = [pid for pid, command in _tree(served.process.pid).items() if "celery" in command]
    assert f"ASSAY_URL={served.address}" in Path(f"/proc/{worker}/environ").read_text().split("\0")


def test_a_taken_port_is_one_sentence(served: Served, tmp_path: Path) -> None:
    second = _start(tmp_path, int(served.address.rsplit(":", 1)[1]))
    _, said = second.communicate(timeout=60)
    assert second.returncode == 1
    assert len(said.strip().splitlines()) == 1
    assert "choose another with --port" in said


def test_a_worker_that_dies_is_started_again(served: Served) -> None:
    def workers() -> list[int]:
        return [pid for pid, command in _tree(served.process.pid).items() if "celery" in command]

    [first] = workers()
    os.kill(first, signal.SIGKILL)
    _await(lambda: [pid for pid in workers() if pid != first])


def test_all_of_it_stops_on_sigterm(served: Served) -> None:
    everybody = list(_tree(served.process.pid))
    assert len(everybody) >= 3
    served.process.terminate()
    assert served.process.wait(30) == 0
    assert not [pid for pid in everybody if Path(f"/proc/{pid}").exists()]
