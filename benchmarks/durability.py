"""The proof of durable execution: 500 random kills on SQLite and 500 on PostgreSQL, counted from the history.

PostgreSQL is a cluster of its own, made here and removed afterwards, so that the server itself can be crashed
(`pg_ctl restart -m immediate`) under load. As root, it runs as the user postgres, since it refuses root.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

__all__ = ["page", "run"]

KILLS = 500
STOPS = 60
RESTARTS = 5
RATE = 12.0
SEED = 20_261_128


def run() -> dict[str, Any]:
    """Both rounds, and the counter-proof with the fencing switched off."""
    found: dict[str, Any] = {"rounds": [], "unfenced": None}
    with tempfile.TemporaryDirectory() as folder:
        found["rounds"].append(_chaos(Path(folder), {}, ["--kills", str(KILLS), "--stops", str(STOPS)]))
    with tempfile.TemporaryDirectory() as folder:
        found["unfenced"] = _chaos(
            Path(folder), {}, ["--unfenced", "--kills", "20", "--stops", "30", "--patience", "10"]
        )
    if not found["unfenced"]["wrong"]:
        raise RuntimeError("With the fencing switched off the checker finds nothing, so it proves nothing.")
    with _cluster() as cluster:
        if cluster is not None:
            address, restart = cluster
            with tempfile.TemporaryDirectory() as folder:
                arguments = ["--kills", str(KILLS), "--stops", str(STOPS), "--restarts", str(RESTARTS)]
                found["rounds"].append(
                    _chaos(
                        Path(folder),
                        {"ASSAY_DATABASE_URL": address},
                        [*arguments, "--restart-command", restart],
                    )
                )
    return found


def page(found: dict[str, Any]) -> list[str]:
    """Lines of docs/proof/jobs.md."""
    lines = [
        "Real worker processes, each with a supervisor above it and a child below it, run a cheap kind of",
        "job while they are killed (SIGKILL), stopped for longer than their lease (SIGSTOP, SIGCONT),",
        "started with a full disk (RLIMIT_FSIZE), woken at random, and, on PostgreSQL, cut off from a server",
        "that is itself crashed and restarted. The checker reads nothing but the history: every shard",
        "committed exactly once by the holder of its newest lease, none lost, every job ended well, and the",
        "digest of its result equal to that of an undisturbed run.",
        "",
    ]
    for one in found["rounds"]:
        events = one["events"]
        lines += [
            f"## {'SQLite' if one['database'] == 'sqlite' else 'PostgreSQL'}",
            "",
            f"- kills: {one['kills']} in {one['seconds_of_harm']:.0f} s",
            *(f"- {what}: {count}" for what, count in one["harm"].items()),
            f"- jobs {one['jobs']}, shards {one['shards']}, claims {events.get('claimed', 0)}, "
            f"leases that ran out {events.get('expired', 0)}, results of stale holders refused "
            f"{events.get('fenced', 0)}, tried again after an error {events.get('retried', 0)}, "
            f"given back {events.get('released', 0)}",
            f"- committed {events.get('committed', 0)}; lost or doubled: **{len(one['wrong'])}**; "
            f"jobs unfinished: {one['unfinished']}",
            f"- seed {one['seed']}",
            *(f"- WRONG: {line}" for line in one["wrong"][:20]),
            "",
        ]
    bites = found["unfenced"]
    lines += [
        "## The same checker with the fencing switched off",
        "",
        f"It must fail, and does: {len(bites['wrong'])} complaints about {bites['shards']} shards after "
        f"{bites['harm'].get('worker stopped past its lease', 0)} stops and {bites['kills']} kills, such as:",
        "",
        *(f"- {line}" for line in bites["wrong"][:5]),
        "",
    ]
    return lines


def _chaos(folder: Path, environment: dict[str, str], arguments: list[str]) -> dict[str, Any]:
    variables = {key: value for key, value in os.environ.items() if not key.startswith("ASSAY_")}
    made = subprocess.run(
        [
            *(sys.executable, "-m", "tests.jobs.chaos", "--migrate", "--seed", str(SEED)),
            *("--rate", str(RATE), *arguments),
        ],
        env={**variables, "ASSAY_HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if not made.stdout:
        raise RuntimeError(made.stderr[-2_000:])
    found: dict[str, Any] = json.loads(made.stdout)
    return found


@contextlib.contextmanager
def _cluster() -> Iterator[tuple[str, str] | None]:
    """A PostgreSQL server of this proof's own: its address and the command that crashes and restarts it."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin")) or [
        Path(found).parent for found in [shutil.which("pg_ctl")] if found
    ]
    if not programs:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="assay-cluster-"))
    prefix: list[str] = []
    if os.getuid() == 0:
        prefix = ["runuser", "-u", "postgres", "--"]
        shutil.chown(folder, "postgres")
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port = trial.getsockname()[1]
    control = [*prefix, str(programs[-1] / "pg_ctl"), "-D", str(folder / "data"), "-s", "-w"]
    control += ["-l", str(folder / "log"), "-o", f"-p {port} -k {folder} -c listen_addresses=127.0.0.1"]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "check": True, "cwd": "/"}
    try:
        initdb = [str(programs[-1] / "initdb"), "-A", "trust", "-U", "postgres", "-D", str(folder / "data")]
        subprocess.run([*prefix, *initdb], **quiet)
        subprocess.run([*control, "start"], **quiet)
        yield (
            f"postgresql://postgres@127.0.0.1:{port}/postgres",
            f"cd / && {shlex.join([*control, '-m', 'immediate', 'restart'])}",
        )
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=False, cwd="/")
        shutil.rmtree(folder, ignore_errors=True)
