"""Workers die in every way there is, and every shard is counted once; without fencing it is not so.

The long version is `./run proof jobs`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def _chaos(folder: Path, database: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run one round on a copy of `database` (SQLite) or on the tests' (PostgreSQL)."""
    from django.db import connection

    environment = {**os.environ, "ASSAY_HOME": str(folder)}
    environment.pop("ASSAY_DATABASE_URL", None)
    shutil.copy(database, folder / "assay.sqlite3")
    if connection.vendor == "postgresql":
        given = connection.settings_dict
        environment["ASSAY_DATABASE_URL"] = (
            f"postgresql://{given['USER']}:{given['PASSWORD']}@{given['HOST']}:{given['PORT']}/{given['NAME']}"
        )
    run = subprocess.run(
        [sys.executable, "-m", "tests.jobs.chaos", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert run.returncode in (0, 1), run.stderr[-2_000:]
    assert run.stdout, run.stderr[-2_000:]
    found: dict[str, Any] = json.loads(run.stdout)
    return run.returncode, found


def test_killed_stopped_cut_off_and_starved_workers_lose_and_double_nothing(
    committed: None, empty_database: Path, tmp_path: Path
) -> None:
    code, found = _chaos(tmp_path, empty_database, "--kills", "40", "--stops", "6", "--seed", "20261128")
    assert (code, found["wrong"], found["unfinished"]) == (0, [], 0)
    assert found["kills"] == 40
    assert {"child killed", "worker killed"} <= set(found["harm"])


def test_with_the_fencing_switched_off_the_same_checker_finds_doubles(
    committed: None, empty_database: Path, tmp_path: Path
) -> None:
    code, found = _chaos(
        tmp_path,
        empty_database,
        "--unfenced",
        "--kills",
        "0",
        "--stops",
        "16",
        "--rate",
        "8",
        "--patience",
        "8",
    )
    assert code == 1
    assert any("committed 2 times" in line for line in found["wrong"]), found
