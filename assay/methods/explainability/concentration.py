"""How concentrated non-negative maps are, and how much of them lies at the border."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["gini", "normalised_entropy", "share_inside"]

Floats = npt.NDArray[np.float64]


def normalised_entropy(maps: Floats) -> Floats:
    """-sum p log p / log cells with p = map / sum, (rows,): 0 = one cell, 1 = even; NaN for empty maps.

    Args:
        maps: non-negative, (rows, cells), at least two cells.

    Source: Bhatt, Weller & Moura 2020 (complexity), divided by its largest value.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        p = maps / maps.sum(axis=1, keepdims=True)
        terms = np.where(p > 0, p * np.log(p), np.where(np.isnan(p), np.nan, 0.0))
    return np.asarray(-terms.sum(axis=1) / np.log(maps.shape[1]))


def gini(maps: Floats) -> Floats:
    """Gini coefficient of the cells, (rows,): 0 = even, near 1 = one cell; NaN for empty maps.

    1 - 2 sum_k (x_(k) / sum x) (n - k + 1/2) / n over the cells in rising order.

    Source: Hurley & Rickard 2009, equation 3; Chalasani et al. 2020 (sparseness of attributions).
    """
    cells = maps.shape[1]
    rising = np.sort(maps, axis=1)
    weight = (cells - np.arange(1, cells + 1) + 0.5) / cells
    with np.errstate(invalid="ignore"):
        return np.asarray(1 - 2 * (rising * weight).sum(axis=1) / maps.sum(axis=1))


def share_inside(maps: Floats, inside: npt.NDArray[np.bool_]) -> Floats:
    """Part of each map that lies inside a region of (cells,), (rows,); NaN for empty maps."""
    with np.errstate(invalid="ignore"):
        return np.asarray(maps[:, inside].sum(axis=1) / maps.sum(axis=1))
