"""Repeated rows, contradicting labels and leakage, from hashes of rows. Pure arithmetic on arrays.

Rows are compared by 64-bit hashes of their values. Two different rows among n collide with a chance of
about n² / 2⁶⁵: one in two million for four million rows.

Tables too long to keep a hash of every row keep those whose hash of the features lies in the lowest
share t of the hash space: all rows with equal features stay together, so what is true of the sample's
rows is an unbiased picture of all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.stats.intervals import normal_interval, wilson_interval

__all__ = ["Repeats", "Share", "hash_limit", "leaked", "repeats"]

Hashes = npt.NDArray[np.uint64]


class Share(NamedTuple):
    """Counts of kept rows, and the share with its interval; low = high = value when nothing is estimated."""

    numerator: int
    denominator: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Repeats:
    duplicates: Share
    """Rows that repeat an earlier row in all features and the label."""
    conflicts: Share | None
    """Rows whose features stand elsewhere under a different label; None without labels."""


def hash_limit(rows: int, exact_rows: int) -> tuple[int, float]:
    """Largest hash to keep so that about `exact_rows` of `rows` stay, and the share t that it keeps."""
    if rows <= exact_rows:
        return 2**64 - 1, 1.0
    share = exact_rows / rows
    return int(share * 2**64), share


def repeats(features: Hashes, labels: Hashes | None, kept_share: float, level: float) -> Repeats:
    """Shares of repeated and of contradicting rows.

    Args:
        features: hash of each kept row's features, shape (rows,), rows > 0.
        labels: hash of each kept row's label, same shape; None without labels.
        kept_share: t in (0, 1]; 1 = every row was kept and the shares are facts.
        level: confidence level of the estimates when t < 1.
    """
    order = np.argsort(features, kind="stable") if labels is None else np.lexsort((labels, features))
    sorted_features = features[order]
    new_features = _starts(sorted_features)
    new_rows = new_features
    if labels is not None:
        new_rows = new_features | _starts(labels[order])
    first = np.flatnonzero(new_features)
    rows = np.diff(np.append(first, len(features)))
    distinct = np.add.reduceat(new_rows.astype(np.int64), first)
    duplicates = _share(rows - distinct, rows, kept_share, level)
    if labels is None:
        return Repeats(duplicates, None)
    return Repeats(duplicates, _share(np.where(distinct > 1, rows, 0), rows, kept_share, level))


def leaked(test: Hashes, other: Hashes, level: float) -> Share:
    """Share of test rows whose features also stand in another dataset, with Wilson's interval.

    The interval is there even when every row was compared: the share is read as the chance that a row
    drawn as these were has been seen in training.
    """
    found = int(np.isin(test, other).sum())
    low, high = wilson_interval(found, len(test), level)
    return Share(found, len(test), found / len(test), low, high)


def _starts(ordered: Hashes) -> npt.NDArray[np.bool_]:
    """Where a sorted array takes a value other than the one before."""
    return np.concatenate(([True], ordered[1:] != ordered[:-1]))


def _share(
    hits: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], kept_share: float, level: float
) -> Share:
    """Sum of hits over sum of rows, over distinct feature values.

    When a share t of the values was kept, the standard error is that of a ratio estimate over clusters
    drawn by a Bernoulli draw: s² = (1 - t) sum (hits - p rows)² / (sum rows)² (Cochran 1977, section 6.4).
    With no spread in the sample Wilson's interval stands in.
    """
    numerator, denominator = int(hits.sum()), int(rows.sum())
    value = numerator / denominator
    if kept_share >= 1:
        return Share(numerator, denominator, value, value, value)
    spread = float(((hits - value * rows) ** 2).sum())
    error = float(np.sqrt((1 - kept_share) * spread)) / denominator
    low, high = (
        normal_interval(value, error, level) if error > 0 else wilson_interval(numerator, denominator, level)
    )
    return Share(numerator, denominator, value, max(0.0, float(low)), min(1.0, float(high)))
