"""Rows and cells of made-up scores."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def cells(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[npt.NDArray, npt.NDArray, npt.NDArray]:
    """(distinct scores ascending, negatives, positives) of rows."""
    values, place = np.unique(np.asarray(scores, dtype=float), return_inverse=True)
    hit = np.asarray(labels) == 1
    return (
        values,
        np.bincount(place[~hit], minlength=values.size),
        np.bincount(place[hit], minlength=values.size),
    )


def noisy(rows: int, seed: int, *, digits: int | None = None) -> tuple[npt.NDArray, npt.NDArray]:
    """Scores in (0, 1) that rank labels imperfectly; rounding makes ties."""
    rng = np.random.default_rng(seed)
    labels = rng.random(rows) < 0.3
    scores = 1 / (1 + np.exp(-(rng.normal(size=rows) + 1.2 * labels - 0.8)))
    return (scores if digits is None else scores.round(digits)), labels.astype(int)
