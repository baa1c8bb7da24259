"""Addresses of database and broker: nothing that they ask for is dropped; no complaint shows a password."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from config.database import database
from config.env import Environment, WrongSetting, read_environment

ROOT = Path(__file__).resolve().parents[2]


def _environment(home: Path, **variables: str) -> Environment:
    return read_environment({"ASSAY_HOME": str(home), **variables})


def test_options_behind_the_database_are_handed_on(tmp_path: Path) -> None:
    url = "postgresql://assay:p%2F%23w@db:5433/assay?sslmode=verify-full&sslrootcert=/etc/ca.pem"
    found = database(_environment(tmp_path, ASSAY_DATABASE_URL=url))
    assert found["OPTIONS"] == {"sslmode": "verify-full", "sslrootcert": "/etc/ca.pem"}
    assert (found["PASSWORD"], found["HOST"], found["PORT"], found["NAME"]) == ("p/#w", "db", "5433", "assay")


@pytest.mark.parametrize("query", ["sslmod=require", "sslmode=require&sslmode=disable", "password=hunter2"])
def test_options_that_are_none_are_refused(tmp_path: Path, query: str) -> None:
    with pytest.raises(WrongSetting, match="sslmode, sslrootcert") as refused:
        database(_environment(tmp_path, ASSAY_DATABASE_URL=f"postgresql://u:p@h/d?{query}"))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("variable", ["ASSAY_DATABASE_URL", "ASSAY_BROKER_URL", "ASSAY_EMAIL_URL"])
@pytest.mark.parametrize(
    "password", ["hun/ter2", "hun#ter2", "hun?ter2", "12/ter2", "12#ter2", "12?ter2", "hun[ter2", "hun]ter2"]
)
def test_a_password_that_cuts_its_address_is_one_sentence(
    variable: str, password: str, tmp_path: Path
) -> None:
    scheme = {"ASSAY_DATABASE_URL": "postgresql", "ASSAY_BROKER_URL": "amqp", "ASSAY_EMAIL_URL": "smtp"}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        env={
            "ASSAY_HOME": str(tmp_path),
            "PATH": os.environ["PATH"],
            variable: f"{scheme[variable]}://user:{password}@host:1234/name",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "percent-encoded" in done.stderr
    assert variable in done.stderr
    assert "hun" not in done.stderr
    assert "ter2" not in done.stderr


def test_a_broker_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongSetting, match="memory://, amqp://"):
        _environment(tmp_path, ASSAY_BROKER_URL="rabbit://x")
    for url in ("memory://", "amqps://u:p@h:5671//", "rediss://:p@h/0", "amqp://a//;amqp://b//"):
        assert _environment(tmp_path, ASSAY_BROKER_URL=url).broker_url == url


def test_tls_that_was_asked_for_is_insisted_on(tmp_path: Path) -> None:
    """A server that says it has no TLS is sent no password, and nothing else."""
    heard: list[bytes] = []

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            heard.append(connection.recv(64))  # PostgreSQL's question for TLS
            connection.sendall(b"N")
            heard.append(connection.recv(64))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve, args=(server,), daemon=True)
        thread.start()
        address = f"postgresql://u:p@127.0.0.1:{server.getsockname()[1]}/d?sslmode=require"
        done = subprocess.run(
            [sys.executable, "manage.py", "showmigrations", "trail"],
            env={"ASSAY_HOME": str(tmp_path), "PATH": os.environ["PATH"], "ASSAY_DATABASE_URL": address},
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        thread.join(30)
    assert done.returncode == 1
    assert "server does not support SSL, but SSL was required" in done.stderr
    assert heard == [bytes.fromhex("0000000804d2162f"), b""]
