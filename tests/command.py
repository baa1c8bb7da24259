"""Running the real `assay` command in a process of its own."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Ran", "assay", "loans", "write_csv"]


@dataclass(frozen=True)
class Ran:
    """Exit code and what was printed."""

    code: int
    out: str
    err: str


def environment(home: Path) -> dict[str, str]:
    """The caller's, with an authority of the test's own."""
    return {**os.environ, "ASSAY_HOME": str(home), "COLUMNS": "200"}


def assay(home: Path, *arguments: str | Path, timeout: float = 120) -> Ran:
    """Run `assay` with these arguments and wait."""
    run = subprocess.run(
        [sys.executable, "-m", "assay", *map(str, arguments)],
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Ran(run.returncode, run.stdout, run.stderr)


def write_csv(path: Path, columns: Mapping[str, Sequence[Any]]) -> Path:
    """Columns as a CSV file."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def loans(rows: int = 1_000, gap: float = 0.0, seed: int = 5) -> dict[str, Sequence[Any]]:
    """Loan decisions with a score; men are favoured by `gap` in the score."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["Female", "Male"], rows)
    region = rng.choice(["north", "south", "west"], rows)
    merit = rng.normal(size=rows)
    repaid = rng.random(rows) < 1 / (1 + np.exp(-2 * merit))
    score = 1 / (1 + np.exp(-(2 * merit + gap * np.where(sex == "Male", 0.5, -0.5))))
    return {
        "income": (1_000 * np.exp(merit)).round(2).tolist(),
        "age": rng.integers(18, 80, rows).tolist(),
        "sex": sex.tolist(),
        "region": region.tolist(),
        "repaid": np.where(repaid, "yes", "no").tolist(),
        "score": score.round(6).tolist(),
        "approved": np.where(score >= 0.5, "yes", "no").tolist(),
    }
