"""One round of chaos on the database that ASSAY_DATABASE_URL names; prints JSON, exit 1 where it is wrong."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

LEASE = 0.8


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.jobs.chaos")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--stops", type=int, default=4)
    parser.add_argument("--restarts", type=int, default=0, help="of the database server")
    parser.add_argument(
        "--restart-command", default="", help="shell command that restarts the server at once"
    )
    parser.add_argument("--rate", type=float, default=10.0, help="kills a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--unfenced", action="store_true", help="switch the fencing off: the checker must say so"
    )
    parser.add_argument("--patience", type=float, default=60.0, help="seconds to finish after the last kill")
    parser.add_argument("--migrate", action="store_true", help="the database is empty: make the tables")
    options = parser.parse_args()

    os.environ.setdefault("ASSAY_HOME", tempfile.mkdtemp(prefix="assay-chaos-"))
    os.environ.update(
        DJANGO_SETTINGS_MODULE="config.settings",
        ASSAY_LEASE_SECONDS=str(LEASE),
        ASSAY_ATTEMPTS="20",
        PGAPPNAME="assay-chaos",
    )
    import django

    django.setup()
    if options.migrate:
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
    found = Round(options).run()
    print(json.dumps(found))
    return 1 if found["wrong"] else 0


class Round:
    """Jobs are submitted as long as there is harm left to do; then everything is let finish, and checked."""

    SEEDS = 2
    SHARDS = 16
    OPEN = 3
    """Jobs that are under way at any time."""

    def __init__(self, options: argparse.Namespace) -> None:
        from django.db import connection

        from jobs.kinds import register
        from tests.conftest import make_people
        from tests.jobs.chaos.crew import switch_fencing_off
        from tests.jobs.chaos.kind import Hashing
        from tests.jobs.chaos.monkey import Monkey

        register(Hashing())
        if options.unfenced:
            switch_fencing_off()
        self._options = options
        self._rng = random.Random(options.seed)
        self._people = make_people(f"chaos-{os.getpid()}-")
        self._server = connection.vendor == "postgresql"
        self._cut_now = False
        self.monkey = Monkey(
            options.seed,
            LEASE,
            full_disks=0.0 if options.unfenced else 0.1,
            cut=_cut if self._server else None,
        )
        self._jobs: list[Any] = []
        connection.close()

    def run(self) -> dict[str, Any]:
        from django.db import connection

        expected, quiet = self._undisturbed()
        start = time.monotonic()
        try:
            self._harm()
            harmed = time.monotonic() - start
            unfinished = self._settle()
        finally:
            self.monkey.end()
        from tests.jobs.chaos.checker import check

        verdict = check(self._jobs, expected)
        kills = sum(n for what, n in self.monkey.done.items() if what.endswith("killed"))
        return {
            "database": f"{connection.vendor}",
            "seed": self._options.seed,
            "fencing": not self._options.unfenced,
            "kills": kills,
            "harm": dict(sorted(self.monkey.done.items())),
            "jobs": verdict.jobs,
            "shards": verdict.shards,
            "events": dict(sorted(verdict.events.items())),
            "unfinished": unfinished,
            "seconds_undisturbed": round(quiet, 1),
            "seconds_of_harm": round(harmed, 1),
            "seconds": round(time.monotonic() - start, 1),
            "wrong": verdict.wrong,
        }

    def _undisturbed(self) -> tuple[dict[int, str], float]:
        """The same jobs in this process, with nobody in the way: seed -> digest."""
        from django.db import connection

        from jobs.models import Event
        from jobs.worker import Slot

        start = time.monotonic()
        jobs = {seed: self._submit(seed) for seed in range(self.SEEDS)}
        slot = Slot(["cpu"])
        slot.work()
        slot.close()
        found = {seed: Event.objects.get(job=job, what="outcome").detail for seed, job in jobs.items()}
        connection.close()
        return found, time.monotonic() - start

    def _submit(self, seed: int) -> Any:
        from jobs import services

        return services.submit(
            "hashing",
            self._people.organisation,
            self._people.organisation.pk,
            request={"seed": seed, "shards": self.SHARDS, "pause": 0.008},
        )

    def _harm(self) -> None:
        from django.db import OperationalError

        options, monkey = self._options, self.monkey
        todo = ["kill"] * options.kills + ["stop"] * options.stops + ["restart"] * options.restarts
        todo += ["cut"] * (options.kills // 10 if self._server else 0)
        self._rng.shuffle(todo)
        pause, submitted = 1.0 / options.rate, 0.0
        monkey.keep_crew()
        time.sleep(0.5)
        while todo:
            if time.monotonic() - submitted > 0.5:
                # A worker that sleeps in the middle of a write holds SQLite until it is woken below.
                with contextlib.suppress(OperationalError):
                    self._patiently(self._keep_submitting)
                submitted = time.monotonic()
            monkey.keep_crew()
            monkey.wake_up()
            what = todo.pop()
            if what == "kill" and not monkey.kill():
                todo.append(what)
                time.sleep(0.01)
                continue
            if what == "stop" and not monkey.sleep():
                todo.insert(self._rng.randrange(len(todo) + 1), what)
            if what == "cut":
                self._patiently(monkey.cut_connection)
            if what == "restart":
                subprocess.run(options.restart_command, shell=True, check=True, stdout=subprocess.DEVNULL)
                monkey.done["database restarted"] += 1
            time.sleep(pause * self._rng.uniform(0.5, 1.5))

    def _settle(self) -> int:
        """Let the crew finish in peace; returns how many jobs did not."""
        deadline = time.monotonic() + self._options.patience
        while True:
            self.monkey.keep_crew()
            unfinished = self._patiently(self._unfinished)
            if not unfinished or time.monotonic() > deadline:
                return unfinished
            time.sleep(0.1)

    def _keep_submitting(self) -> None:
        for _ in range(self.OPEN - self._unfinished()):
            self._jobs.append(self._submit(len(self._jobs) % self.SEEDS))

    def _unfinished(self) -> int:
        from jobs.models import Job, JobState

        running = Job.unscoped.filter(pk__in=[job.pk for job in self._jobs])
        return running.exclude(state__in=JobState.ended()).count()

    @staticmethod
    def _patiently(call: Callable[[], Any]) -> Any:
        """Forks follow, and the server may be restarting: no connection is kept."""
        import threading

        from django.db import connection

        from jobs.patience import patiently

        def hurried() -> Any:
            if connection.vendor == "sqlite":
                with connection.cursor() as cursor:
                    cursor.execute("PRAGMA busy_timeout = 1000")
            return call()

        try:
            return patiently(hurried, threading.Event())
        finally:
            connection.close()


def _cut() -> int:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity WHERE"
            " application_name = 'assay-chaos' AND datname = current_database() AND pid <> pg_backend_pid()"
            " ORDER BY random() LIMIT 1) AS victim"
        )
        return int(cursor.fetchone()[0])


if __name__ == "__main__":
    sys.exit(main())
