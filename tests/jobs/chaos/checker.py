"""Reads the history of jobs and says what is wrong with it. Knows nothing of how it came about."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from jobs.models import Event, Job, Shard

__all__ = ["Verdict", "check"]


@dataclass
class Verdict:
    """What the history says."""

    jobs: int = 0
    shards: int = 0
    events: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def check(jobs: Sequence[Job], expected: Mapping[int, str]) -> Verdict:
    """Every shard counted once, none lost, every job ended well and with the digest of an undisturbed run.

    Args:
        jobs: of the kind in tests/jobs/chaos/kind.py.
        expected: seed -> digest.
    """
    verdict = Verdict(jobs=len(jobs))
    for job in jobs:
        _check_job(job, expected, verdict)
    return verdict


def _check_job(job: Job, expected: Mapping[int, str], verdict: Verdict) -> None:
    history: dict[int | None, list[Event]] = defaultdict(list)
    for event in Event.objects.filter(job=job).order_by("id"):
        history[event.shard_id].append(event)
        verdict.events[event.what] += 1
    say = verdict.wrong.append
    of_job = history.pop(None, [])
    ends = [event.detail for event in of_job if event.what == "ended"]
    outcomes = [event.detail for event in of_job if event.what == "outcome"]
    if ends != ["done"]:
        say(f"job {job.pk}: ended {ends or 'not at all'}")
    if len(outcomes) != 1:
        say(f"job {job.pk}: {len(outcomes)} outcomes")
    if any(outcome != expected[job.request["seed"]] for outcome in outcomes):
        say(f"job {job.pk}: another result than undisturbed")
    count = job.request["shards"]
    planned = {("work", 0): count, ("advance", 0): 1, ("work", 1): -(-count // 8), ("advance", 1): 1}
    found = Counter((shard.purpose, shard.stage) for shard in Shard.objects.filter(job=job))
    if dict(found) != planned:
        say(f"job {job.pk}: shards {dict(found)}, planned {planned}")
    for pk in Shard.objects.filter(job=job).values_list("pk", flat=True):
        verdict.shards += 1
        _check_shard(pk, history.pop(pk, []), say)


def _check_shard(pk: int, events: Sequence[Event], say: object) -> None:
    assert callable(say)
    claims = [event for event in events if event.what == "claimed"]
    commits = [event for event in events if event.what == "committed"]
    tokens = [event.token for event in claims]
    if len(commits) != 1:
        say(f"shard {pk}: committed {len(commits)} times")
    if tokens != list(range(1, len(tokens) + 1)):
        say(f"shard {pk}: claimed with tokens {tokens}")
    for commit in commits:
        if not tokens or commit.token != tokens[-1] or commit.worker != claims[-1].worker:
            say(f"shard {pk}: {commit.worker} committed with token {commit.token}, last claim {tokens[-1:]}")
    if any(event.what in ("failed", "cancelled") for event in events):
        say(f"shard {pk}: given up")
