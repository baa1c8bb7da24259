"""With https outside, probes and scrapers reach the web process itself, as docs/deploy.md prints it."""

from __future__ import annotations

import http.client
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "deploy.md").read_text("utf-8")


def _serving(home: Path, **variables: str) -> tuple[subprocess.Popen[str], int]:
    environment = {
        "ASSAY_HOME": str(home),
        "ASSAY_URL": "https://assay.example.org",
        "PATH": os.environ["PATH"],
        **variables,
    }
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], env=environment, cwd=ROOT, check=True)
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = int(trial.getsockname()[1])
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}"],
            env=environment,
            cwd=ROOT,
            text=True,
            stderr=log,
        )
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process, port
        except OSError:
            assert time.monotonic() < deadline, (home / "log").read_text()
            time.sleep(0.05)


def _get(port: int, path: str, **headers: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path, headers=headers)
    return connection.getresponse().status


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def port(home: Path) -> Iterator[int]:
    process, found = _serving(home)
    yield found
    process.terminate()
    process.wait(30)


@pytest.fixture(scope="module")
def port_with_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    process, found = _serving(tmp_path_factory.mktemp("token"), ASSAY_METRICS_TOKEN="s3cret")
    yield found
    process.terminate()
    process.wait(30)


@pytest.mark.parametrize("host", ["127.0.0.1", "web:8000", "10.42.0.7:8000", "assay.example.org"])
def test_health_is_told_over_http_and_under_every_host(port: int, home: Path, host: str) -> None:
    assert _get(port, "/health/live", Host=host) == 200
    assert _get(port, "/health/ready", Host=host) == 200
    assert "Invalid HTTP_HOST" not in (home / "log").read_text()


def test_figures_without_a_token_are_for_this_machine_by_its_own_name(port: int) -> None:
    assert _get(port, "/metrics") == 200
    assert _get(port, "/metrics", Host="elsewhere.example") == 400, "a name that was made to lead here"
    assert _get(port, "/metrics", **{"X-Forwarded-Proto": "https"}) == 403, "the proxy's visitors"


def test_figures_with_a_token_are_for_who_has_it_under_every_host(port_with_token: int) -> None:
    assert _get(port_with_token, "/metrics", Host="web:8000") == 403
    assert _get(port_with_token, "/metrics", Host="web:8000", Authorization="Bearer s3cret") == 200


def test_pages_still_want_https_and_their_own_host(port: int) -> None:
    assert _get(port, "/accounts/login/") == 301
    assert _get(port, "/accounts/login/", Host="web:8000") == 400
    assert _get(port, "/health/ready/more") in (301, 400)


def test_the_printed_lines_work(port: int, port_with_token: int) -> None:
    lines = re.findall(r"`(curl -f [^`]*)`", PAGE)
    assert len(lines) == 3
    for line in lines:
        own = port_with_token if "Bearer" in line else port
        asked = re.sub(r"//\S+?:8000", f"//127.0.0.1:{own}", line).replace("TOKEN", "s3cret")
        done = subprocess.run(asked, shell=True, capture_output=True, text=True)
        assert done.returncode == 0, (line, done.stderr)
        assert "ready" in done.stdout or "assay_workers" in done.stdout
