"""The harness against calls whose times are known."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import numpy as np
import pytest

from assay.methods.cost.latency import CallTimes, calls_within, time_rounds, warm_up
from assay.stats.order_statistics import QuantileInterval, quantile_interval


def nothing() -> None:
    """A processor is done when the call returns."""


def timed(
    calls: dict[int, Callable[[int], object]], seconds: float, most: int = 2_000
) -> dict[int, CallTimes]:
    return time_rounds(
        calls,
        seconds=seconds,
        most_calls=most,
        rng=np.random.default_rng(0),
        synchronise=nothing,
        progress=lambda _share: None,
    )


def percentile(found: CallTimes, share: float) -> QuantileInterval:
    return quantile_interval(found.seconds, share, rounds=found.rounds)


def test_a_call_of_five_milliseconds_takes_five_milliseconds() -> None:
    truth: list[float] = []

    def call(_number: int) -> None:
        start = time.perf_counter()
        time.sleep(0.005)
        truth.append(time.perf_counter() - start)

    found = timed({1: call}, 0.4)[1]
    assert 5 <= found.seconds.size <= 80
    assert percentile(found, 0.5).value >= 0.005
    # what the harness says of each call, against what the call says of itself: a busy machine delays both
    over = found.seconds - truth[-found.seconds.size :]
    assert (over >= 0).all()
    assert np.median(over) < 0.001


def test_a_planted_slow_tail_is_found_in_the_99th_percentile_and_not_in_the_median() -> None:
    found = timed({1: lambda number: time.sleep(0.012 if number % 20 == 0 else 0.0005)}, 12.0, 600)[1]
    assert found.seconds.size >= 459
    low = percentile(found, 0.99).low
    assert low is not None
    assert low >= 0.012
    assert percentile(found, 0.5).value < 0.006


def test_two_names_for_one_call_agree_within_their_intervals() -> None:
    work = np.random.default_rng(1).normal(size=(60, 60))
    found = timed({1: lambda _number: work @ work, 2: lambda _number: work @ work}, 0.3)
    a, b = (percentile(found[size], 0.5) for size in (1, 2))
    assert a.low is not None
    assert a.high is not None
    assert b.low is not None
    assert b.high is not None
    assert a.low <= b.high
    assert b.low <= a.high


def test_batch_sizes_take_turns_in_rounds() -> None:
    order: list[int] = []
    calls: dict[int, Callable[[int], object]] = {
        size: lambda number, size=size: order.append(size) for size in (1, 8)
    }
    found = timed(calls, 0.05, most=200)
    last = order[-400:]  # the warm-up came before
    assert last.count(1) == last.count(8) == 200
    assert set(last[:20]) == set(last[-20:]) == {1, 8}
    assert np.bincount(found[1].rounds).tolist() == [10] * 20


def test_no_garbage_is_collected_between_timed_calls_and_again_afterwards() -> None:
    seen: list[bool] = []
    timed({1: lambda _number: seen.append(gc.isenabled())}, 0.05, most=50)
    assert not any(seen)
    assert gc.isenabled()


def test_the_warm_up_ends_when_times_have_settled_and_says_when_they_have_not() -> None:
    now = 0.0

    def lasting(seconds: Callable[[int], float]) -> Callable[[int], None]:
        def call(number: int) -> None:
            nonlocal now
            now += seconds(number)

        return call

    settling = lasting(lambda number: 0.02 if number < 5 else 0.004)
    assert warm_up(settling, nothing, 2.0, lambda: now) == pytest.approx((0.004, 20, True))
    slower = lasting(lambda number: 0.03 + 0.02 * number)
    assert warm_up(slower, nothing, 0.05, lambda: now) == pytest.approx((0.04, 2, False))


@pytest.mark.parametrize(("each", "expected"), [(1e-4, 1_000), (0.01, 100), (10.0, 5)])
def test_calls_fill_the_time_that_they_are_given(each: float, expected: int) -> None:
    assert calls_within(1.0, each, 1_000) == expected
