"""One slot of a worker: claim, run under a kept lease, commit; until nothing is left.

The thread that calls `Slot.work` spawns the child, so it must live as long as the session: children die with
the thread that started them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import socket
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import close_old_connections, connection

from assay.errors import AssayError, Cancelled, ChildFailed, Internal
from assay.runner.protocol import pack_arrays
from assay.store import write_whole
from jobs import leases
from jobs.kinds import DoneShard, FailedShard, Session, ShardResult, get_kind, load_npz, no_arrays
from jobs.leases import Claim, Fenced
from jobs.models import Job, Shard, ShardState

__all__ = ["Slot", "work_folder", "worker_name"]

_log = logging.getLogger(__name__)


def worker_name(slot: int = 0) -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{slot}"


def work_folder(job: Job) -> Path:
    """The job's own folder; shared by all workers where there are several machines."""
    return Path(settings.ENV.home) / "work" / str(job.pk)


class _Lease:
    """Keeps a claim alive from a thread of its own, and stops the session when it is lost."""

    def __init__(self, held: Claim, session: Session | None) -> None:
        self.held = held
        self.done, self.doing = 0.0, ""
        self.fenced = self.cancelled = False
        self._session = session
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{held.shard.pk}", daemon=True)

    def __enter__(self) -> _Lease:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        self._thread.join()

    # --- ShardContext

    @property
    def job(self) -> Job:
        return self.held.job

    @property
    def work(self) -> Path:
        folder = work_folder(self.held.job)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def progress(self, done: float, doing: str = "") -> None:
        self.done, self.doing = min(max(done, 0.0), 1.0), doing or self.doing
        self._check()

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        self._check()
        leases.checkpoint(self.held, state)

    def resume(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self.held.shard.checkpoint
        return found

    def _check(self) -> None:
        if self.fenced:
            raise Fenced
        if self.cancelled:
            raise Cancelled("The job was cancelled.")

    def _keep(self) -> None:
        try:
            while not self._over.wait(settings.ENV.lease_seconds / 4):
                try:
                    if not leases.renew(self.held, self.done, self.doing):
                        self.cancelled = True
                        return self._stop("The job was cancelled.")
                except Fenced:
                    self.fenced = True
                    return self._stop("The lease was lost.")
                except Exception as error:
                    # The database is away: go on, the lease may outlast it; the commit will tell.
                    _log.warning("The lease of shard %s was not renewed: %s", self.held.shard.pk, error)
                    connection.close()
        finally:
            connection.close()

    def _stop(self, why: str) -> None:
        if self._session is not None:
            self._session.stop(why)


class Slot:
    """Serves one shard after the other; keeps the session of the last subject open."""

    def __init__(self, queues: Sequence[str], number: int = 0) -> None:
        self._queues = tuple(queues)
        self._name = worker_name(number)
        self._session: Session | None = None
        self._key = ""
        self.stopping = threading.Event()

    def work(self, limit: int | None = None) -> int:
        """Run shards until none is claimable (or `limit` are done); returns how many ran."""
        count = 0
        try:
            while not self.stopping.is_set() and (limit is None or count < limit):
                close_old_connections()
                held = leases.claim(self._queues, self._name, self._key)
                if held is None:
                    break
                self._run(held)
                count += 1
        finally:
            close_old_connections()
        return count

    def close(self) -> None:
        """End the open session."""
        if self._session is not None:
            with contextlib.suppress(Exception):
                self._session.close()
        self._session, self._key = None, ""

    def _run(self, held: Claim) -> None:
        try:
            if held.shard.purpose == "advance":
                with _Lease(held, None) as lease:
                    step = get_kind(held.job.kind).advance(held.job, held.shard.stage, *_so_far(held.job))
                    lease.progress(1.0)
                leases.commit_advance(held, step)
                _clean(held.job)
                return
            session = self._open(held.job)
            with _Lease(held, session) as lease:
                result = session.run(held.shard.spec, lease)
                lease.progress(1.0)
                arrays = _keep_arrays(held, result)
            leases.commit(held, result, arrays)
        except Fenced:
            leases.note(held.job, held.shard, "fenced", held)
            self.close()
        except Cancelled as error:
            self.close()
            if self.stopping.is_set():
                leases.release(held)
            elif Job.unscoped.get(pk=held.job.pk).state == "cancelling":
                leases.cancelled(held)
            else:
                with contextlib.suppress(Fenced):
                    leases.fail(held, error.message, final=False)
            _clean(held.job)
        except Exception as error:
            self.close()
            final = isinstance(error, AssayError) and not isinstance(error, ChildFailed | Internal)
            if not isinstance(error, AssayError):
                _log.exception("Shard %s of job %s failed", held.shard.pk, held.job.pk)
            why = error.message if isinstance(error, AssayError) else f"{type(error).__name__}: {error}"[:500]
            try:
                leases.fail(held, why, final=final)
            except Fenced:
                leases.note(held.job, held.shard, "fenced", held)
            _clean(held.job)

    def _open(self, job: Job) -> Session:
        key = job.subject_key or str(job.pk)
        if self._session is None or self._key != key:
            self.close()
            self._session, self._key = get_kind(job.kind).open(job), key
        return self._session


def _so_far(job: Job) -> tuple[list[DoneShard], list[FailedShard]]:
    done: list[DoneShard] = []
    failed: list[FailedShard] = []
    for shard in Shard.objects.filter(job=job, purpose="work").order_by("stage", "index"):
        if shard.state == ShardState.DONE:
            load = partial(load_npz, work_folder(job) / shard.arrays) if shard.arrays else no_arrays
            done.append(DoneShard(shard.stage, shard.index, shard.spec, shard.result or {}, load))
        elif shard.state == ShardState.FAILED:
            failed.append(FailedShard(shard.stage, shard.index, shard.spec, shard.error))
    return done, failed


def _keep_arrays(held: Claim, result: ShardResult) -> str:
    """Write a result's arrays under a name of this claim's own, so that no stale worker overwrites them."""
    if not result.arrays:
        return ""
    name = f"results/{held.shard.pk}-{held.token}.npz"
    write_whole(work_folder(held.job) / name, pack_arrays(dict(result.arrays)))
    return name


def _clean(job: Job) -> None:
    if Job.unscoped.get(pk=job.pk).ended:
        shutil.rmtree(work_folder(job), ignore_errors=True)
