"""What a hostile model would try, from inside the lock-down: `python -I probe.py FACTS`, a JSON text.

FACTS: parent, read, write, profile, without (layers to leave out), try (names of probes) and what single
probes need. Prints one JSON line {layers, found}: probe -> "done", or how it was refused.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from assay.runner.sandbox import Confinement, lock_down

_LIBC = ctypes.CDLL(None, use_errno=True)
_PTRACE_SEIZE = 0x4206
_CLONE_NEWUSER = 0x10000000


def _call(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _connect(kind: int, family: int, address: Any) -> None:
    with socket.socket(family, kind) as made:
        made.settimeout(2)
        made.connect(address)
        made.send(b"x")


def _datagram_from_a_pair(path: str) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with ours, theirs:
        ours.sendto(b"x", path)


def _listen() -> None:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        made.listen()


def _talk_to_itself() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with socket.create_connection(server.getsockname(), 2) as client, server.accept()[0] as there:
            client.send(b"x")
            assert there.recv(1) == b"x"


def _fork() -> None:
    if child := os.fork():
        os.waitpid(child, 0)
    else:
        os._exit(0)


def _empty(path: str) -> None:
    os.close(os.open(path, os.O_RDONLY | os.O_TRUNC))


def _lease() -> None:
    with Path("leased").open("w") as made:
        fcntl.fcntl(made, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(made, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def _shared_memory() -> None:
    made = _LIBC.shmget(0, ctypes.c_size_t(4096), 0o1600)
    _call(made)
    _call(_LIBC.shmctl(made, 0, None))


def _scratch() -> None:
    folder = Path("a")
    (folder / "b").mkdir(parents=True)
    (folder / "one").write_text("1")
    (folder / "one").rename(folder / "b" / "two")
    (folder / "b" / "two").unlink()
    (folder / "b").rmdir()


def _thread() -> None:
    threads = [threading.Thread(target=sum, args=([1, 2],)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _numerics() -> None:
    import numpy as np
    import pyarrow.compute

    assert float((np.ones((200, 200)) @ np.ones((200, 200))).sum()) == 200**3
    assert pyarrow.compute.sum(pyarrow.array([1, 2])).as_py() == 3


def _compile() -> None:
    Path("c.c").write_text("#include <stdio.h>\nint main(void) { return 0; }\n")
    subprocess.run(["cc", "c.c", "-o", "c.out"], check=True, capture_output=True)


PROBES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "tcp_to_this_machine": lambda f: _connect(socket.SOCK_STREAM, socket.AF_INET, ("127.0.0.1", f["port"])),
    "tcp_to_the_world": lambda f: _connect(socket.SOCK_STREAM, socket.AF_INET, ("192.0.2.1", 9)),
    "tcp_listen": lambda f: _listen(),
    "tcp_within": lambda f: _talk_to_itself(),
    "udp": lambda f: _connect(socket.SOCK_DGRAM, socket.AF_INET, ("127.0.0.1", f["port"])),
    "unix_socket": lambda f: _connect(socket.SOCK_STREAM, socket.AF_UNIX, f["socket"]),
    "unix_abstract": lambda f: _connect(socket.SOCK_STREAM, socket.AF_UNIX, "\0" + f["abstract"]),
    "unix_datagram": lambda f: _datagram_from_a_pair(f["datagram"]),
    "fork": lambda f: _fork(),
    "spawn": lambda f: subprocess.run(["/bin/true"], check=True),
    "spawn_python": lambda f: subprocess.run([sys.executable, "-I", "-c", "import json"], check=True),
    "compile": lambda f: _compile(),
    "run_what_was_compiled": lambda f: subprocess.run(["./c.out"], check=True),
    "read_shadow": lambda f: Path("/etc/shadow").read_bytes(),
    "read_another_home": lambda f: Path(f["another_home"]).read_bytes(),
    "read_assay_home": lambda f: Path(f["assay_home"]).read_bytes(),
    "read_keys": lambda f: Path(f["keys"]).read_bytes(),
    "list_the_root": lambda f: os.listdir("/"),  # noqa: PTH208
    "parent_memory": lambda f: Path(f"/proc/{f['parent']}/mem").open("rb").close(),
    "parent_environment": lambda f: Path(f"/proc/{f['parent']}/environ").read_bytes(),
    "signal_the_parent": lambda f: os.kill(f["parent"], 0),
    "aim_at_the_parent": lambda f: fcntl.fcntl(0, fcntl.F_SETOWN, f["parent"]),
    "hold_the_parent": lambda f: os.close(os.pidfd_open(f["parent"])),
    "pin_the_parent": lambda f: os.sched_setaffinity(f["parent"], os.sched_getaffinity(f["parent"])),
    "lease": lambda f: _lease(),
    "nameless_memory": lambda f: os.close(os.memfd_create("x")),
    "shared_memory": lambda f: _shared_memory(),
    "trace_the_parent": lambda f: _call(_LIBC.ptrace(_PTRACE_SEIZE, f["parent"], None, None)),
    "write_outside": lambda f: Path(f["outside"]).write_bytes(b"x"),
    "empty_what_it_may_read": lambda f: _empty(f["given"]),
    "open_up_outside": lambda f: os.chmod(f["outside"], 0o666),  # noqa: PTH101
    "link_in_scratch": lambda f: os.symlink("/etc", "link"),  # noqa: PTH211
    "write_scratch": lambda f: _scratch(),
    "read_given": lambda f: Path(f["given"]).read_bytes(),
    "threads": lambda f: _thread(),
    "numerics": lambda f: _numerics(),
    "facts_of_itself": lambda f: (Path("/proc/self/status").read_bytes(), os.urandom(4), os.cpu_count()),
    "user_namespace": lambda f: _call(_LIBC.unshare(_CLONE_NEWUSER)),
}


def main() -> None:
    """Lock down, try, tell; last of all exec, which prints RAN and nothing more where it works."""
    facts = json.loads(sys.argv[1])
    confinement = Confinement(tuple(facts["read"]), tuple(facts["write"]), facts["profile"])
    layers = lock_down(os.getppid(), confinement, facts["without"])
    found = {}
    for name in facts["try"]:
        try:
            PROBES[name](facts)
            found[name] = "done"
        except (OSError, subprocess.SubprocessError) as error:
            found[name] = f"{type(error).__name__}: {error}"
    print(json.dumps({"layers": layers, "found": found}), flush=True)
    if facts["exec"]:
        os.execv("/bin/echo", ["echo", "RAN"])


if __name__ == "__main__":
    main()
