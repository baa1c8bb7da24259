"""The filter's program, run by a small interpreter for both architectures: what it answers to which call."""

from __future__ import annotations

import errno
import os
import struct
from typing import Final

import pytest

from assay.runner.profiles import PROFILES
from assay.runner.seccomp import ARCHITECTURES, assemble, rules_of
from assay.runner.syscalls import LAST, NUMBERS

ALLOWED: Final = 0x7FFF0000
KILLED: Final = 0x80000000
DENIED: Final = 0x00050000 | errno.EPERM
MISSING: Final = 0x00050000 | errno.ENOSYS
MYSELF = 4_711


def answer(program: bytes, architecture: int, number: int, arguments: tuple[int, ...]) -> int:
    """Run a program of classic BPF on a struct seccomp_data (Linux, filter.rst)."""
    padded = (*arguments, *(0,) * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", number, architecture, 0, *padded)
    steps = list(struct.iter_unpack("=HBBI", program))
    at, value = 0, 0
    while True:
        code, yes, no, constant = steps[at]
        at += 1
        if code == 0x06:
            return int(constant)
        if code == 0x20:
            (value,) = struct.unpack_from("<I", data, constant)
        elif code == 0x54:
            value &= constant
        elif code == 0x15:
            at += yes if value == constant else no
        elif code == 0x25:
            at += yes if value > constant else no
        else:
            raise AssertionError(f"no such instruction: {code:#x}")


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def asked(machine: str, call: str, *arguments: int, profile: str = "audit") -> int:
    architecture, column = ARCHITECTURES[machine]
    number = NUMBERS[call][column]
    if number is None:
        pytest.skip(f"{machine} has no {call}")
    program = assemble(rules_of(PROFILES[profile], MYSELF), machine)  # type: ignore[index]
    return answer(program, architecture, number, arguments)


@pytest.mark.parametrize(
    "call",
    [
        *("execve", "execveat", "fork", "vfork", "socket", "connect", "bind", "listen", "accept4", "ptrace"),
        *("process_vm_readv", "process_vm_writev", "pidfd_getfd", "kexec_load", "mount", "move_mount", "bpf"),
        *("perf_event_open", "keyctl", "unshare", "setns", "io_uring_setup", "userfaultfd", "chmod"),
        *("shmget", "msgget", "semget", "mq_open"),
        *("open_by_handle_at", "init_module", "fchmodat2", "utimensat", "truncate", "setsid", "symlinkat"),
    ],
)
def test_what_a_model_has_no_business_with_is_refused(machine: str, call: str) -> None:
    assert asked(machine, call) == DENIED


def test_threads_are_made_and_processes_are_not(machine: str) -> None:
    thread, vm, namespace = 0x10000, 0x100 | 0x200 | 0x400 | 0x800, 0x10000000
    assert asked(machine, "clone", thread | vm) == ALLOWED
    assert asked(machine, "clone", 17) == DENIED
    assert asked(machine, "clone", thread | vm | namespace) == DENIED
    assert asked(machine, "clone3") == MISSING


def test_profiles_with_processes_fork_but_make_no_namespaces(machine: str) -> None:
    for profile in ("train_distributed", "compile"):
        assert asked(machine, "clone", 17, profile=profile) == ALLOWED
        assert asked(machine, "clone", 17 | 0x40000000, profile=profile) == DENIED
        assert asked(machine, "execve", profile=profile) == ALLOWED
        assert asked(machine, "execveat", profile=profile) == DENIED
    assert asked(machine, "socket", 2, 1, profile="train_distributed") == ALLOWED
    assert asked(machine, "socket", 1, 1, profile="train_distributed") == DENIED
    assert asked(machine, "socket", 2, 1, profile="compile") == DENIED


def test_only_itself_is_signalled_and_limited(machine: str) -> None:
    for call in ("kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"):
        assert asked(machine, call, MYSELF) == ALLOWED
        assert asked(machine, call, MYSELF + 1) == DENIED
        assert asked(machine, call, 2**32 - 1) == DENIED
    for call in ("prlimit64", "sched_setaffinity"):
        assert asked(machine, call, 0) == ALLOWED
        assert asked(machine, call, MYSELF) == ALLOWED
        assert asked(machine, call, 1) == DENIED


def test_no_memory_without_a_name_is_made(machine: str) -> None:
    assert asked(machine, "memfd_create") == MISSING
    assert asked(machine, "memfd_secret") == MISSING


def test_pairs_of_streams_pass_and_pairs_of_datagrams_do_not(machine: str) -> None:
    close_on_exec = 0o2000000
    assert asked(machine, "socketpair", 1, 1 | close_on_exec) == ALLOWED
    assert asked(machine, "socketpair", 1, 2) == DENIED
    assert asked(machine, "socketpair", 16, 1) == DENIED


def test_it_cannot_outlive_its_parent_or_type_into_a_terminal(machine: str) -> None:
    assert asked(machine, "prctl", 1, 0) == DENIED
    assert asked(machine, "prctl", 15) == ALLOWED
    assert asked(machine, "ioctl", 0, 0x5412) == DENIED
    assert asked(machine, "ioctl", 0, 0x5401) == ALLOWED


def test_it_has_no_other_process_signalled_or_held_up_by_the_kernel(machine: str) -> None:
    for command in (8, 10, 15, 1024, 1026):
        assert asked(machine, "fcntl", 0, command, 1) == DENIED
    assert asked(machine, "fcntl", 0, 3) == ALLOWED
    assert asked(machine, "ioctl", 0, 0x8901) == DENIED


def test_what_is_opened_for_reading_is_not_emptied(machine: str) -> None:
    assert asked(machine, "openat", 0, 0, os.O_RDONLY | os.O_TRUNC) == DENIED
    assert asked(machine, "openat", 0, 0, os.O_WRONLY | os.O_TRUNC | os.O_CREAT) == ALLOWED
    assert asked(machine, "openat", 0, 0, os.O_RDONLY) == ALLOWED


def test_other_architectures_end_and_newer_calls_do_not_exist(machine: str) -> None:
    program = assemble(rules_of(PROFILES["audit"], MYSELF), machine)
    architecture, _ = ARCHITECTURES[machine]
    i386, x32 = 0x40000003, 0x40000000
    assert answer(program, i386, 0, ()) == KILLED
    assert answer(program, architecture, x32 + 59, ()) == MISSING
    assert answer(program, architecture, LAST + 1, ()) == MISSING
    assert answer(program, architecture, LAST, ()) == ALLOWED
    read = {"x86_64": 0, "aarch64": 63}[machine]
    assert answer(program, architecture, read, ()) == ALLOWED
