"""What other apps tell the job engine: one JobKind for each kind of work, registered when Django starts.

`jobs` knows no audit. A kind says what the first shards are, how one is run, what comes after a stage, and
what is to be stored when the job ends.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable
from uuid import UUID

import numpy as np
import numpy.typing as npt

from assay.errors import Internal

if TYPE_CHECKING:
    from jobs.models import Job

__all__ = [
    "Advance",
    "Described",
    "DoneShard",
    "FailedShard",
    "Finished",
    "GiveUp",
    "JobKind",
    "NewShard",
    "Next",
    "Retryable",
    "Session",
    "ShardContext",
    "ShardResult",
    "get_kind",
    "register",
]

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class NewShard:
    """A shard to be added. `spec` is JSON; `weight` is its estimated seconds."""

    spec: Mapping[str, Any]
    weight: float = 1.0


@dataclass(frozen=True)
class ShardResult:
    """What running a shard gave: JSON, and arrays that are kept until the job has ended."""

    data: Mapping[str, Any] = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)


@dataclass(frozen=True)
class DoneShard:
    """A committed work shard; `arrays()` reads its arrays."""

    stage: int
    index: int
    spec: Mapping[str, Any]
    data: Mapping[str, Any]
    load: Callable[[], Arrays]

    def arrays(self) -> Arrays:
        return self.load()


@dataclass(frozen=True)
class FailedShard:
    """A shard that was given up, with the reason for readers."""

    stage: int
    index: int
    spec: Mapping[str, Any]
    why: str


@dataclass(frozen=True)
class Next:
    """The job goes on: these shards are the next stage."""

    shards: Sequence[NewShard]


@dataclass(frozen=True)
class Finished:
    """The job is complete. `outcome` goes to `on_done` as it is.

    `incomplete` are sentences on what is lacking; with any, the job ends as incomplete instead of done.
    """

    outcome: Any = None
    incomplete: Sequence[str] = ()


@dataclass(frozen=True)
class GiveUp:
    """The job cannot be completed; `why` is for readers."""

    why: str


Advance = Next | Finished | GiveUp


class ShardContext(Protocol):
    """What a running shard may use of the job engine."""

    @property
    def job(self) -> Job: ...

    @property
    def work(self) -> Path:
        """The job's folder: outlives child and worker, removed when the job has ended."""
        ...

    @property
    def memory_limit(self) -> int:
        """Bytes of memory that a child of this worker's slot may use."""
        ...

    @property
    def environment(self) -> Mapping[str, str]:
        """Variables for a child beside the usual ones: which device is this slot's (CUDA_VISIBLE_DEVICES)."""
        ...

    def progress(self, done: float, doing: str = "") -> None:
        """Done share of this shard, 0..1. Raises Cancelled when the job is being cancelled or the worker is
        asked to stop, Fenced when the lease was lost."""
        ...

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        """Keep a JSON state that the next attempt gets from `resume`. Raises Fenced."""
        ...

    def resume(self) -> Mapping[str, Any] | None:
        """The state of the last checkpoint of this shard, by whichever attempt."""
        ...


class Session(Protocol):
    """An open subject (usually one supervised child) that serves successive shards of one subject key."""

    def run(self, spec: Mapping[str, Any], context: ShardContext) -> ShardResult:
        """Run one shard.

        Raises:
            BadInput and other AssayErrors that the same input will raise again: the shard fails at once.
            ChildFailed: the shard is tried again, up to the limit of attempts.
        """
        ...

    def stop(self, why: str) -> None:
        """End what `run` is doing; called from another thread when the lease is lost or the job cancelled."""
        ...

    def close(self) -> None: ...


class JobKind(Protocol):
    """One kind of work. Methods without "transaction" in their text run outside of any."""

    name: str

    def begin(self, job: Job) -> Sequence[NewShard]:
        """The shards of stage 0; in the submitting transaction, so cheap. At least one."""
        ...

    def open(self, job: Job) -> Session:
        """Make what runs shards of this job and of others with the same subject key. Cheap: load lazily."""
        ...

    def advance(
        self, job: Job, stage: int, done: Sequence[DoneShard], failed: Sequence[FailedShard]
    ) -> Advance:
        """What comes after a stage, from all shards so far, sorted by (stage, index). May be slow. Pure:
        a worker that dies here is followed by another that gets the same."""
        ...

    def on_done(self, job: Job, outcome: Any, incomplete: Sequence[str]) -> None:
        """Store the outcome; inside the transaction that ends the job, once.

        Whatever it raises rolls that transaction back and counts as a failed attempt."""
        ...

    def on_failed(self, job: Job, why: str) -> None:
        """The job failed; inside the transaction that ends it."""
        ...

    def on_cancelled(self, job: Job) -> None:
        """The job was cancelled; inside the transaction that ends it."""
        ...


@runtime_checkable
class Retryable(Protocol):
    """A JobKind whose ended jobs may be tried again; others refuse."""

    def on_retried(self, job: Job) -> None:
        """The job runs again: take back what `on_failed` or `on_done` wrote; inside the transaction.

        Raises:
            BadInput: this job cannot be tried again, and why.
        """
        ...


@runtime_checkable
class Described(Protocol):
    """A JobKind that tells people what its jobs are; others go by their names."""

    title: str
    """Of one job, as lists show it: Audit."""
    page: str
    """URL name of the page of a job's target, which takes organisation and target id; empty: none."""

    def target_names(self, targets: Sequence[UUID]) -> Mapping[UUID, str]:
        """What the targets of jobs are called, in one query; those that are gone are left out."""
        ...


_KINDS: dict[str, JobKind] = {}


def register(kind: JobKind) -> None:
    """Make a kind known; called once each from an app's `ready`."""
    if kind.name in _KINDS and type(_KINDS[kind.name]) is not type(kind):
        raise ValueError(f"There are two job kinds named {kind.name}.")
    _KINDS[kind.name] = kind


def get_kind(name: str) -> JobKind:
    """The registered kind.

    Raises:
        Internal: there is none: the job was submitted by another version of the service.
    """
    try:
        return _KINDS[name]
    except KeyError:
        raise Internal(f'This version of the service knows no jobs of the kind "{name}".') from None


def no_arrays() -> Arrays:
    return {}


def load_npz(path: Path) -> Arrays:
    """Arrays of a result file."""
    with np.load(path, allow_pickle=False) as loaded:
        return {name: loaded[name] for name in loaded.files}
