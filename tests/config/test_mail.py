"""Mail is sent as servers want it: STARTTLS before a password, TLS from the start for smtps://."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
_SEND = """
import django
django.setup()
from django.core.mail import send_mail
send_mail("x", "y", None, ["a@example.org"])
"""


class Server(NamedTuple):
    """A submission server as most are: STARTTLS offered, and no word accepted before it."""

    port: int
    port_tls: int
    heard: list[str]
    certificate: Path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    asked = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-nodes"]
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", *asked, "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    heard: list[str] = []

    def talk(connection: socket.socket, safe: bool) -> None:
        stream = connection.makefile("rwb")
        with stream:
            answer(connection, stream, safe)

    def answer(connection: socket.socket, stream: IO[bytes], safe: bool) -> None:
        def say(text: str) -> None:
            stream.write(text.encode() + b"\r\n")
            stream.flush()

        while line := stream.readline():
            word = line.decode().split()[0].upper()
            heard.append(word)
            if word == "EHLO":
                say("250-mail\r\n250 " + ("AUTH PLAIN" if safe else "STARTTLS"))
            elif word == "STARTTLS":
                say("220 go ahead")
                stream.close()
                with context.wrap_socket(connection, server_side=True) as wrapped:
                    return talk(wrapped, safe=True)
            elif not safe:
                say("530 Must issue a STARTTLS command first")
            elif word == "DATA":
                say("354 go ahead")
                while stream.readline().strip() != b".":
                    pass
                say("250 sent")
            else:
                say({"AUTH": "235 welcome", "QUIT": "221 bye"}.get(word, "250 yes"))

    def serve(listening: socket.socket, safe: bool) -> None:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        with context.wrap_socket(connection, server_side=True) if safe else connection as found:
            found.sendall(b"220 mail\r\n")
            talk(found, safe)

    with socket.create_server(("127.0.0.1", 0)) as plain, socket.create_server(("127.0.0.1", 0)) as tls:
        threads = [
            threading.Thread(target=serve, args=one, daemon=True) for one in ((plain, False), (tls, True))
        ]
        for thread in threads:
            thread.start()
        yield Server(plain.getsockname()[1], tls.getsockname()[1], heard, certificate)
        for listening in (plain, tls):
            listening.shutdown(socket.SHUT_RDWR)  # ends the one that nobody called
        for thread in threads:
            thread.join(30)


def _send(home: Path, certificate: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", _SEND],
        env={
            "ASSAY_HOME": str(home),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PATH": os.environ["PATH"],
            "SSL_CERT_FILE": str(certificate),
            **variables,
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_with_a_user_tls_is_begun_before_the_password(server: Server, tmp_path: Path) -> None:
    done = _send(tmp_path, server.certificate, ASSAY_EMAIL_URL=f"smtp://u:p@127.0.0.1:{server.port}")
    assert done.returncode == 0, done.stderr
    assert server.heard[:4] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]


def test_smtps_is_tls_from_the_start_and_may_come_from_a_file(server: Server, tmp_path: Path) -> None:
    secret = tmp_path / "mail"
    secret.write_text(f"smtps://u:p@127.0.0.1:{server.port_tls}\n")
    done = _send(tmp_path, server.certificate, ASSAY_EMAIL_URL_FILE=str(secret))
    assert done.returncode == 0, done.stderr
    assert server.heard[:2] == ["EHLO", "AUTH"]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("", "25 False False"),
        ("smtp://relay", "25 False False"),
        ("smtp://u:p@relay", "25 True False"),
        ("smtp://relay:587", "587 True False"),
        ("smtps://u:p@relay", "465 False True"),
        ("smtps://u:p@relay:587", "587 False True"),
    ],
)
def test_ports_and_tls_by_the_address(url: str, told: str, tmp_path: Path) -> None:
    ask = "from config import settings as s; print(s.EMAIL_PORT, s.EMAIL_USE_TLS, s.EMAIL_USE_SSL)"
    done = subprocess.run(
        [sys.executable, "-c", ask],
        env={"ASSAY_HOME": str(tmp_path), "PATH": os.environ["PATH"], "ASSAY_EMAIL_URL": url},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == told, done.stderr
