"""System calls that Python's standard library does not have, through ctypes."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

__all__ = ["LINUX", "checked", "libc", "prctl"]

LINUX = sys.platform.startswith("linux")

_LIBC: list[Any] = []


def libc() -> Any:
    """The C library, opened once."""
    if not _LIBC:
        found = ctypes.CDLL(None, use_errno=True)
        found.syscall.restype = ctypes.c_long
        _LIBC.append(found)
    return _LIBC[0]


def checked(result: int) -> int:
    """`result`, or OSError with the call's errno where it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def prctl(option: int, value: int = 0, argument: Any = 0) -> bool:
    """Whether prctl(option, value, argument) worked; False on other systems than Linux."""
    if not LINUX:
        return False
    return bool(libc().prctl(option, ctypes.c_ulong(value), argument, 0, 0) == 0)
