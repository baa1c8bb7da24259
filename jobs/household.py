"""A few child processes that live and die together with this one."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

__all__ = ["Household", "Member"]

_GRACE = 15.0
"""Seconds that a member has to stop by itself."""
_RESTARTS, _WITHIN = 5, 60.0
"""A member that dies more often than this in so many seconds is not started again."""
_POLL = 0.2
_PR_SET_PDEATHSIG = 1


@dataclass
class Member:
    """A process of the household: `python -m` with these arguments."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start it; it is told to stop when the household's own process dies, however that happens."""
        parent = os.getpid()

        def tie() -> None:
            if sys.platform.startswith("linux"):
                ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

        self.process = subprocess.Popen(
            [sys.executable, "-m", *self.arguments],
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **self.environment},
            stdin=subprocess.DEVNULL,
            # Ctrl-C reaches this process alone, which stops its members one after the other.
            start_new_session=True,
            preexec_fn=tie,
        )

    @property
    def lives(self) -> bool:
        return self.process is not None and self.process.poll() is None


class Household:
    """Starts its members, restarts those that die, and stops them all on Ctrl-C or SIGTERM."""

    def __init__(self, members: Sequence[Member], say: Callable[[str], None]) -> None:
        self._members = tuple(members)
        self._say = say
        self._asked = False

    def start(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)
        for member in self._members:
            member.start()

    def run(self) -> bool:
        """Watch until asked to stop; False when a member could not be kept alive."""
        kept = True
        while not self._asked and kept:
            time.sleep(_POLL)
            for member in self._members:
                if not member.lives and not self._asked:
                    kept = self._restart(member) and kept
        self._stop()
        return kept

    def _restart(self, member: Member) -> bool:
        assert member.process is not None
        now = time.monotonic()
        member.deaths = [at for at in member.deaths if now - at < _WITHIN] + [now]
        status = member.process.returncode
        if len(member.deaths) > _RESTARTS:
            self._say(f"The {member.name} process ended {len(member.deaths)} times in {_WITHIN:.0f} s.")
            return False
        self._say(f"The {member.name} process ended (status {status}); starting it again.")
        time.sleep(min(0.2 * 2 ** len(member.deaths), 5.0))
        if not self._asked:
            member.start()
        return True

    def _stop(self) -> None:
        for member in self._members:
            if member.lives and member.process is not None:
                member.process.terminate()
        deadline = time.monotonic() + _GRACE
        for member in self._members:
            if member.process is None:
                continue
            try:
                member.process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                self._say(f"The {member.name} process did not stop in {_GRACE:.0f} s and is ended.")
                member.process.kill()
                member.process.wait()

    def _ask(self, _number: int, _frame: FrameType | None) -> None:
        self._asked = True
