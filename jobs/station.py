"""A worker process's slots, sweeper and heartbeat. Knows no Celery: config/celery.py hosts it.

Each slot is a thread that lives as long as the worker, since children die with the thread that started them.
Messages and the sweeper only nudge the slots; what there is to do, the rows say.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from django.conf import settings
from django.db import close_old_connections, connection

from assay.runner.memory import default_memory_limit
from jobs import leases, ticker
from jobs.clock import DatabaseSeconds
from jobs.devices import gpus
from jobs.folders import clean_up
from jobs.lease_keeper import Share
from jobs.models import Worker
from jobs.worker import Slot, worker_name

__all__ = ["Station", "make_slots"]

_log = logging.getLogger(__name__)
_BEAT = 5.0
"""Seconds between heartbeats, and between ticks."""
_FORGOTTEN = 86_400.0
_IDLE = 60.0
"""Seconds after which an idle slot closes its session: a loaded model is memory that nobody uses."""
_STOP = 10.0


def make_slots(queues: Sequence[str], count: int, devices: Sequence[str] | None = None) -> list[Slot]:
    """`count` slots for the queue cpu, and one for each GPU for the queue gpu.

    Children of all slots together get four fifths of the machine's memory. Where a worker serves both queues,
    children of cpu slots see no GPU.

    Raises:
        RuntimeError: the queue gpu is asked for and there is no GPU.
    """
    environments: list[tuple[str, dict[str, str]]] = []
    if "cpu" in queues:
        hidden = {"CUDA_VISIBLE_DEVICES": ""} if "gpu" in queues else {}
        environments += [("cpu", hidden)] * count
    if "gpu" in queues:
        found = gpus() if devices is None else list(devices)
        if not found:
            raise RuntimeError("ASSAY_QUEUES names gpu, but this machine shows no GPU.")
        environments += [("gpu", {"CUDA_VISIBLE_DEVICES": name}) for name in found]
    memory = default_memory_limit() // len(environments)
    return [
        Slot([queue], number, Share(memory, environment))
        for number, (queue, environment) in enumerate(environments)
    ]


class Station:
    """Runs slots until it is told to stop.

    Args:
        slots: from `make_slots`.
        queues: those that the slots serve.
        idle_seconds: when an idle slot closes its session.
    """

    def __init__(self, slots: Sequence[Slot], queues: Sequence[str], idle_seconds: float = _IDLE) -> None:
        self._slots = tuple(slots)
        self._queues = tuple(queues)
        self._idle_seconds = idle_seconds
        self._nudges = [threading.Event() for _ in slots]
        self._busy = [False for _ in slots]
        self._stopping = threading.Event()
        self._name = worker_name().rsplit(":", 1)[0]
        self._threads = [
            threading.Thread(target=self._serve, args=(number,), name=f"slot-{number}", daemon=True)
            for number in range(len(self._slots))
        ]
        self._sweeper = threading.Thread(target=self._sweep, name="sweeper", daemon=True)

    def start(self) -> None:
        for thread in (*self._threads, self._sweeper):
            thread.start()

    def nudge(self, _queue: str = "") -> None:
        """Let idle slots look for work; cheap, and harmless where there is none."""
        for nudge in self._nudges:
            nudge.set()

    def stop(self) -> None:
        """Take no more, end the children, give running shards back; returns within seconds."""
        self._stopping.set()
        for slot in self._slots:
            slot.stop()
        self.nudge()
        deadline = time.monotonic() + _STOP
        for thread in (*self._threads, self._sweeper):
            if thread.is_alive():
                thread.join(max(deadline - time.monotonic(), 0.1))
        self._give_back()

    def _serve(self, number: int) -> None:
        slot, nudge = self._slots[number], self._nudges[number]
        idle_since = time.monotonic()
        while not self._stopping.is_set():
            if not nudge.wait(min(self._idle_seconds, 5.0)):
                if time.monotonic() - idle_since > self._idle_seconds:
                    slot.close()
                continue
            nudge.clear()
            self._busy[number] = True
            try:
                slot.work()
            except Exception as error:
                # Nothing is lost: the lease ends, and the sweep comes back.
                _log.warning("%s stopped looking for work: %s: %s", slot.name, type(error).__name__, error)
                connection.close()
                self._stopping.wait(1.0)
            finally:
                self._busy[number] = False
                idle_since = time.monotonic()
        slot.close()
        connection.close()

    def _sweep(self) -> None:
        beat = float("-inf")
        away = False
        while not self._stopping.wait(settings.ENV.sweep_seconds):
            try:
                close_old_connections()
                if not all(self._busy) and leases.claimable(self._queues):
                    self.nudge()
                if time.monotonic() - beat >= _BEAT:
                    beat = time.monotonic()
                    self._beat()
                    ticker.tick()
                away = False
            except Exception as error:
                if not away:
                    _log.warning("The sweeper could not look: %s: %s", type(error).__name__, error)
                away = True
                connection.close()
        connection.close()

    def _beat(self) -> None:
        busy = [slot.held for slot in self._slots if slot.held is not None]
        doing = ", ".join(f"{held.job.kind} {held.shard.stage}.{held.shard.index}" for held in busy)
        Worker.objects.update_or_create(
            name=self._name,
            defaults={
                "queues": ",".join(self._queues),
                "slots": len(self._slots),
                "seen_at": DatabaseSeconds(),
                "doing": doing[:200],
            },
            create_defaults={
                "queues": ",".join(self._queues),
                "slots": len(self._slots),
                "started_at": DatabaseSeconds(),
                "seen_at": DatabaseSeconds(),
                "doing": doing[:200],
            },
        )
        Worker.objects.filter(seen_at__lt=DatabaseSeconds() - _FORGOTTEN).delete()

    def _give_back(self) -> None:
        """Release what a slot could not put down in time, and say good-bye."""
        try:
            for slot in self._slots:
                held = slot.held
                if held is not None:
                    leases.release(held, "The worker was stopped.")
            Worker.objects.filter(name=self._name).delete()
        except Exception as error:
            _log.warning("The database did not hear of the stop: %s", error)
        finally:
            connection.close()


ticker.register_tick(clean_up)
