"""Deletion by an attribution's order against random orders, one explained row at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import Series, SeriesColumn
from assay.methods.explainability.quality import deletion_area, importance_order, random_order
from assay.methods.explainability.row_means import FEWEST_ROWS, mean_of_rows

__all__ = ["FRACTIONS", "RANDOM_ORDERS", "Removal", "deletion_series", "removal", "removal_gain"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

FRACTIONS = tuple(round(step / 10, 1) for step in range(1, 11))
"""Shares of a row's features that are removed."""
RANDOM_ORDERS = 4
"""Random orders that a row's own order is compared with."""


class Removal(NamedTuple):
    """Curves of one row over FRACTIONS: by the attribution's order, and the mean over random orders."""

    informed: Floats
    random: Floats


def removal(phi: Floats, curve: Callable[[Integers], Floats], rng: np.random.Generator) -> Removal:
    """Remove the features of one row by falling |phi|, and in random orders.

    Args:
        phi: attributions of the row, (features,).
        curve: order (1, features) -> change of the score at each of FRACTIONS, (fractions,).
    """
    informed = curve(importance_order(phi[None]))
    random = [curve(random_order(1, phi.size, rng)) for _ in range(RANDOM_ORDERS)]
    return Removal(informed, np.mean(random, axis=0))


def removal_gain(informed: Floats, random: Floats) -> Floats:
    """Area under the curve of the attribution's order less that of random orders, (rows,)."""
    return deletion_area(informed, FRACTIONS) - deletion_area(random, FRACTIONS)


def deletion_series(
    method: str, informed: Floats, random: Floats, level: float, title: str
) -> tuple[Series, ...]:
    """The mean curves over the explained rows with intervals; none where too few rows count."""
    kept = ~np.isnan(informed).any(axis=1)
    if kept.sum() < FEWEST_ROWS:
        return ()
    columns = [SeriesColumn(name="fraction", unit="share", values=FRACTIONS)]
    for name, curves in (("attribution", informed), ("random", random)):
        means = [mean_of_rows(column, level) for column in curves[kept].T]
        columns += [
            SeriesColumn(name=name, unit="score", values=tuple(mean.value for mean in means)),
            SeriesColumn(name=f"{name}_low", unit="score", values=tuple(mean.low for mean in means)),
            SeriesColumn(name=f"{name}_high", unit="score", values=tuple(mean.high for mean in means)),
        ]
    return (Series(id=f"{method}.deletion", title=title, method=method, columns=tuple(columns)),)
