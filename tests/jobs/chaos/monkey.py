"""Whoever does the harm: seeded, so that what was found can be looked for again (timing aside)."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import connection

from tests.jobs.chaos.crew import children, start_supervisor

__all__ = ["Monkey"]


@dataclass
class Monkey:
    """Supervisors, and what is done to them.

    Args:
        seed: of all that is random here.
        lease: seconds; a stopped worker sleeps for longer.
        supervisors: how many to keep.
        full_disks: share of workers with a full disk.
        cut: cuts a database connection of a worker; None where there is no server.
    """

    seed: int
    lease: float
    supervisors: int = 4
    full_disks: float = 0.1
    cut: Callable[[], int] | None = None
    done: Counter[str] = field(default_factory=Counter)
    _crew: list[int] = field(default_factory=list)
    _asleep: list[tuple[float, list[int]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def keep_crew(self) -> None:
        """Replace supervisors that died; wake those whose sleep is over."""
        for pid in list(self._crew):
            if os.waitpid(pid, os.WNOHANG)[0]:
                self._crew.remove(pid)
        while len(self._crew) < self.supervisors:
            self._crew.append(start_supervisor(self._rng.randrange(2**32), self.full_disks))
        now = time.monotonic()
        for due, pids in list(self._asleep):
            if due <= now:
                self._asleep.remove((due, pids))
                self._signal(pids, signal.SIGCONT)

    def kill(self) -> bool:
        """SIGKILL a child, a worker or a supervisor; False when there was nobody to kill."""
        what = self._rng.choices(("child", "worker", "supervisor"), (45, 45, 10))[0]
        awake = [pid for pid in self._crew if not any(pid == pids[0] for _, pids in self._asleep)]
        if not awake:
            return False
        supervisor = self._rng.choice(awake)
        target = [supervisor]
        if what != "supervisor":
            target = children(supervisor)
        if what == "child":
            target = [pid for worker in target for pid in children(worker)]
        if not target or not self._signal(target[:1], signal.SIGKILL):
            return False
        self.done[f"{what} killed"] += 1
        return True

    def sleep(self) -> bool:
        """SIGSTOP a worker and its child until well past their lease."""
        supervisor = self._rng.choice(self._crew)
        workers = children(supervisor)
        if not workers or any(supervisor == pids[0] for _, pids in self._asleep):
            return False
        pids = [workers[0], *children(workers[0])]
        if not self._signal(pids, signal.SIGSTOP):
            return False
        # beside the supervisor, which goes on; nobody kills it meanwhile
        due = time.monotonic() + self.lease * self._rng.uniform(1.5, 2.5)
        self._asleep.append((due, [supervisor, *pids]))
        self.done["worker stopped past its lease"] += 1
        return True

    def wake_up(self) -> None:
        """Wake-ups that nobody asked for, none where one was due, two at once, to anybody."""
        for supervisor in self._crew:
            for _ in range(self._rng.choice((0, 0, 1, 2))):
                if self._signal(children(supervisor)[:1], signal.SIGUSR1):
                    self.done["wake-up at random"] += 1

    def cut_connection(self) -> None:
        """End a worker's database connection in the middle of whatever it does."""
        if self.cut is not None:
            self.done["database connection cut"] += self.cut()

    def end(self) -> None:
        """Kill everybody, for good."""
        for pid in self._crew:
            tree = [pid, *(p for worker in children(pid) for p in (worker, *children(worker)))]
            self._signal(tree, signal.SIGKILL)
        for _, pids in self._asleep:
            # a child stopped before it had tied itself to its parent has yet to see that it is gone
            self._signal(pids[1:], signal.SIGCONT)
        for pid in self._crew:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self._crew.clear()
        connection.close()

    @staticmethod
    def _signal(pids: list[int], number: int) -> bool:
        sent = False
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
                sent = True
        return sent
