"""Landlock: which files and folders the child reaches, and no TCP, other processes or abstract sockets.

https://docs.kernel.org/userspace-api/landlock.html. Kernels know it from 5.13 on, each version more of it.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Mapping

from assay.runner.libc import LINUX, checked, libc

__all__ = ["DEVICE", "EXECUTE", "READ", "WRITE", "restrict", "version"]

_CREATE, _ADD, _RESTRICT = 444, 445, 446
"""Numbers of the three calls, the same on every architecture."""
_VERSION_FLAG = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_HANDLED_BY_VERSION = (0, (1 << 13) - 1, (1 << 14) - 1, (1 << 15) - 1, (1 << 15) - 1, (1 << 16) - 1)
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
_TCP = 0b11
_SCOPES = 0b11

READ = _READ_FILE | _READ_DIR
EXECUTE = READ | _EXECUTE
WRITE = READ | _WRITE_FILE | _TRUNCATE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER
"""Files and folders only: a link, socket, pipe or device made in a work folder could mislead who reads it."""
DEVICE = _READ_FILE | _WRITE_FILE | _IOCTL_DEV | _READ_DIR


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("access", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The kernel's Landlock version (ABI); 0 for none."""
    if not LINUX:
        return 0
    return max(int(libc().syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION_FLAG)), 0)


def restrict(rules: Mapping[str, int], *, tcp: bool = False) -> bool:
    """Refuse every path but those below `rules`, for good; False where the kernel has no Landlock.

    Args:
        rules: path -> READ, WRITE, EXECUTE or DEVICE; paths that are not there are passed over.
        tcp: leave TCP alone (version 4 on knows it).

    Raises:
        OSError: the kernel has Landlock, and yet it cannot be applied.
    """
    found = version()
    if found == 0:
        return False
    handled = _HANDLED_BY_VERSION[min(found, len(_HANDLED_BY_VERSION) - 1)]
    wanted = _Ruleset(
        handled,
        _TCP if found >= 4 and not tcp else 0,
        _SCOPES if found >= 6 else 0,
    )
    size = 24 if found >= 6 else 16 if found >= 4 else 8
    ruleset = checked(libc().syscall(_CREATE, ctypes.byref(wanted), ctypes.c_size_t(size), 0))
    try:
        for path, access in _once(rules).items():
            _allow(ruleset, path, access & handled)
        checked(libc().syscall(_RESTRICT, ruleset, 0))
    finally:
        os.close(ruleset)
    return True


def _once(rules: Mapping[str, int]) -> dict[str, int]:
    """By real path, without what lies below a folder that grants as much already."""
    real: dict[str, int] = {}
    for path, access in rules.items():
        found = os.path.realpath(path)
        real[found] = real.get(found, 0) | access
    kept: dict[str, int] = {}
    for path, access in sorted(real.items()):
        above = path
        while above != "/":
            above = above.rpartition("/")[0] or "/"
            if kept.get(above, 0) & access == access:
                break
        else:
            kept[path] = access
    return kept


def _allow(ruleset: int, path: str, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            access &= _OF_A_FILE
        beneath = _Beneath(access, place)
        checked(libc().syscall(_ADD, ruleset, _PATH_BENEATH, ctypes.byref(beneath), 0))
    finally:
        os.close(place)
