"""How fast does a file come in? Over HTTP into the store, against SHA-256 of the same file alone.

The web server that `./run serve` starts, with a home and a database of its own, receives 2 GB of noise as
the API takes it: announced, sent in chunks of 64 MiB over one connection, finished with its SHA-256; then
again with a storage key. hashlib reads and hashes the same file in between; of three times the best counts,
of the service and of hashlib alike. All of it happens in two places: in memory (a tmpfs), where the service's
own path is all there is, and on the disk, where it waits for that too; writing and flushing the file alone,
without a hash, says how long. Memory was used and freed just before each time: a virtual machine has to ask
its host for pages that lay idle, which takes longer than all the rest. Sender and server share the machine.
Peaks are of the process that received. `python -m benchmarks.storing [MB]`.
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

__all__ = ["MEMORY", "run"]

MEGABYTES = 2_048
MEMORY = Path("/dev/shm")
_CHUNK = 64 * 2**20
_KEY = "11" * 32


class Server(NamedTuple):
    """A running web server: its port, and its one process that answers."""

    port: int
    worker: int


def run(megabytes: int = MEGABYTES, times: int = 3) -> dict[str, Any]:
    """Megabytes a second of hashing, of storing and of storing sealed, by place: `memory` and `disk`.

    Args:
        times: how often each is done; the best counts.

    Raises:
        RuntimeError: there is no room for a few files of that size, or the server failed.
    """
    found: dict[str, Any] = {"megabytes": megabytes, "load": os.getloadavg()[0] / (os.cpu_count() or 1)}
    places = {"disk": tempfile.gettempdir()}
    if MEMORY.is_dir():
        places = {"memory": str(MEMORY), **places}
    for place, root in places.items():
        with tempfile.TemporaryDirectory(prefix="assay-storing-", dir=root) as folder:
            free = shutil.disk_usage(folder).free
            if free < 5 * megabytes * 2**20:
                raise RuntimeError(f"{root}: {megabytes:,} MB a few times do not fit into {free >> 20:,} MB.")
            found[place] = _measured(Path(folder), megabytes, times)
    return found


def _measured(folder: Path, megabytes: int, times: int) -> dict[str, Any]:
    """In one place: figures of hashing and writing alone, and of both ways of storing."""
    home, path = folder / "home", folder / "noise"
    token = in_process("benchmarks.storing", "prepare", {"ASSAY_HOME": str(home)})["token"]
    _touch_memory(folder, megabytes)
    writing = _noise(path, megabytes * 2**20)
    hashing, digest = _hashing(path)
    found: dict[str, Any] = {"write_and_flush_mb_s": megabytes / writing}
    for name, key in (("stored", ""), ("sealed", _KEY)):
        best = float("inf")
        for _ in range(times):
            with _server(home, key) as server:
                _touch_memory(folder, megabytes)
                before, used = _peak(server.worker), _cpu(server.worker)
                seconds = _sent(server.port, token, path, digest)
                used = _cpu(server.worker) - used
                peak = _peak(server.worker)
            hashing = min(hashing, _hashing(path)[0])
            shutil.rmtree(home / "files")
            if seconds < best:
                best = seconds
                found |= {
                    f"{name}_mb_s": megabytes / seconds,
                    f"{name}_cpu_seconds_a_gb": used * 1_024 / megabytes,
                    f"{name}_peak_mb": peak,
                    f"{name}_grown_mb": peak - before,
                }
    found["sha256_mb_s"] = megabytes / hashing
    return found | {
        f"{name}_share": found[f"{name}_mb_s"] / found["sha256_mb_s"] for name in ("stored", "sealed")
    }


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


def _touch_memory(folder: Path, megabytes: int) -> None:
    """Use and free as much of the machine's memory as the file takes, where files lie in memory."""
    if folder.is_relative_to(MEMORY):
        path = folder / "touched"
        _noise(path, megabytes * 2**20)
        path.unlink()


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


def _sent(port: int, token: str, path: Path, digest: str) -> float:
    """Seconds from announcing the file until the service has stored it."""
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
            length = min(_CHUNK, size - offset)
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
