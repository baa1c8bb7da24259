"""What benchmarks of the service share: a PostgreSQL database of their own, a fresh process to measure in."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

__all__ = ["in_process", "postgresql"]

_SERVER = "postgresql://postgres@127.0.0.1:5432"
_ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def postgresql() -> Iterator[dict[str, str]]:
    """The environment of a home and a database, made and dropped, on the server ASSAY_BENCH_POSTGRESQL."""
    import psycopg

    name = f"assay_bench_{uuid.uuid4().hex[:8]}"
    server = os.environ.get("ASSAY_BENCH_POSTGRESQL", _SERVER).rstrip("/")
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            with tempfile.TemporaryDirectory(prefix="assay-bench-") as home:
                yield {"ASSAY_HOME": home, "ASSAY_DATABASE_URL": f"{server}/{name}"}
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def in_process(module: str, step: str, environment: Mapping[str, str]) -> dict[str, Any]:
    """What `python -m MODULE STEP` prints as its last line, JSON. Raises RuntimeError with its last words."""
    kept = {name: value for name, value in os.environ.items() if name != "ASSAY_DATABASE_URL"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, step],
        env={**kept, **environment, "DJANGO_SETTINGS_MODULE": "config.settings"},
        cwd=_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
