"""Counts and pace are one for all workers of a run, and neither a kill nor a full disk loses them."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from assay.contracts import EndpointLimits
from assay.endpoints.address import Access
from assay.endpoints.asker import Asker
from assay.endpoints.meter import Meter
from assay.errors import Cancelled, Internal, LimitReached
from tests.endpoint_server import served, status
from tests.endpoints.asked import MADE, NUMBERS, request

_FORK = multiprocessing.get_context("fork")


def _meter(path: Path, **limits: Any) -> Meter:
    return Meter(EndpointLimits(**{"requests_per_second": 10_000, **limits}), path, sleep=lambda _s: None)


def _count_on(path: Path) -> None:
    meter = _meter(path, most_requests=10**8)
    while True:
        meter.begin(retry=False, tokens=5)
        meter.end(5, 5)


def _requests(path: Path) -> int:
    meter = _meter(path, most_requests=10**8)
    with meter._shared() as counts:
        return counts.requests


def test_whoever_is_killed_while_counting_loses_no_count(tmp_path: Path) -> None:
    path, last = tmp_path / "counts", 0
    for round_ in range(60):
        worker = _FORK.Process(target=_count_on, args=(path,))
        worker.start()
        time.sleep(0.01 + round_ * 0.0003)
        assert worker.pid is not None
        os.kill(worker.pid, signal.SIGKILL)
        worker.join()
        found = _requests(path)
        assert found >= last
        last = found
    assert last > 60


def _over_a_full_disk(path: Path, said: Any) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    try:
        _meter(path, most_requests=3).begin(retry=False)
    except Internal as error:
        said.put(error.message)


def test_a_disk_that_is_full_forgets_no_count(tmp_path: Path) -> None:
    path, said = tmp_path / "counts", _FORK.Queue()
    meter = _meter(path, most_requests=3)
    meter.begin(retry=False)
    meter.begin(retry=False)
    worker = _FORK.Process(target=_over_a_full_disk, args=(path, said))
    worker.start()
    assert said.get(timeout=10) == "What is asked of an endpoint cannot be counted: File too large."
    worker.join()
    meter.begin(retry=False)
    with pytest.raises(LimitReached, match="limit of 3 requests is reached"):
        meter.begin(retry=False)


def test_all_workers_of_a_run_share_its_pace(tmp_path: Path) -> None:
    now = [1_000.0]
    starts: list[float] = []
    limits = EndpointLimits(requests_per_second=4)
    meters = [
        Meter(limits, tmp_path / "counts", clock=lambda: now[0], sleep=lambda s: starts.append(now[0] + s))
        for _ in range(3)
    ]
    for meter in meters:
        meter.begin(retry=False)
    assert starts == [1_000.25, 1_000.5]
    now[0] = 10.0  # a clock that was put back: nobody waits for the time that it was
    meters[0].begin(retry=False)
    assert starts[-1] <= 10 + 64 / 4


def test_a_pace_that_would_hold_a_worker_for_hours_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"greater than or equal to 0\.001"):
        EndpointLimits(requests_per_second=1e-9)


@pytest.mark.parametrize("why", ["its turn", "the endpoint"])
def test_a_stop_ends_waiting_at_once(why: str) -> None:
    with served() as server:
        pace = 0.01 if why == "its turn" else 10_000
        found = Asker(request(server, NUMBERS, requests_per_second=pace), Access(private=True))
        MADE.append(found)
        if why == "its turn":
            found.answer({"what": "describe"}, {})
            found._described = False
        else:
            server.faults = [status(503, {"Retry-After": "50"})]
        threading.Timer(0.2, found.stop, ("The user stopped it.",)).start()
        began = time.monotonic()
        with pytest.raises(Cancelled, match="The user stopped it"):
            found.answer({"what": "describe"}, {})
        assert time.monotonic() - began < 5
        assert len(server.seen) == 1
