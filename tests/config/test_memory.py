"""The web process keeps the memory that one chunk of an upload left for the next one."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_FAULTS = """
import io, resource, sys, threading
from config.memory import keep_freed_memory
if sys.argv[1] == "kept":
    assert keep_freed_memory()
faults = []
def receive():  # as in a thread of the web server: pieces are put together, and the whole is copied
    for _ in range(10):
        whole = io.BytesIO()
        for _ in range(16):
            whole.write(b"x" * 2**20)
        chunk = b"".join((whole.getvalue(), b"."))
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
thread = threading.Thread(target=receive)
thread.start()
thread.join()
print(faults[-1] - faults[1])
"""


def _faults(how: str) -> int:
    command = [sys.executable, "-c", _FAULTS, how]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc is told how to keep memory")
def test_freed_chunks_are_filled_again_without_the_system() -> None:
    pages = 8 * 16 * 2**20 // 4096
    assert _faults("kept") < pages / 100
    assert _faults("as it comes") > pages / 2
