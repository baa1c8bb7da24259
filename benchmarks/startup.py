"""`assay --help` against a bare interpreter: what our own imports cost."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import Any

__all__ = ["run"]


def run(repeats: int = 15) -> dict[str, Any]:
    """Median seconds of `assay --help` and of `python -c pass`, in turns so that noise hits both."""
    commands = {
        "help": [sys.executable, "-m", "assay", "--help"],
        "bare": [sys.executable, "-c", "pass"],
        "typer": [sys.executable, "-c", "import typer"],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {**medians, "ratio_to_typer": medians["help"] / medians["typer"]}
