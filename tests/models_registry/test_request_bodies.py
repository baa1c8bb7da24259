"""Bodies read straight from the socket, under the web server that the service runs on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobs.web_server import web_command

ROOT = Path(__file__).parents[2]
BODY = bytes(range(256)) * 97


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = int(trial.getsockname()[1])
    command = [
        part.replace("config.wsgi", "tests.models_registry.reading_app")
        for part in web_command("127.0.0.1", port)
    ]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings"}
    environment["ASSAY_HOME"] = str(tmp_path_factory.mktemp("home"))
    process = subprocess.Popen([sys.executable, "-m", *command], env=environment, cwd=ROOT)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            break
        time.sleep(0.05)
    yield port
    process.terminate()
    process.wait(30)


class Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), 20)
        self._file = self._socket.makefile("rb")

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def rest(self) -> bytes:
        return self._file.read()

    def send(self, *pieces: bytes, pause: float = 0.0) -> None:
        for piece in pieces:
            self._socket.sendall(piece)
            time.sleep(pause)

    def end(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    def answer(self) -> dict[str, Any]:
        head = self._file.readline()
        assert head.startswith(b"HTTP/1.1 200"), head
        length = 0
        while (line := self._file.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        said: dict[str, Any] = json.loads(self._file.read(length))
        return said


def head(length: int, path: str = "/") -> bytes:
    return f"PATCH {path} HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n\r\n".encode()


def whole(content: bytes) -> dict[str, Any]:
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest(), "direct": True}


@pytest.fixture
def client(port: int) -> Iterator[Client]:
    with contextlib.closing(Client(port)) as client:
        yield client


def test_a_body_comes_whole_however_it_is_cut(client: Client) -> None:
    for pieces in (
        (head(len(BODY)) + BODY,),
        (head(len(BODY)), BODY),
        (head(len(BODY)) + BODY[:10], BODY[10:5_000], BODY[5_000:]),
    ):
        client.send(*pieces, pause=0.05)
        assert client.answer() == whole(BODY)


def test_requests_that_come_in_one_packet_are_told_apart(client: Client) -> None:
    client.send(head(3) + b"abc" + head(0) + head(4) + b"defg")
    assert [client.answer() for _ in range(3)] == [whole(b"abc"), whole(b""), whole(b"defg")]


def test_what_the_application_leaves_is_not_taken_for_a_request(client: Client) -> None:
    client.send(head(len(BODY), "/some") + BODY[:1_500], BODY[1_500:], head(3) + b"abc", pause=0.05)
    assert client.answer()["size"] in range(1, 1_001)
    assert client.answer() == whole(b"abc")


@pytest.mark.parametrize("ended", [True, False], ids=["broken", "stalled"])
def test_what_came_before_a_connection_broke_or_stalled_came(client: Client, ended: bool) -> None:
    client.send(head(len(BODY)), BODY[:2_500])
    if ended:
        client.end()
    start = time.monotonic()
    assert client.answer() == whole(BODY[:2_500])
    assert ended or time.monotonic() - start >= 0.4
    # nobody knows where the next request begins: the connection is over
    assert client.rest() == b""


def test_what_trickles_in_ends_too(client: Client) -> None:
    client.send(head(len(BODY)), *(BODY[at : at + 1] for at in range(30)), pause=0.1)  # reading_app.LONGEST
    assert 0 < client.answer()["size"] < 30
    assert client.rest() == b""


@pytest.mark.parametrize("path", ["/read", "/begun"])
def test_a_body_that_somebody_began_to_read_is_not_looked_for_on_the_socket(
    client: Client, path: str
) -> None:
    for content in (b"hello, hello", BODY):
        client.send(head(len(content), path) + content)
        assert client.answer() == {**whole(content), "direct": False}
    client.send(head(3) + b"abc")
    assert client.answer() == whole(b"abc")


def test_a_body_without_a_length_is_left_to_the_server(client: Client) -> None:
    client.send(b"PATCH / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
    assert client.answer()["direct"] is False


THREADS = 8
FORM = b"POST /form HTTP/1.1\r\nHost: here\r\nContent-Length: 1000\r\n\r\na"


@pytest.mark.parametrize("begun", [b"GET / HTTP/1.1\r\nHost: here\r\n", FORM], ids=["head", "form"])
@pytest.mark.parametrize("rounds", [0, 40], ids=["silent", "trickling"])
def test_senders_that_stall_or_trickle_hold_no_thread_for_long(port: int, begun: bytes, rounds: int) -> None:
    with contextlib.ExitStack() as open_connections:
        slow = [open_connections.enter_context(contextlib.closing(Client(port))) for _ in range(THREADS)]
        for each in slow:
            each.send(begun)
        for _ in range(rounds):
            for each in slow:
                with contextlib.suppress(OSError):
                    each.send(b"a")
            time.sleep(0.1)
        start = time.monotonic()
        other = open_connections.enter_context(contextlib.closing(Client(port)))
        other.send(head(3) + b"abc")
        assert other.answer() == whole(b"abc")
        assert time.monotonic() - start < 5
        for each in slow:
            with contextlib.suppress(ConnectionResetError):
                assert not each.rest().startswith(b"HTTP/1.1 200")


def test_a_form_that_comes_slowly_but_steadily_comes_whole(client: Client) -> None:
    whole_form = FORM + b"a" * 999
    client.send(*(whole_form[at : at + 100] for at in range(0, len(whole_form), 100)), pause=0.1)
    assert client.answer() == {"size": 1_000}
