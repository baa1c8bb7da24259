"""What rows of unknown group could make of a group's AUC, mean loss and calibration error.

Each unknown row belongs to the group or not. A mean is greatest when exactly the rows above it join. The
AUC is the mean over favourable rows of the share of other rows below them, and the same seen from the other
rows: so of the favourable unknown rows the highest-scored join and of the others the lowest-scored, and only
the two thresholds are open. Both are tried: all of one, against up to `steps` of the other.

Source: Horowitz & Manski 2000 (bounds by extreme placings); the thresholds follow from the exchange argument.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["area_ends", "calibration_error_ends", "mean_ends"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def area_ends(
    negatives: Ints, positives: Ints, maybe_negatives: Ints, maybe_positives: Ints, steps: int = 512
) -> tuple[float, float]:
    """Least and greatest AUC of a group over every way of placing the unknown rows.

    Args:
        negatives, positives: the group's rows at each score, ascending, shape (cells,); both occur.
        maybe_negatives, maybe_positives: unknown rows at each score.
        steps: thresholds tried for one of the classes. Where there are more the bounds are outer ones, too
            wide by at most the rows between two thresholds over the group's rows of that class.
    """
    high = _largest_area(negatives, positives, maybe_negatives, maybe_positives, steps)
    turned = _largest_area(positives, negatives, maybe_positives, maybe_negatives, steps)
    return max(0.0, 1 - turned), min(1.0, high)


def _largest_area(below: Ints, above: Ints, maybe_below: Ints, maybe_above: Ints, steps: int) -> float:
    """Greatest P(a row of `above` scores over one of `below`), ties half."""
    told = (below + above + maybe_below + maybe_above) > 0
    base, won_by, may_join, may_win = (
        part[told].astype(np.float64) for part in (below, above, maybe_below, maybe_above)
    )
    joined = np.concatenate([[0.0], np.cumsum(may_join)])
    cuts = np.flatnonzero(np.append(may_join, 1.0) > 0)  # the cells before each cut join
    cuts = np.union1d(0, cuts)
    slack = 0.0
    if len(cuts) > steps:
        # Every so many rows; the best cut lies at most the rows between two of these before one of them.
        wanted = np.linspace(0, joined[-1], steps)
        cuts = np.unique(np.searchsorted(joined, wanted))
        slack = float(np.diff(joined[cuts], prepend=0.0).max()) / max(float(base.sum()), 1.0)
    best = 0.0
    places = np.arange(len(base))
    for cut in cuts.tolist():
        lower = base + np.where(places < cut, may_join, 0.0)
        share = (np.cumsum(lower) - lower / 2) / lower.sum()
        # The favourable rows from each cell upwards join.
        known = float((won_by * share).sum())
        won = known + np.append(0.0, np.cumsum((may_win * share)[::-1]))
        rows = won_by.sum() + np.append(0.0, np.cumsum(may_win[::-1]))
        best = max(best, float((won / rows).max()))
    return best + slack


def mean_ends(total: float, rows: int, maybe_total: Floats, maybe_rows: Ints) -> tuple[float, float]:
    """Least and greatest mean of a group's terms.

    Args:
        total, rows: sum and number of the group's terms; rows > 0.
        maybe_total, maybe_rows: the same of unknown rows with equal terms, shape (entries,).
    """
    kept = maybe_rows > 0
    totals, counts = maybe_total[kept], maybe_rows[kept].astype(np.float64)
    order = np.argsort(totals / counts, kind="stable")
    ends = []
    for chosen in (order, order[::-1]):
        sums = total + np.append(0.0, np.cumsum(totals[chosen]))
        ends.append(sums / (rows + np.append(0.0, np.cumsum(counts[chosen]))))
    return float(ends[0].min()), float(ends[1].max())


def calibration_error_ends(
    error: float, rows: int, maybe_gap: Floats, maybe_rows: Ints
) -> tuple[float, float]:
    """Outer bounds of a calibration error mean |observed - predicted| over the known rows' bins.

    A row that joins moves the sum over bins by at most its own |label - probability|, so k of them with the
    sum D give between (rows * error - D) / (rows + k) and (rows * error + D) / (rows + k).

    Args:
        error, rows: of the known rows.
        maybe_gap, maybe_rows: sum of |label - probability| and number of unknown rows, shape (entries,).
    """
    kept = maybe_rows > 0
    gaps, counts = maybe_gap[kept], maybe_rows[kept].astype(np.float64)
    order = np.argsort(-gaps / counts, kind="stable")
    moved = np.append(0.0, np.cumsum(gaps[order]))
    n = rows + np.append(0.0, np.cumsum(counts[order]))
    low = float(((rows * error - moved) / n).min())
    return max(0.0, low), min(1.0, float(((rows * error + moved) / n).max()))
