"""Children that need not import the heavy libraries first: forked from a process that has them already.

For tests of what the service makes of a child's answers. Its code, its channel, its lock-down and its limits
are the real ones; only the interpreter is not a fresh one, whose imports cost seconds. Tests of the child
itself (tests/runner, tests/hostile), of commands, and of ways through the service from one end to the other
(the fixture `fresh_children`) start it as everybody does.
"""

from __future__ import annotations

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assay.runner import supervisor
from assay.runner.libc import LINUX, prctl
from assay.runner.sandbox import child_environment

__all__ = ["fresh_children", "warm_children"]

_PR_SET_CHILD_SUBREAPER = 36
_LOADED = (
    *("torch", "pandas", "scipy.special", "transformers.modeling_utils"),
    *("assay.loading", "assay.execution", "assay.runner.child"),
)
"""Before any child is born. What fewer formats need is loaded after the lock-down, as everywhere."""
_lock = threading.Lock()
_wanted = {"warm": 0, "fresh": 0}
_nursery: list[socket.socket] = []


@contextlib.contextmanager
def warm_children() -> Iterator[None]:
    """Supervisors of this process fork their children from the nursery, which is started at first use."""
    with _counted("warm"):
        yield


@contextlib.contextmanager
def fresh_children() -> Iterator[None]:
    """They start interpreters all the same."""
    with _counted("fresh"):
        yield


@contextlib.contextmanager
def _counted(what: str) -> Iterator[None]:
    """Threads may overlap."""
    _count(what, 1)
    try:
        yield
    finally:
        _count(what, -1)


def _count(what: str, by: int) -> None:
    with _lock:
        _wanted[what] += by
        warm = LINUX and _wanted["warm"] and not _wanted["fresh"]
        supervisor.subprocess = _Nursing if warm else subprocess  # type: ignore[attr-defined, assignment]


class _Forked(subprocess.Popen[bytes]):
    """What `Popen` would be of such a child: its id, its output, and how it ended."""

    def __init__(
        self, command: list[str], *, cwd: Path, env: dict[str, str], pass_fds: list[int], **_same: Any
    ) -> None:
        assert command[1:4] == ["-I", "-m", "assay.runner.child"]
        ours, theirs = os.pipe()
        asked = {"cwd": str(cwd), "env": env, "parent": os.getpid()}
        try:
            with _lock:
                self.pid = _born(asked, [pass_fds[0], theirs])
        finally:
            os.close(theirs)
        self.args = command
        self.stdin = self.stderr = None
        self.stdout = os.fdopen(ours, "rb")
        self.returncode = None  # type: ignore[assignment]
        self._child_created = True
        self._waitpid_lock = threading.Lock()


class _Nursing:
    """What the supervisor uses of `subprocess`."""

    DEVNULL, PIPE, STDOUT = subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT
    TimeoutExpired = subprocess.TimeoutExpired
    Popen = _Forked


def _born(asked: dict[str, Any], descriptors: list[int]) -> int:
    """Process id of a child of this process."""
    if not _nursery:
        _nursery.append(_start())
    # Whoever started it ends at once, and for the length of that it falls to this process.
    prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        sent = array.array("i", descriptors)
        _nursery[0].sendmsg(
            [json.dumps(asked).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, sent.tobytes())]
        )
        return int(_nursery[0].recv(100))
    finally:
        prctl(_PR_SET_CHILD_SUBREAPER, 0)


def _start() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-I", __file__, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            cwd="/",
            env=child_environment(os.environ, tempfile.gettempdir()),
            pass_fds=[theirs.fileno()],
        )

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(channel: socket.socket) -> None:
    """The nursery: loads what most children load, then forks one for each request until nobody asks."""
    for name in _LOADED:
        importlib.import_module(name)
    gc.freeze()
    while True:
        said, control, _, _ = channel.recvmsg(1 << 16, socket.CMSG_SPACE(16))
        if not said:
            return
        descriptors = array.array("i")
        descriptors.frombytes(control[0][2])
        if (between := os.fork()) == 0:
            if os.fork() == 0:
                _become(json.loads(said), *descriptors, channel)
            os._exit(0)
        for descriptor in descriptors:
            os.close(descriptor)
        os.waitpid(between, 0)


def _become(asked: dict[str, Any], link: int, out: int, channel: socket.socket) -> None:
    """In the new process: what `Popen` and a fresh interpreter would have made of it."""
    from assay.runner import child

    code = 1
    try:
        for _ in range(1_000):
            if os.getppid() == asked["parent"]:
                break
            time.sleep(0.001)
        channel.send(str(os.getpid()).encode())
        channel.close()
        os.setsid()
        os.chdir(asked["cwd"])
        os.environ.clear()
        os.environ.update(asked["env"])
        tempfile.tempdir = None
        os.dup2(out, 1)
        os.dup2(out, 2)
        os.close(out)
        sys.argv = ["child", str(link), str(asked["parent"])]
        try:
            child.main()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
            if isinstance(ended.code, str):
                print(ended.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
