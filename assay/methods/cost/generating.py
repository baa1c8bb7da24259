"""What a generated token costs: greedy continuations of the data's own texts, one at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from assay.contracts import At, Measure
from assay.errors import ChildFailed
from assay.stats.order_statistics import quantile_interval
from assay.stats.ratio import ratio_of_sums

if TYPE_CHECKING:
    from assay.methods.cost.inference_measures import Maker

__all__ = ["NEW_TOKENS", "time_tokens", "token_measures"]

NEW_TOKENS = 32
_PROMPT = 100
"""Characters of a text that are the prompt."""
_WARM = 2
_FEWEST = 5


class _Generates(Protocol):
    def new_tokens(self, prompt: str, most: int) -> list[int]: ...


def time_tokens(
    model: _Generates,
    texts: Sequence[str],
    seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Seconds and tokens of each continuation, for about `seconds`; at least five, after two to warm up.

    Continuations end early where the model stops. The answer is a list, so the device is waited for.
    """
    took: list[float] = []
    made: list[float] = []
    calls, began = 0, clock()
    while calls < _WARM + _FEWEST or clock() - began < seconds:
        prompt = texts[calls % len(texts)][:_PROMPT]
        start = clock()
        tokens = model.new_tokens(prompt, NEW_TOKENS)
        spent = clock() - start
        calls += 1
        if calls == _WARM:
            began = clock()
        if calls > _WARM:
            took.append(spent)
            made.append(float(len(tokens)))
    return {"seconds": took, "tokens": made}


def token_measures(make: Maker, timed: dict[str, Any] | None, level: float) -> Iterator[Measure]:
    """Time a token and tokens a second; nothing for models that generate none."""
    if timed is None:
        return
    seconds, tokens = (np.asarray(timed[key], dtype=np.float64) for key in ("seconds", "tokens"))
    if seconds.ndim != 1 or seconds.shape != tokens.shape:
        raise ChildFailed("The child timed other continuations than it made.")
    at: At = {"new": NEW_TOKENS}
    each = quantile_interval(seconds / tokens, 0.5, level)
    low, high = (None if end is None else end * 1e3 for end in (each.low, each.high))
    calls = int(seconds.size)
    yield make("token_latency", each.value * 1e3, calls, "order statistics", low=low, high=high, at=at)
    found = ratio_of_sums(seconds, tokens, level)
    fast = 1 / found.low if found.low is not None and found.low > 0 else None
    slow = None if found.high is None else 1 / found.high
    yield make("token_throughput", 1 / found.value, calls, "delta method", low=slow, high=fast, at=at)
