"""What has been asked so far, whether more may be and when: shared by a run's workers, outliving them."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from assay.contracts import EndpointLimits
from assay.errors import Internal, LimitReached

__all__ = ["Counts", "Meter"]


@dataclass
class Counts:
    """Of one run: attempts, retries among them, and tokens, also of requests that are on their way."""

    requests: int = 0
    retries: int = 0
    tokens: int = 0
    next: float = 0.0
    """When the next request may start, in seconds since 1970."""


_WIDTH = 256
"""Bytes of the file, always: a write in its place needs no room on the disk and leaves no torn rest."""
_MOST_WAITING = 64
"""Requests that may wait for their turn at once. A start further ahead is a clock that was put back."""


class Meter:
    """Counts requests and spending against the user's limits.

    Args:
        path: a file that keeps the counts, for runs that several processes share; None keeps them here.
    """

    def __init__(
        self,
        limits: EndpointLimits,
        path: Path | None = None,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._limits = limits
        self._path = path
        self._clock, self._sleep = clock, sleep
        self._memory = Counts()
        self.own = Counts()
        """What this meter counted itself."""

    def begin(self, *, retry: bool, tokens: int = 0) -> None:
        """Count an attempt before it is made, and wait for its turn.

        Starts are at least 1 / requests_per_second apart, over all processes that share the counts.

        Args:
            tokens: how many it may take, by a rough count. They count from now on, for every process that
                asks; of one that is killed meanwhile they stay counted, since the request may be billed.

        Raises:
            LimitReached: one more would be over the limit on requests or spending.
        """
        limits = self._limits
        with self._shared() as counts:
            if counts.requests >= limits.most_requests:
                raise LimitReached(
                    f"The limit of {limits.most_requests:,} requests is reached, so the audit stopped. Raise "
                    "the limit most_requests, ask fewer rows, or choose fewer methods."
                )
            expected = self._price(counts.tokens + tokens)
            if limits.most_spend is not None and expected > limits.most_spend:
                raise LimitReached(
                    f"The next request could bring the spending to {expected:,.4f}, over the limit of "
                    f"{limits.most_spend:,.4f} ({counts.tokens:,} tokens so far), so the audit stopped. "
                    "Raise the limit most_spend, ask fewer rows, or choose fewer methods."
                )
            counts.requests += 1
            counts.retries += retry
            counts.tokens += tokens
            now, pace = self._clock(), 1 / limits.requests_per_second
            start = max(now, min(counts.next, now + _MOST_WAITING * pace))
            counts.next = start + pace
        self.own.requests += 1
        self.own.retries += retry
        if start > now:
            self._sleep(start - now)

    def end(self, took: int, expected: int) -> None:
        """Count what an attempt took, in the place of what `begin` expected."""
        with self._shared() as counts:
            counts.tokens += took - expected
        self.own.tokens += took

    @property
    def spend(self) -> float:
        """What this meter's own tokens cost."""
        return self._price(self.own.tokens)

    def refuse_more_than(self, requests: int, what: str) -> None:
        """Raises LimitReached: `what` takes more requests than are left."""
        with self._shared() as counts:
            left = self._limits.most_requests - counts.requests
        if requests > left:
            raise LimitReached(
                f"{what} takes {requests:,} requests; {left:,} of {self._limits.most_requests:,} are left. "
                "Nothing was asked. Raise the limit most_requests, or give fewer rows."
            )

    def _price(self, tokens: int) -> float:
        return tokens / 1_000 * self._limits.price_per_1k_tokens

    @contextmanager
    def _shared(self) -> Iterator[Counts]:
        if self._path is None:
            yield self._memory
            return
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            counts = _read(os.pread(file, _WIDTH, 0))
            before = asdict(counts)
            yield counts
            if asdict(counts) != before:
                _write(file, counts)
        finally:
            os.close(file)


def _write(file: int, counts: Counts) -> None:
    """All of it in one call over what was there: whoever is killed leaves the old counts or the new ones."""
    try:
        written = os.pwrite(file, json.dumps(asdict(counts)).ljust(_WIDTH).encode(), 0)
    except OSError as error:
        raise Internal(f"What is asked of an endpoint cannot be counted: {error.strerror}.") from error
    if written != _WIDTH:
        raise Internal("What is asked of an endpoint cannot be counted: the disk is full.")


def _read(text: bytes) -> Counts:
    """Counts as they were kept; a torn file would forget what was spent, so it is an error."""
    if not text:
        return Counts()
    try:
        said = json.loads(text)
        requests, retries, tokens = (int(said[name]) for name in ("requests", "retries", "tokens"))
        return Counts(requests, retries, tokens, float(said.get("next", 0.0)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Internal("The counts of what was asked of an endpoint cannot be read.") from error
