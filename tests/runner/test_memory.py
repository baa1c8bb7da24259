"""What counts against a child's memory limit."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from assay.runner.memory import usage

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc of Linux")

_MEGABYTE = 2**20


def test_what_a_child_starts_counts_with_it() -> None:
    inner = f"held = bytearray(b'x') * (64 * {_MEGABYTE}); print('there', flush=True); input()"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    with subprocess.Popen(
        [sys.executable, "-c", outer],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "there\n"
        alone, all_of_it = usage(child.pid), usage(child.pid, family=True)
        assert alone is not None
        assert all_of_it is not None
        assert 2 * _MEGABYTE < alone.memory < 64 * _MEGABYTE
        assert all_of_it.memory > alone.memory + 64 * _MEGABYTE
        assert (alone.threads, all_of_it.threads) == (1, 2)
        child.communicate("")
    assert usage(child.pid) is None


def test_its_own_memory_is_what_the_kernel_says() -> None:
    found = usage(os.getpid())
    assert found is not None
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        stated = int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    assert abs(found.memory - stated) < 16 * _MEGABYTE
