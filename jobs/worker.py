"""One slot of a worker: claim, run under a kept lease, commit; until nothing is left.

The thread that calls `Slot.work` spawns the child, so it must live as long as the session: children die with
the thread that started them.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial

from django.conf import settings
from django.db import close_old_connections

from assay.errors import AssayError, Cancelled, ChildFailed, Internal
from assay.runner.protocol import pack_arrays
from assay.store import write_whole
from jobs import leases
from jobs.folders import remove_if_over, work_folder
from jobs.history import note
from jobs.kinds import DoneShard, FailedShard, Session, ShardResult, get_kind, load_npz, no_arrays
from jobs.lease_keeper import LeaseKeeper, Share
from jobs.leases import Claim, Fenced
from jobs.models import Job, JobState, Shard, ShardState
from jobs.patience import patiently

__all__ = ["Slot", "worker_name"]

_log = logging.getLogger(__name__)
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_DISK_PAUSE = 30.0


def worker_name(slot: int = 0) -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{slot}"


class Slot:
    """Serves one shard after the other; keeps the session of the last subject open."""

    def __init__(self, queues: Sequence[str], number: int = 0, share: Share | None = None) -> None:
        self._queues = tuple(queues)
        self._share = share or Share()
        self._session: Session | None = None
        self._key = ""
        self.name = worker_name(number)
        self.stopping = threading.Event()
        self.held: Claim | None = None
        """What it is at."""

    def work(self, limit: int | None = None) -> int:
        """Run shards until none is claimable (or `limit` are done); returns how many ran."""
        count = 0
        try:
            while not self.stopping.is_set() and (limit is None or count < limit):
                close_old_connections()
                held = leases.claim(self._queues, self.name, self._key)
                if held is None:
                    break
                self.held = held
                self._run(held)
                self.held = None
                count += 1
        finally:
            self.held = None
            close_old_connections()
        return count

    def stop(self) -> None:
        """Take no more shards and give the present one back; called from another thread."""
        self.stopping.set()
        session = self._session
        if session is not None:
            session.stop("The worker is being stopped.")

    def close(self) -> None:
        """End the open session."""
        if self._session is not None:
            with contextlib.suppress(Exception):
                self._session.close()
        self._session, self._key = None, ""

    def _run(self, held: Claim) -> None:
        lease = LeaseKeeper(held, self._share, self.stopping)
        may_be_over = held.shard.purpose == "advance"
        try:
            self._patiently(self._advance(held, lease) if may_be_over else self._work(held, lease))
        except Exception as error:
            may_be_over = True
            self.close()
            self._settle(held, lease, error)
        if lease.tripped:
            self.close()
        if may_be_over:
            self._patiently(partial(remove_if_over, held.job))

    def _work(self, held: Claim, lease: LeaseKeeper) -> Callable[[], None]:
        """Run a shard; what is returned commits it."""
        session = self._open(held.job)
        lease.session = session
        with lease:
            lease.check()
            result = session.run(held.shard.spec, lease)
            lease.progress(1.0)
            arrays = _keep_arrays(held, result)
        return partial(leases.commit, held, result, arrays)

    def _advance(self, held: Claim, lease: LeaseKeeper) -> Callable[[], None]:
        """Plan what comes next, or merge; what is returned commits it."""
        with lease:
            step = get_kind(held.job.kind).advance(held.job, held.shard.stage, *_so_far(held.job))
            lease.progress(1.0)
        return partial(leases.commit_advance, held, step)

    def _settle(self, held: Claim, lease: LeaseKeeper, error: Exception) -> None:
        """Write down why a shard was not committed, and who may have it next."""
        try:
            if lease.fenced or isinstance(error, Fenced):
                raise Fenced
            self._patiently(self._verdict(held, error))
        except Fenced:
            self._patiently(partial(note, held.job, held.shard, "fenced", held))

    def _verdict(self, held: Claim, error: Exception) -> Callable[[], None]:
        if isinstance(error, Cancelled):
            return partial(self._cancelled, held, error.message)
        if _disk_is_full(error):
            why = f"The disk of {self.name} is full."
            _log.error("%s Shard %s waits.", why, held.shard.pk)
            pause = min(_DISK_PAUSE, settings.ENV.lease_seconds)
            return partial(leases.release, held, why, pause)
        if not isinstance(error, AssayError):
            _log.error("Shard %s of job %s failed", held.shard.pk, held.job.pk, exc_info=error)
            return partial(leases.fail, held, f"{type(error).__name__}: {error}"[:500], final=False)
        final = not isinstance(error, ChildFailed | Internal)
        return partial(leases.fail, held, error.message, final=final)

    def _cancelled(self, held: Claim, why: str) -> None:
        job = Job.unscoped.get(pk=held.job.pk)
        if job.ended or job.state == JobState.CANCELLING:
            leases.cancelled(held)
        elif self.stopping.is_set():
            leases.release(held, "The worker was stopped.")
        else:
            leases.fail(held, why, final=False)

    def _patiently(self, call: Callable[[], None]) -> None:
        patiently(call, self.stopping)

    def _open(self, job: Job) -> Session:
        key = job.subject_key or str(job.pk)
        if self._session is None or self._key != key:
            self.close()
            self._session, self._key = get_kind(job.kind).open(job), key
        return self._session


def _disk_is_full(error: BaseException | None) -> bool:
    """Whether it is this machine's disk, and nothing of the shard's."""
    if error is None:
        return False
    return (isinstance(error, OSError) and error.errno in _DISK) or _disk_is_full(error.__cause__)


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
