"""How fast does a file come in? Over HTTP onto the disk, against SHA-256 of the same file alone.

The web server that `./run serve` starts, with a home and a database of its own, receives 2 GB of noise as
the API takes it: announced, sent in one request, finished with its SHA-256, on the disk when the answer is
there; then in requests of 64 MiB; then in one again with a storage key. hashlib reads and hashes the same
file in between; of several times the best counts, of the service and of hashlib alike. Writing the file as
other programs do, through the system's cache, and flushing it, without a hash, is timed beside. Sender and
server share the machine. Peaks are of the process that received. `python -m benchmarks.storing [MB]`.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.database import in_process
from jobs.web_server import web_command

__all__ = ["WAYS", "run"]

MEGABYTES = 2_048
_CHUNK = 64 * 2**20


class Server(NamedTuple):
    """A running web server: its port, and its one process that answers."""

    port: int
    worker: int


class Way(NamedTuple):
    """A way to bring a file: bytes of a request, and the storage key, if any."""

    request: int
    key: str


WAYS = {"stored": Way(2**62, ""), "in_chunks": Way(_CHUNK, ""), "sealed": Way(2**62, "11" * 32)}


def run(megabytes: int = MEGABYTES, times: int = 3) -> dict[str, Any]:
    """Megabytes a second of hashing and of each of WAYS, and their shares of hashing.

    Args:
        times: how often each is done; the best counts.

    Raises:
        RuntimeError: there is no room for a few files of that size, or the server failed.
    """
    found: dict[str, Any] = {"megabytes": megabytes, "load": os.getloadavg()[0] / (os.cpu_count() or 1)}
    with tempfile.TemporaryDirectory(prefix="assay-storing-") as name:
        folder = Path(name)
        free = shutil.disk_usage(folder).free
        if free < 5 * megabytes * 2**20:
            raise RuntimeError(f"{folder}: {megabytes:,} MB a few times do not fit into {free >> 20:,} MB.")
        home, path = folder / "home", folder / "noise"
        token = in_process("benchmarks.storing", "prepare", {"ASSAY_HOME": str(home)})["token"]
        found["write_and_flush_mb_s"] = megabytes / _noise(path, megabytes * 2**20)
        hashing, digest = _hashing(path)
        for way in WAYS:
            best = float("inf")
            for _ in range(times):
                with _server(home, WAYS[way].key) as server:
                    before, used = _peak(server.worker), _cpu(server.worker)
                    seconds = _sent(server.port, token, path, digest, WAYS[way].request)
                    used = _cpu(server.worker) - used
                    peak = _peak(server.worker)
                hashing = min(hashing, _hashing(path)[0])
                shutil.rmtree(home / "files")
                if seconds < best:
                    best = seconds
                    found |= {
                        f"{way}_mb_s": megabytes / seconds,
                        f"{way}_cpu_seconds_a_gb": used * 1_024 / megabytes,
                        f"{way}_peak_mb": peak,
                        f"{way}_grown_mb": peak - before,
                    }
    found["sha256_mb_s"] = megabytes / hashing
    return found | {f"{way}_share": found[f"{way}_mb_s"] / found["sha256_mb_s"] for way in WAYS}


def _prepare() -> dict[str, Any]:
    """A database with one organisation; a token of its owner."""
    import django

    django.setup()
    from django.core.management import call_command

    from accounts.api_auth import new_token
    from accounts.models import User
    from accounts.services import create_organisation

    call_command("migrate", verbosity=0)
    user = User(email="a@example.org", name="A")
    user.set_unusable_password()
    user.save()
    return {"token": new_token(user, create_organisation("Bench", user), "bench", ["read", "write"])[1]}


def _noise(path: Path, size: int) -> float:
    """Write noise without a chunk that occurs twice; seconds until it is flushed."""
    noise = memoryview(bytearray(os.urandom(_CHUNK)))
    start = time.perf_counter()
    with path.open("wb") as file:
        for offset in range(0, size, _CHUNK):
            noise[:8] = offset.to_bytes(8, "big")
            file.write(noise[: size - offset])
        file.flush()
        os.fsync(file.fileno())
    return time.perf_counter() - start


def _hashing(path: Path) -> tuple[float, str]:
    start, hashed = time.perf_counter(), hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            hashed.update(piece)
    return time.perf_counter() - start, hashed.hexdigest()


@contextlib.contextmanager
def _server(home: Path, storage_key: str) -> Iterator[Server]:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = int(trial.getsockname()[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ASSAY_")}
    environment |= {"ASSAY_HOME": str(home), "ASSAY_STORAGE_KEY": storage_key}
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", *web_command("127.0.0.1", port)],
        env={**environment, "DJANGO_SETTINGS_MODULE": "config.settings"},
        cwd=Path(__file__).resolve().parents[1],
    )
    try:
        _await(port, process)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        yield Server(port, int(children[0]))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        try:
            connection.request("GET", "/api/v1/systems")
            connection.getresponse().read()
            return
        except OSError:
            time.sleep(0.1)
        finally:
            connection.close()
    raise RuntimeError("the web server did not start")


def _sent(port: int, token: str, path: Path, digest: str, request: int) -> float:
    """Seconds from announcing the file until the service has stored it, in requests of so many bytes."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    start, size, offset = time.perf_counter(), path.stat().st_size, 0

    def answered(what: str) -> dict[str, Any]:
        answer = connection.getresponse()
        said: dict[str, Any] = json.loads(answer.read())
        if answer.status not in (200, 201):
            raise RuntimeError(f"{what}: {said}")
        return said

    def asked(place: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST", f"/api/v1/uploads{place}", json.dumps(body), headers)
        return answered(place)

    key = asked("", {"name": "noise", "size": size})["id"]
    with path.open("rb") as file:
        while offset < size:
            length = min(request, size - offset)
            connection.putrequest("PATCH", f"/api/v1/uploads/{key}?offset={offset}")
            connection.putheader("Authorization", f"Bearer {token}")
            connection.putheader("Content-Type", "application/octet-stream")
            connection.putheader("Content-Length", str(length))
            connection.endheaders()
            assert connection.sock is not None
            connection.sock.sendfile(file, offset, length)  # the system's own copying, as file servers send
            offset = answered("a chunk")["received"]
    stored = asked(f"/{key}/finish", {"sha256": digest})
    seconds = time.perf_counter() - start
    connection.close()
    if stored["sha256"] != digest or stored["size"] != size:
        raise RuntimeError("what was stored is not what was sent")
    return seconds


def _cpu(process: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak(process: int) -> float:
    """Peak resident memory of a process in MB."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["prepare"]:
        print(json.dumps(_prepare()))
    else:
        print(json.dumps(run(int(sys.argv[1]) if sys.argv[1:] else MEGABYTES), indent=1))
