"""A single column that nearly gives the label away: often the answer leaked into the question.

A column filled in after the outcome (a discharge date, a collection fee) predicts it almost perfectly,
and a model that uses it is worth nothing where the column is not yet filled in.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assay.stats.ranking import area_under_curve

__all__ = ["SUSPICIOUS", "left_out_hits", "number_area", "purity"]

SUSPICIOUS = 0.99
"""AUC of a number or purity of a category above which a column is reported."""
_FEWEST = 30
"""Rows of each side that a number needs for its AUC to mean anything."""


def number_area(values: npt.NDArray[np.float64], labels: npt.NDArray[np.int32], classes: int) -> float | None:
    """Largest AUC of a number for telling one class from the rest, either way round; in [0.5, 1].

    Rows without a value are passed over. None when no class has 30 rows with and 30 rows against it.

    Source: Hanley & McNeil 1982.
    """
    known = ~np.isnan(values)
    _, place = np.unique(values[known], return_inverse=True)
    cells = np.zeros((int(place.max()) + 1 if len(place) else 0, classes), dtype=np.int64)
    np.add.at(cells, (place, labels[known]), 1)
    areas = []
    for positives in cells.T:
        negatives = cells.sum(axis=1) - positives
        if min(positives.sum(), negatives.sum()) >= _FEWEST:
            area = area_under_curve(negatives, positives)
            areas.append(max(area, 1 - area))
    return max(areas, default=None)


def left_out_hits(counts: npt.NDArray[np.int64]) -> int:
    """Rows whose label is guessed from the other rows of their category.

    A row is guessed right when its class, without it, still leads in its category. A category of one
    row guesses nothing, so a column of distinct values is not taken for a telling one.

    Args:
        counts: rows by category and class, shape (categories, classes).
    """
    ordered = np.sort(counts, axis=1)
    lead, second = ordered[:, -1], ordered[:, -2] if counts.shape[1] > 1 else np.zeros(len(counts))
    return int(lead[lead - 1 > second].sum()) if len(counts) else 0


def purity(codes: npt.NDArray[np.int32], labels: npt.NDArray[np.int32], classes: int) -> float | None:
    """Share of labels guessed from the other rows of the same category (missing is one category).

    None when that is no telling share: when always guessing the commonest class makes at most ten times
    as many mistakes, as it does with a rare class.
    """
    cells = np.zeros((int(codes.max(initial=-1)) + 2, classes), dtype=np.int64)
    np.add.at(cells, (codes + 1, labels), 1)
    rows = int(cells.sum())
    hits = left_out_hits(cells)
    blind = rows - int(cells.sum(axis=0).max()) if rows else 0
    if blind < _FEWEST or rows - hits > blind / 10:
        return None
    return hits / rows
