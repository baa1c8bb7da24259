"""The quick tier of every method on the Adult MLP of the zoo: load, ask, attack, explain, time, PDF, seal."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from assay import evidence
from benchmarks import zoo

__all__ = ["run"]


def run(repeats: int = 2) -> dict[str, Any]:
    """Seconds of `assay audit --tier quick` (median of `repeats`), and of its methods from the manifest.

    Where UCI Adult is not at hand the CNN on scikit-learn's digits stands in.
    """
    made = zoo.model("adult_mlp" if zoo.real_data() else "digits_cnn")
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "assay", "audit", *made.arguments(), "--policy", "hiring"]
        for _ in range(repeats):
            start = time.perf_counter()
            ran = subprocess.run(
                [*command, "--tier", "quick", "--out", folder],
                env={**os.environ, "ASSAY_HOME": folder},
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
            if ran.returncode not in (0, 1, 3):
                raise RuntimeError(f"the audit did not run: {ran.stderr}")
            seconds.append(time.perf_counter() - start)
        found = evidence.load(Path(folder))
    return {
        "model": made.name,
        "rows": found.subject.test.rows,
        "methods": len(found.methods),
        "measures": len(found.measures),
        "seconds": statistics.median(seconds),
        "all_seconds": seconds,
        "steps": dict(found.manifest.seconds),
    }
