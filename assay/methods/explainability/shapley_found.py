"""What the shards of explainability.shapley found, put together."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from assay.contracts import DatasetRole

__all__ = ["FEWEST_ROWS", "Found", "Means", "student"]

Floats = npt.NDArray[np.float64]

FEWEST_ROWS = 20
"""Below, no interval is dared, and quantiles would show single rows."""


class Found(NamedTuple):
    """What the shards found, rows in the order of the sample; attributions in the unit of the output.

    Shapes: values, errors (rows, features); relative, exact, explained, expected (rows,);
    changes, random_changes (rows, steps).
    """

    features: tuple[str, ...]
    values: Floats
    errors: Floats
    relative: Floats
    exact: npt.NDArray[np.bool_]
    explained: Floats
    expected: Floats
    changes: Floats
    random_changes: Floats
    steps: tuple[float, ...]
    evaluations: int
    background: int
    background_role: DatasetRole
    trees: bool
    """Explained is the margin."""
    walked: bool
    """All rows by walking the trees."""


class Means(NamedTuple):
    """Means over rows with Student's interval."""

    value: Floats
    low: Floats
    high: Floats


def student(columns: Floats, level: float) -> Means:
    """Mean of each column of (rows, k) with Student's interval; no interval below `FEWEST_ROWS` rows."""
    rows = len(columns)
    mean = columns.mean(axis=0)
    if rows < FEWEST_ROWS:
        return Means(mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan))
    half = stdtrit(rows - 1, (1 + level) / 2) * columns.std(axis=0, ddof=1) / math.sqrt(rows)
    return Means(mean, mean - half, mean + half)
