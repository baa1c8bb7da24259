"""How far two attributions of the same rows agree."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assay.methods.explainability.quality import importance_order

__all__ = ["rank_agreement", "rank_correlation", "sign_agreement", "top_overlap"]

Floats = npt.NDArray[np.float64]


def top_overlap(first: Floats, second: Floats, k: int) -> Floats:
    """Share of the k features with the largest |phi| that both name, (rows,).

    Args:
        first, second: phi, (rows, features); k is cut to the number of features.

    Source: Krishna et al. 2022, feature agreement.
    """
    return np.asarray((_top(first, k) & _top(second, k)).sum(axis=1) / _cut(first, k))


def sign_agreement(first: Floats, second: Floats, k: int) -> Floats:
    """Share of the top k that both name with the same sign, (rows,).

    Source: Krishna et al. 2022, sign agreement.
    """
    both = _top(first, k) & _top(second, k) & (np.sign(first) == np.sign(second))
    return np.asarray(both.sum(axis=1) / _cut(first, k))


def rank_agreement(first: Floats, second: Floats, k: int) -> Floats:
    """Share of the first k places of |phi| at which both have the same feature, (rows,).

    Source: Krishna et al. 2022, rank agreement.
    """
    k = _cut(first, k)
    return np.asarray((importance_order(first)[:, :k] == importance_order(second)[:, :k]).mean(axis=1))


def rank_correlation(first: Floats, second: Floats) -> Floats:
    """Spearman's rho of |phi| in two attributions, (rows,); NaN where either has a single value.

    Ties share their mean rank. Source: Spearman 1904; Adebayo et al. 2018, section 3.
    """
    found = np.full(len(first), np.nan)
    for row, (a, b) in enumerate(zip(np.abs(first), np.abs(second), strict=True)):
        x, y = _ranks(a), _ranks(b)
        x, y = x - x.mean(), y - y.mean()
        spread = np.sqrt((x**2).sum() * (y**2).sum())
        if spread > 0:
            found[row] = (x * y).sum() / spread
    return found


def _top(phi: Floats, k: int) -> npt.NDArray[np.bool_]:
    named = np.zeros(phi.shape, dtype=bool)
    np.put_along_axis(named, importance_order(phi)[:, : _cut(phi, k)], True, axis=1)
    return named


def _cut(phi: Floats, k: int) -> int:
    return min(k, int(phi.shape[1]))


def _ranks(values: Floats) -> Floats:
    """Ranks from 1, ties at their mean, (features,)."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[place], dtype=np.float64)
