"""A network and an IPC space of the child's own, both empty, and no privileges to undo it with."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from assay.runner.libc import LINUX, checked, libc, prctl

__all__ = ["drop_capabilities", "enter", "raise_loopback"]

_NEWIPC = 0x08000000
_NEWUSER = 0x10000000
_NEWNET = 0x40000000
_PR_CAPBSET_DROP = 24
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_DAC_OVERRIDE = 1 << 1
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_UP_RUNNING = 0x1 | 0x40


def enter() -> bool:
    """Leave the machine's network and IPC; False where the kernel or the container forbids it.

    Root does it directly, anybody else inside a user namespace that maps the one user to itself. One call
    makes all of them or none, so a refusal changes nothing. A process with threads cannot do it. (No PID
    namespace: only a further process would be in it. No mount namespace: Landlock decides on files.)
    """
    if not LINUX:
        return False
    user, group = os.geteuid(), os.getegid()
    try:
        try:
            checked(libc().unshare(_NEWNET | _NEWIPC))
        except PermissionError:
            checked(libc().unshare(_NEWUSER | _NEWNET | _NEWIPC))
            _write("/proc/self/setgroups", "deny")
            _write("/proc/self/uid_map", f"{user} {user} 1")
            _write("/proc/self/gid_map", f"{group} {group} 1")
    except OSError:
        return False
    return True


def _write(path: str, text: str) -> None:
    Path(path).write_text(text, encoding="ascii")


def raise_loopback() -> None:
    """Switch on the loopback device of the network that `enter` made. Raises OSError where it cannot."""
    import fcntl
    import socket
    import struct

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        asked = struct.pack("16sH22x", b"lo", 0)
        name, flags = struct.unpack("16sH22x", fcntl.ioctl(control, _SIOCGIFFLAGS, asked))
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH22x", name, flags | _UP_RUNNING))


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def drop_capabilities() -> bool:
    """Give up every capability for good; whether none is left.

    Root of the machine keeps the right to read files of others (CAP_DAC_OVERRIDE), without which it could
    not audit a file that a user hands to it; Landlock says which files.
    """
    if not LINUX:
        return False
    kept = _DAC_OVERRIDE if os.geteuid() == 0 else 0
    number = 0
    while prctl(_PR_CAPBSET_DROP, number):
        number += 1
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = _Header(_CAPABILITY_VERSION_3, 0)
    there = (_Data * 2)()
    try:
        checked(libc().capget(ctypes.byref(header), ctypes.byref(there)))
        left = there[0].permitted & kept
        wanted = (_Data * 2)(_Data(left, left, 0), _Data(0, 0, 0))
        checked(libc().capset(ctypes.byref(header), ctypes.byref(wanted)))
        checked(libc().capget(ctypes.byref(header), ctypes.byref(there)))
    except OSError:
        return False
    return not (there[0].permitted & ~kept or there[1].permitted)
