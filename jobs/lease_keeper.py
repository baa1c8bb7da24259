"""The kept lease of a running shard, which is also what the shard sees of the job engine."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from assay.errors import Cancelled
from assay.runner.memory import default_memory_limit
from jobs import leases
from jobs.folders import work_folder
from jobs.kinds import Session
from jobs.leases import Claim, Fenced
from jobs.models import Job

__all__ = ["LeaseKeeper", "Share"]

_log = logging.getLogger(__name__)
_PROGRESS_SECONDS = 2.0
"""How old the progress on a page may be, and how long a cancellation takes to arrive."""


@dataclass(frozen=True)
class Share:
    """What one slot may use of the machine."""

    memory_limit: int = field(default_factory=default_memory_limit)
    environment: Mapping[str, str] = field(default_factory=dict)


class LeaseKeeper:
    """Keeps a claim alive from a thread of its own, and stops the session when it is lost.

    It is the ShardContext of the shard (jobs/kinds.py).
    """

    def __init__(self, held: Claim, share: Share, stopping: threading.Event) -> None:
        self.held = held
        self.session: Session | None = None
        self.fenced = self.cancelled = False
        self._share = share
        self._stopping = stopping
        self._done, self._doing = 0.0, ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep, name=f"lease-{held.shard.pk}", daemon=True)

    def __enter__(self) -> LeaseKeeper:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        # A renewal that hangs with its connection must not keep the commit waiting; late, it does no harm.
        self._thread.join(5.0)

    @property
    def tripped(self) -> bool:
        """Whether the session was told to stop, so that it serves no other shard."""
        return self.fenced or self.cancelled

    @property
    def job(self) -> Job:
        return self.held.job

    @property
    def work(self) -> Path:
        folder = work_folder(self.held.job)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    @property
    def memory_limit(self) -> int:
        return self._share.memory_limit

    @property
    def environment(self) -> Mapping[str, str]:
        return self._share.environment

    def progress(self, done: float, doing: str = "") -> None:
        self._done, self._doing = min(max(done, 0.0), 1.0), doing or self._doing
        self.check()

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        self.check()
        leases.checkpoint(self.held, state)

    def resume(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self.held.shard.checkpoint
        return found

    def check(self) -> None:
        """Raise Fenced or Cancelled where the shard is not to be gone on with."""
        if self.fenced:
            raise Fenced
        if self.cancelled:
            raise Cancelled("The job was cancelled.")
        if self._stopping.is_set():
            raise Cancelled("The worker is being stopped.")

    def _keep(self) -> None:
        lease = settings.ENV.lease_seconds
        kept = time.monotonic()
        try:
            while not self._over.wait(min(lease / 4, _PROGRESS_SECONDS)):
                try:
                    if not leases.renew(self.held, self._done, self._doing):
                        self.cancelled = True
                        return self._stop("The job was cancelled.")
                    kept = time.monotonic()
                except Fenced:
                    if self._over.is_set():
                        return  # given back in the meantime
                    self.fenced = True
                    return self._stop("The lease was lost.")
                except Exception as error:
                    # The database is away: go on, the lease may outlast it; the commit will tell.
                    _log.warning(
                        "The lease of shard %s was not renewed for %.0f s: %s",
                        self.held.shard.pk,
                        time.monotonic() - kept,
                        error,
                    )
                    connection.close()
        finally:
            connection.close()

    def _stop(self, why: str) -> None:
        session = self.session
        if session is not None:
            session.stop(why)
