"""A seccomp filter: the system calls that the child has no business with are refused, for good.

A program of classic BPF that the kernel runs on every call: foreign architectures end the process, calls
newer than this list and x32 do not exist, what is listed gives EPERM, the rest passes. (No list of what is
allowed: it would have to follow every version of glibc and of the CUDA driver.) seccomp_data and the
instructions are in linux/seccomp.h and linux/filter.h.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterable
from typing import NamedTuple

from assay.runner.libc import LINUX, prctl
from assay.runner.profiles import Profile
from assay.runner.syscalls import LAST, NUMBERS

__all__ = ["ARCHITECTURES", "Rule", "Test", "assemble", "install", "rules_of", "switch_on"]

ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""AUDIT_ARCH_* and the column of `syscalls.NUMBERS`, by what uname says."""

_LOAD, _AND, _EQUAL, _GREATER, _RETURN = 0x20, 0x54, 0x15, 0x25, 0x06
_KILL_PROCESS, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_PR_SET_SECCOMP = 22
_MODE_FILTER = 2
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_WORD = 0xFFFFFFFF

_CLONE_THREAD = 0x10000
_CLONE_NEW = 0x7E020000
_AF_UNIX, _AF_INET, _AF_INET6 = 1, 2, 10
_SOCK_STREAM = 1
_PR_SET_PDEATHSIG = 1
_TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP = 0x5412, 0x541C, 0x8901, 0x8902
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX, _F_SETLEASE, _F_NOTIFY = 8, 10, 15, 1024, 1026


class Test(NamedTuple):
    """Whether `argument & mask` is one of `values` (its lower 32 bits)."""

    argument: int
    values: tuple[int, ...]
    mask: int = _WORD


class Rule(NamedTuple):
    """Refuse a call: always, or unless every test of `unless` holds, or where every test of `when` holds."""

    call: str
    unless: tuple[Test, ...] = ()
    when: tuple[Test, ...] = ()
    number: int = errno.EPERM


_NEVER = (
    # another program, another process's memory or files
    *("execveat", "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease"),
    *("kcmp", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "tkill", "migrate_pages", "move_pages"),
    *("setpriority", "sched_setscheduler", "sched_setparam", "sched_setattr", "ioprio_set"),
    *("setsid", "setpgid"),
    # the kernel and the machine
    *("kexec_load", "kexec_file_load", "reboot", "init_module", "finit_module", "delete_module", "bpf"),
    *("perf_event_open", "userfaultfd", "syslog", "acct", "swapon", "swapoff", "quotactl", "quotactl_fd"),
    *("iopl", "ioperm", "modify_ldt", "personality", "vhangup", "lookup_dcookie", "nfsservctl", "uselib"),
    *("settimeofday", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname"),
    *("add_key", "request_key", "keyctl", "io_uring_setup", "io_uring_enter", "io_uring_register"),
    # namespaces and mounts
    *("unshare", "setns", "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen"),
    *("fsconfig", "fsmount", "fspick", "mount_setattr"),
    # files past Landlock: handles, and what it leaves to file rights
    *("name_to_handle_at", "open_by_handle_at", "fanotify_init", "fanotify_mark", "mknod", "mknodat"),
    *("inotify_init", "inotify_init1", "inotify_add_watch"),
    # memory that is nobody's until it is attached
    *("shmget", "msgget", "semget", "mq_open"),
    *("truncate", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchown", "fchownat"),
    *("setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr"),
    *("utime", "utimes", "utimensat", "futimesat", "symlink", "symlinkat"),
)
_PROCESSES = ("execve", "fork", "vfork")
_SOCKETS = ("socket", "connect", "bind", "listen", "accept", "accept4")


def rules_of(profile: Profile, process: int) -> list[Rule]:
    """What the filter refuses in a child of this profile.

    Args:
        process: the child's process id, the only one that it may signal.
    """
    own = Test(0, (process,))
    read_only_and_emptied = os.O_TRUNC | os.O_ACCMODE
    rules = [Rule(call) for call in _NEVER]
    rules += [
        # Their flags are in memory, which a filter cannot read; libraries fall back on the older call.
        Rule("clone3", number=errno.ENOSYS),
        Rule("openat2", number=errno.ENOSYS),
        Rule("rt_sigqueueinfo", unless=(own,)),
        Rule("rt_tgsigqueueinfo", unless=(own,)),
        Rule("tgkill", unless=(own,)),
        Rule("prlimit64", unless=(Test(0, (0, process)),)),
        Rule("prctl", when=(Test(0, (_PR_SET_PDEATHSIG,)),)),
        # Memory that no process has mapped counts for none, so that no limit ends who fills it.
        Rule("memfd_create", number=errno.ENOSYS),
        Rule("memfd_secret", number=errno.ENOSYS),
        # Itself, and by 0 the thread that asks; other threads keep the processors that they start with.
        Rule("sched_setaffinity", unless=(Test(0, (0, process)),)),
        # Typing into a terminal; having the kernel signal another process when something can be read.
        Rule("ioctl", when=(Test(1, (_TIOCSTI, _TIOCLINUX, _FIOSETOWN, _SIOCSPGRP)),)),
        # A lease makes whoever opens the file next wait for 45 s.
        Rule("fcntl", when=(Test(1, (_F_SETOWN, _F_SETSIG, _F_SETOWN_EX, _F_SETLEASE, _F_NOTIFY)),)),
        # Landlock before version 3 lets whatever may be read be emptied.
        Rule("open", when=(Test(1, (os.O_TRUNC,), read_only_and_emptied),)),
        Rule("openat", when=(Test(2, (os.O_TRUNC,), read_only_and_emptied),)),
        # A pair of stream sockets leads nowhere else; datagram sockets could send to any address.
        Rule("socketpair", unless=(Test(0, (_AF_UNIX,)), Test(1, (_SOCK_STREAM,), 0xF))),
    ]
    if profile.processes:
        rules.append(Rule("clone", unless=(Test(0, (0,), _CLONE_NEW),)))
    else:
        rules += [Rule(call) for call in _PROCESSES]
        rules.append(Rule("clone", unless=(Test(0, (_CLONE_THREAD,), _CLONE_NEW | _CLONE_THREAD),)))
        rules.append(Rule("kill", unless=(own,)))
    if profile.loopback:
        rules.append(Rule("socket", unless=(Test(0, (_AF_INET, _AF_INET6)),)))
    else:
        rules += [Rule(call) for call in _SOCKETS]
    return rules


def assemble(rules: Iterable[Rule], machine: str) -> bytes:
    """The BPF program for `machine`, 8 bytes an instruction. Raises KeyError for an unknown machine."""
    architecture, column = ARCHITECTURES[machine]
    program = [
        _op(_LOAD, _ARCHITECTURE),
        _op(_EQUAL, architecture, yes=1),
        _op(_RETURN, _KILL_PROCESS),
        _op(_LOAD, _NUMBER),
        _op(_GREATER, LAST, no=1),
        _op(_RETURN, _ERRNO | errno.ENOSYS),
    ]
    for rule in rules:
        number = NUMBERS[rule.call][column]
        if number is not None:
            block = _block(rule)
            program += [_op(_EQUAL, number, no=len(block)), *block]
    return b"".join([*program, _op(_RETURN, _ALLOW)])


def _block(rule: Rule) -> list[bytes]:
    """What follows once the call is the rule's: ends in a verdict, whichever way it goes."""
    refuse, allow = _op(_RETURN, _ERRNO | rule.number), _op(_RETURN, _ALLOW)
    tests = rule.unless or rule.when
    if not tests:
        return [refuse]
    held, missed = (allow, refuse) if rule.unless else (refuse, allow)
    block: list[bytes] = []
    for test in tests:
        block += [_op(_LOAD, _ARGUMENTS + 8 * test.argument), _op(_AND, test.mask)]
        left = len(test.values)
        # A value that fits jumps over the other values and the verdict of a miss.
        block += [_op(_EQUAL, value, yes=left - place) for place, value in enumerate(test.values)]
        block.append(missed)
    return [*block, held]


def _op(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
    return struct.pack("=HBBI", code, yes, no, value)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def switch_on(profile: Profile) -> bool:
    """Filter this process from now on; False on a machine that the filter does not know.

    It has to have PR_SET_NO_NEW_PRIVS and no threads yet.
    """
    if not LINUX or platform.machine() not in ARCHITECTURES or struct.calcsize("P") != 8:
        return False
    return install(assemble(rules_of(profile, os.getpid()), platform.machine()))


def install(program: bytes) -> bool:
    """Whether the kernel took the program for this process and all that it starts."""
    return prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(_Program(len(program) // 8, program)))
