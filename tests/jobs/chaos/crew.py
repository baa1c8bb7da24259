"""Supervisors, workers and children to be killed: forked from one process that has loaded Django already."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import random
import resource
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from django.db import connection

from jobs import leases
from jobs.models import Shard
from jobs.station import Station, make_slots

__all__ = ["FULL_DISK", "children", "start_supervisor", "switch_fencing_off"]

FULL_DISK = 100_000
"""Bytes that a file of a worker with a full disk may have."""


def start_supervisor(seed: int, full_disks: float) -> int:
    """Fork a supervisor, which keeps one worker alive; returns its process id. No thread may run here.

    Args:
        seed: of what is random in it.
        full_disks: share of workers that cannot write large files.
    """
    connection.close()
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    try:
        _tie(parent)
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        _supervise(random.Random(seed), full_disks)
    finally:
        os._exit(1)


def switch_fencing_off() -> None:
    """For the proof that the checker bites: whoever once held a shard may still write to it."""
    leases._mine = lambda held: Shard.objects.filter(pk=held.shard.pk)
    leases._HELD = "id = %s AND %s > 0"


def children(process: int) -> list[int]:
    """Process ids of the direct children, whichever thread started them."""
    found: list[int] = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(pid) for pid in task.read_text().split()]
    return found


def _supervise(rng: random.Random, full_disks: float) -> NoReturn:
    me = os.getpid()
    while True:
        full = rng.random() < full_disks
        worker = os.fork()
        if worker == 0:
            try:
                _tie(me)
                _work(full)
            except BaseException:
                logging.exception("a worker of the chaos suite broke")
            finally:
                os._exit(1)
        os.waitpid(worker, 0)


def _work(full_disk: bool) -> None:
    if full_disk:
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_DISK, FULL_DISK))
    station = Station(make_slots(["cpu"], 1), ["cpu"])

    def wake(*_: Any) -> None:
        station.nudge()

    signal.signal(signal.SIGUSR1, wake)
    station.start()
    while True:
        signal.pause()


def _tie(parent: int) -> None:
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
