"""`python -I as_nobody.py PATHS -- COMMAND`: run by root, execs the command as the user nobody (65534).

PATHS (joined by colons) are made reachable for nobody where a folder above them is closed, in a mount
namespace of its own: an interpreter below /root, say. Exit status 77 where mounting is not allowed.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

NOBODY = 65534
CANNOT = 77
_CLONE_NEWNS = 0x00020000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18


def main() -> None:
    """See above."""
    closed: dict[Path, list[Path]] = {}
    for path in map(Path, sys.argv[1].split(":")):
        above = [folder for folder in reversed(path.parents) if not folder.stat().st_mode & 0o001]
        if above:
            closed.setdefault(above[0], []).append(path)
    if closed:
        try:
            _open_up(closed)
        except OSError as error:
            print(f"cannot mount: {error}", file=sys.stderr)
            sys.exit(CANNOT)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    os.execv(sys.argv[3], sys.argv[3:])


def _open_up(closed: dict[Path, list[Path]]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)

    def checked(result: int) -> None:
        if result:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    checked(libc.unshare(_CLONE_NEWNS))
    checked(libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
    for folder, paths in closed.items():
        held = {path: os.open(path, os.O_PATH) for path in paths}
        checked(libc.mount(b"none", bytes(folder), b"tmpfs", 0, b"mode=755"))
        for path, descriptor in held.items():
            path.mkdir(parents=True, exist_ok=True)
            source = f"/proc/self/fd/{descriptor}".encode()
            checked(libc.mount(source, bytes(path), None, _MS_BIND | _MS_REC, None))


if __name__ == "__main__":
    main()
