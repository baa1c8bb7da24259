"""What every session has that runs its shards in one supervised child: a folder, the child, and their end."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from django.conf import settings

from assay.contracts import DataRequest
from assay.endpoints.asker import Asker
from assay.runner.supervisor import Supervisor
from jobs.kinds import ShardContext

__all__ = ["ChildSession"]


class ChildSession:
    """Half of a `jobs.kinds.Session`; subclasses add `run`."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._supervisor: Supervisor | None = None
        self._stopped = ""

    def stop(self, why: str) -> None:
        """End what the child does; called from another thread."""
        self._stopped = why
        if self._supervisor is not None:
            self._supervisor.stop(why)

    def close(self) -> None:
        """End the child and remove what was laid out for it."""
        if self._supervisor is not None:
            self._supervisor.close()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._supervisor = self._folder = None

    def _new_folder(self) -> Path:
        """Where the child's copies of stored files go; what an earlier attempt left is removed."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = Path(tempfile.mkdtemp(prefix="assay-child-"))
        return self._folder

    def _supervise(
        self,
        request: DataRequest | None,
        context: ShardContext,
        limit: float | None = None,
        asker: Asker | None = None,
    ) -> Supervisor:
        """A supervisor for `request` under the shard's share of the machine, in place of the one before.

        Args:
            limit: seconds for one answer of the child; ASSAY_SHARD_SECONDS by default.
            asker: asks the endpoint, where the model is behind one.
        """
        if self._supervisor is not None:
            self._supervisor.close()
        self._supervisor = Supervisor(
            request,
            time_limit=settings.ENV.shard_seconds if limit is None else limit,
            memory_limit=context.memory_limit,
            environment=context.environment,
            asker=asker,
        )
        if self._stopped:
            self._supervisor.stop(self._stopped)
        return self._supervisor

    def _layers(self) -> dict[str, Any] | None:
        """The sandbox layers that the child had on."""
        return self._supervisor.sandbox.model_dump(mode="json") if self._supervisor is not None else None
