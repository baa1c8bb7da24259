"""Running one method or remedy: its contexts, its stages, its merge. No sandbox, no policy, no screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from assay.contracts import (
    AuditMethod,
    Grade,
    MethodResult,
    NewArtifact,
    Params,
    Partial,
    Profile,
    Remedy,
    ShardSpec,
    SubjectProtocol,
)
from assay.datasets.values import visible
from assay.errors import Cancelled, ChildFailed, Internal
from assay.planning import make_params
from assay.rng import keyed_rng

__all__ = [
    "InlineContext",
    "Merging",
    "RemedyRun",
    "execute",
    "merge",
    "planned",
    "run_method",
    "run_remedy",
    "said_by_child",
]

MAX_STAGES = 100


@dataclass(frozen=True)
class Merging:
    """The MergeContext of one method: its grade and its keyed random numbers."""

    method: str
    seed: int
    grade: Grade

    def rng(self, *key: str | int) -> np.random.Generator:
        return keyed_rng(self.seed, self.method, *key)


@dataclass
class InlineContext:
    """The Context of a shard: keyed random numbers, progress and cancellation through callables."""

    method: str
    seed: int
    device: str = "cpu"
    report: Callable[[float], None] | None = None
    is_cancelled: Callable[[], bool] | None = None

    def rng(self, *key: str | int) -> np.random.Generator:
        return keyed_rng(self.seed, self.method, *key)

    def progress(self, done: float) -> None:
        if self.cancelled():
            raise Cancelled("The audit was stopped.")
        if self.report is not None:
            self.report(min(max(done, 0.0), 1.0))

    def cancelled(self) -> bool:
        return self.is_cancelled is not None and self.is_cancelled()


@contextmanager
def said_by_child(method: str) -> Iterator[None]:
    """Inside, partials are read, which a child made: whatever goes wrong with them is its failure.

    Raises:
        ChildFailed: in place of any other error, so that one method fails and the others go on.
    """
    try:
        yield
    except (Cancelled, ChildFailed):
        raise
    except Exception as error:
        said = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            said = f"{'.'.join(map(str, first['loc'])) or error.title}: {first['msg']}"
        shown = visible(said.partition("\n")[0][:200]).rstrip(". ") or "no reason given"
        raise ChildFailed(
            f"What was counted for {method} cannot be put together ({type(error).__name__}: {shown})."
        ) from error


def planned(
    method: AuditMethod, profile: Profile, params: Params, stage: int, earlier: Sequence[Partial]
) -> list[ShardSpec]:
    """The shards of a stage in their order. Raises ChildFailed: none can be planned after these partials."""
    if stage == 0:
        return sorted(method.plan(profile, params, 0, ()), key=lambda s: s.index)
    with said_by_child(method.spec.id):
        return sorted(method.plan(profile, params, stage, earlier), key=lambda s: s.index)


def execute(
    method: AuditMethod,
    profile: Profile,
    params: Params,
    run_shard: Callable[[ShardSpec], Sequence[Partial]],
) -> list[Partial]:
    """Plan and run stage after stage until the method plans nothing more."""
    partials: list[Partial] = []
    for stage in range(MAX_STAGES):
        shards = planned(method, profile, params, stage, tuple(partials))
        if not shards:
            return partials
        for shard in shards:
            partials.extend(run_shard(shard))
    raise Internal(f"{method.spec.id} planned more than {MAX_STAGES} stages.")


def merge(
    method: AuditMethod, partials: Sequence[Partial], profile: Profile, params: Params, seed: int
) -> MethodResult:
    """Merge a method's partials; the order in which shards finished does not count."""
    ordered = sorted(partials, key=lambda p: (p.stage, p.index))
    asked: Grade = "endpoint" if profile.model is not None and profile.model.endpoint else "executed"
    grade = asked if "query" in method.spec.needs else profile.grade
    return method.merge(ordered, profile, params, Merging(method.spec.id, seed, grade))


def run_method(
    method: AuditMethod,
    subject: SubjectProtocol,
    params: Mapping[str, Any] | None = None,
    *,
    seed: int = 0,
    shard_rows: int | None = None,
) -> MethodResult:
    """Run one method in this process, without a sandbox: for tests, benchmarks and notebooks.

    Args:
        shard_rows: cut every planned row range further into pieces of this many rows (to show that
            another sharding gives the same result).
    """
    checked = make_params(method, params)
    context = InlineContext(method.spec.id, seed)

    def run_shard(shard: ShardSpec) -> list[Partial]:
        return [method.run(piece, subject, checked, context) for piece in _pieces(shard, shard_rows)]

    partials = execute(method, subject.profile, checked, run_shard)
    return merge(method, partials, subject.profile, checked, seed)


@dataclass
class RemedyRun:
    """The RemedyContext of one remedy: its folder, its seed, progress and cancellation through callables."""

    work: Path
    seed: int = 0
    device: str = "cpu"
    report: Callable[[float, str], None] | None = None
    is_cancelled: Callable[[], bool] | None = None

    def progress(self, done: float, note: str = "") -> None:
        if self.cancelled():
            raise Cancelled("The remedy was stopped.")
        if self.report is not None:
            self.report(min(max(done, 0.0), 1.0), note)

    def cancelled(self) -> bool:
        return self.is_cancelled is not None and self.is_cancelled()


def run_remedy(
    remedy: Remedy,
    subject: SubjectProtocol,
    params: Mapping[str, Any] | None,
    work: Path,
    *,
    seed: int = 0,
    device: str = "cpu",
) -> NewArtifact:
    """Apply one remedy in this process, without a sandbox: for tests, benchmarks and notebooks.

    Args:
        work: folder for checkpoints and the new model; the same call again goes on where it was stopped.
    """
    return remedy.apply(subject, make_params(remedy, params), RemedyRun(work, seed, device))


def _pieces(shard: ShardSpec, rows: int | None) -> Iterator[ShardSpec]:
    """The shard itself, or its row range cut into pieces of `rows`."""
    if rows is None or shard.stop_row - shard.first_row <= rows:
        yield shard
        return
    for number, first in enumerate(range(shard.first_row, shard.stop_row, rows)):
        stop = min(first + rows, shard.stop_row)
        yield shard.model_copy(
            update={"first_row": first, "stop_row": stop, "index": shard.index * 1_000_000 + number}
        )
