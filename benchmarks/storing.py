"""How fast does a file come in? Chunk by chunk into the store, against SHA-256 of the same file alone.

In one fresh process with a home and a database of its own: a file of 2 GB of noise is written, its SHA-256 is
computed with hashlib, and it is taken in as the service does it: begun, sent in chunks of 8 MB, each with the
transaction that counts it, and finished, which gives it its place under its digest. Then again with a storage
key, as information. Writing the file and flushing it, without a hash, is timed too: where that is slower than
hashing, the disk decides. Resident memory is that of the whole process. `python -m benchmarks.storing [MB]`.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

__all__ = ["run"]

MEGABYTES = 2_048
_CHUNK = 8 * 2**20


def run(megabytes: int = MEGABYTES) -> dict[str, Any]:
    """Megabytes a second of hashing alone, of storing, and of storing sealed; shares of hashing; peak memory.

    Raises:
        RuntimeError: there is no room for three files of that size.
    """
    with tempfile.TemporaryDirectory(prefix="assay-storing-") as folder:
        free = shutil.disk_usage(folder).free
        if free < 4 * megabytes * 2**20:
            raise RuntimeError(f"{megabytes:,} MB thrice do not fit into {free / 2**20:,.0f} MB.")
        answer = subprocess.run(
            [sys.executable, "-m", "benchmarks.storing", "--child", str(megabytes), folder],
            env={**os.environ, "ASSAY_HOME": folder, "DJANGO_SETTINGS_MODULE": "config.settings"},
            check=True,
            capture_output=True,
            text=True,
        )
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def _child(megabytes: int, folder: Path) -> dict[str, Any]:
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    from accounts.models import User
    from accounts.services import create_organisation

    call_command("migrate", verbosity=0)
    user = User(email="a@example.org", name="A")
    user.set_unusable_password()
    user.save()
    noise, path = os.urandom(_CHUNK), folder / "noise"
    start = time.perf_counter()
    with path.open("wb") as file:
        for place in range(megabytes * 2**20 // _CHUNK):
            file.write(place.to_bytes(8, "big") + noise[8:])
        file.flush()
        os.fsync(file.fileno())
    writing = time.perf_counter() - start
    size = path.stat().st_size
    before = _peak()
    hashing, digest = _hashing(path)
    found: dict[str, Any] = {
        "megabytes": size / 2**20,
        "load": os.getloadavg()[0] / (os.cpu_count() or 1),
        "sha256_mb_s": size / 2**20 / hashing,
        "write_and_flush_mb_s": size / 2**20 / writing,
    }
    for name, key in (("stored", ""), ("sealed", "11" * 32)):
        settings.ENV = settings.ENV.model_copy(update={"storage_key": key})
        used = time.process_time()
        seconds = _storing(path, size, digest, create_organisation(name, user), user)
        used = time.process_time() - used
        again, _ = _hashing(path)
        found |= {
            f"{name}_mb_s": size / 2**20 / seconds,
            f"{name}_share": (hashing + again) / 2 / seconds,
            f"{name}_cpu_seconds_a_gb": used / (size / 2**30),
        }
    return {**found, "peak_mb": _peak(), "grown_mb": _peak() - before}


def _hashing(path: Path) -> tuple[float, str]:
    start, hashed = time.perf_counter(), hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            hashed.update(piece)
    return time.perf_counter() - start, hashed.hexdigest()


def _storing(path: Path, size: int, digest: str, organisation: Any, user: Any) -> float:
    from models_registry.uploads import add_chunk, begin_upload, finish_upload

    start = time.perf_counter()
    upload, offset = begin_upload(organisation, "noise", size, user), 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            add_chunk(upload, offset, chunk)
            offset += len(chunk)
    stored = finish_upload(upload, digest)
    seconds = time.perf_counter() - start
    if stored.sha256 != digest or stored.size != size:
        raise RuntimeError("what was stored is not what was sent")
    return seconds


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        print(json.dumps(_child(int(sys.argv[2]), Path(sys.argv[3]))))
    else:
        print(json.dumps(run(int(sys.argv[1]) if sys.argv[1:] else MEGABYTES), indent=1))
