"""Starting a child with the sandbox and without its layers, side by side: what containing it costs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

from assay.runner.sandbox import child_environment

__all__ = ["run"]

_CHILD = """
import json, os, sys, time
from assay.runner import protocol
from assay.runner.sandbox import Confinement, lock_down
start = time.perf_counter()
layers = lock_down(os.getppid(), Confinement(write=(os.getcwd(),)), sys.argv[1].split(","))
seconds = time.perf_counter() - start
import numpy
print(json.dumps({"seconds": seconds, "on": sum(layers.values())}))
"""
_LAYERS = "namespaces,no_capabilities,landlock,seccomp"


def run(repeats: int = 25) -> dict[str, Any]:
    """Seconds from starting an interpreter until NumPy is imported and the process has ended, in turns.

    The shortest of each, since whatever else the machine does only ever adds; and what the lock-down itself
    took.
    """
    seconds: dict[str, list[float]] = {"": [], _LAYERS: []}
    locking: dict[str, list[float]] = {"": [], _LAYERS: []}
    on: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for _ in range(repeats):
            for without, times in seconds.items():
                start = time.perf_counter()
                done = subprocess.run(
                    [sys.executable, "-I", "-c", _CHILD, without],
                    cwd=scratch,
                    env=child_environment(os.environ, scratch),
                    stdout=subprocess.PIPE,
                    start_new_session=True,
                    check=True,
                )
                times.append(time.perf_counter() - start)
                said = json.loads(done.stdout)
                locking[without].append(said["seconds"])
                on[without] = said["on"]
    best = {without: min(times) for without, times in seconds.items()}
    return {
        "with": best[""],
        "without": best[_LAYERS],
        "added": best[""] - best[_LAYERS],
        "lock_down": min(locking[""]),
        "layers_on": on[""],
        "layers_on_without": on[_LAYERS],
        "repeats": repeats,
    }
