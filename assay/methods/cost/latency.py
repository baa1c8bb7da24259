"""Timing calls: warm, in rounds of random order, without the garbage collector."""

from __future__ import annotations

import gc
import statistics
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["ROUNDS", "CallTimes", "WarmUp", "calls_within", "time_calls", "time_rounds", "warm_up"]

ROUNDS = 20
"""Every batch size is timed in so many rounds, so that a slow spell of the machine touches all of them."""
_WINDOW = 5
_STABLE = 1.05
"""Warm: the medians of three windows of five calls lie within 5 %."""
_REPORT_SECONDS = 0.5
_FEWEST = 5

Call = Callable[[int], object]
Synchronise = Callable[[], object]


class WarmUp(NamedTuple):
    """Seconds of a warm call, how many calls it took, and whether times had settled by then."""

    seconds: float
    calls: int
    stable: bool


class CallTimes(NamedTuple):
    """Seconds of each call and its round, shapes (calls,), in the order in which they were made."""

    seconds: npt.NDArray[np.float64]
    rounds: npt.NDArray[np.int64]
    warm: WarmUp


def warm_up(
    call: Call,
    synchronise: Synchronise,
    most_seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> WarmUp:
    """Call until times have settled, or for about `most_seconds`; at least twice."""
    medians: list[float] = []
    window: list[float] = []
    calls, start = 0, clock()
    while True:
        begun = clock()
        call(calls)
        synchronise()
        ended = clock()
        window.append(ended - begun)
        calls += 1
        if len(window) == _WINDOW:
            medians.append(statistics.median(window))
            window = []
            last = medians[-3:]
            if len(last) == 3 and max(last) <= _STABLE * min(last):
                return WarmUp(medians[-1], calls, True)
        if ended - start > most_seconds and calls >= 2:
            return WarmUp(statistics.median(window) if window else medians[-1], calls, False)


def calls_within(seconds: float, each: float, most: int) -> int:
    """How many calls of `each` seconds fit; at least five, at most `most`."""
    return max(_FEWEST, min(most, int(seconds / max(each, 1e-9))))


def time_calls(call: Call, numbers: Sequence[int], synchronise: Synchronise) -> array[int]:
    """Nanoseconds of each call; nothing but the call and the clock inside."""
    clock = time.perf_counter_ns
    found = array("q", bytes(8 * len(numbers)))
    for place, number in enumerate(numbers):
        start = clock()
        call(number)
        synchronise()
        found[place] = clock() - start
    return found


def time_rounds(
    calls: Mapping[int, Call],
    *,
    seconds: float,
    most_calls: int,
    rng: np.random.Generator,
    synchronise: Synchronise,
    progress: Callable[[float], None],
    counts: Mapping[int, int] | None = None,
) -> dict[int, CallTimes]:
    """Time the calls of every batch size, `seconds` each, in rounds whose order is drawn at random.

    Args:
        calls: batch size -> what answers call number i.
        counts: of those that are called so often, however long that takes.
        synchronise: waits until the device has finished.

    Returns:
        Batch size -> times of its calls, without those of the warm-up.
    """
    with _no_collection():
        warm = {batch: warm_up(call, synchronise, max(seconds / 2, 0.05)) for batch, call in calls.items()}
        totals = {batch: calls_within(seconds, warm[batch].seconds, most_calls) for batch in calls}
        totals |= counts or {}
        times: dict[int, list[float]] = {batch: [] for batch in calls}
        rounds: dict[int, list[int]] = {batch: [] for batch in calls}
        order = list(calls)
        for number in range(ROUNDS):
            for place in rng.permutation(len(order)):
                batch = order[int(place)]
                first, stop = (totals[batch] * (number + step) // ROUNDS for step in (0, 1))
                for numbers in _pieces(first, stop, warm[batch].seconds):
                    times[batch].extend(time_calls(calls[batch], numbers, synchronise))
                    progress((number + 0.5) / ROUNDS)
                rounds[batch] += [number] * (stop - first)
            progress((number + 1) / ROUNDS)
    return {
        batch: CallTimes(np.array(times[batch]) / 1e9, np.array(rounds[batch], dtype=np.int64), warm[batch])
        for batch in calls
    }


def _pieces(first: int, stop: int, each: float) -> Iterator[range]:
    """The calls [first, stop) in pieces of about half a second, between which progress is reported."""
    size = max(1, int(_REPORT_SECONDS / max(each, 1e-9)))
    for start in range(first, stop, size):
        yield range(start, min(start + size, stop))


@contextmanager
def _no_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
