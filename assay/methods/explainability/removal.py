"""Deletion by an attribution's order against random orders, one explained row at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import Series, SeriesColumn
from assay.methods.explainability.quality import (
    deletion_area,
    deletion_changes,
    importance_order,
    random_order,
    removed_features,
)
from assay.methods.explainability.row_means import FEWEST_ROWS, mean_of_rows

__all__ = [
    "FRACTIONS",
    "RANDOM_ORDERS",
    "Removal",
    "deletion_series",
    "masked_curves",
    "removal",
    "removal_gain",
    "replaced_curves",
]

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


def removal(phi: Floats, curves: Callable[[Integers], Floats], rng: np.random.Generator) -> Removal:
    """Remove the features of one row by falling |phi|, and in random orders.

    Args:
        phi: attributions of the row, (features,).
        curves: orders (k, features) -> change of the score at each of FRACTIONS, (k, fractions).
    """
    orders = np.concatenate([importance_order(phi[None]), random_order(RANDOM_ORDERS, phi.size, rng)])
    found = curves(orders)
    return Removal(found[0], found[1:].mean(axis=0))


def masked_curves(score: Callable[[Floats], Floats], orders: Integers) -> Floats:
    """|f(x) - f(x')| of one row where removed features go to a fixed baseline, (k, fractions).

    All orders and fractions are asked about at once.

    Args:
        score: (n, features) of 1 = kept, 0 = on the baseline -> (n,).
        orders: (k, features).
    """
    gone = np.stack([removed_features(orders, fraction) for fraction in FRACTIONS], axis=1)
    kept = 1.0 - gone.reshape(-1, orders.shape[1])
    scores = score(np.concatenate([np.ones((1, orders.shape[1])), kept]))
    return np.asarray(np.abs(scores[1:] - scores[0]).reshape(len(orders), len(FRACTIONS)))


def replaced_curves(
    score: Callable[[Floats], Floats],
    row: Floats,
    background: Floats,
    draws: int,
    orders: Integers,
    rng: np.random.Generator,
) -> Floats:
    """Mean |f(x) - f(x')| of one table row where removed features are replaced from the background.

    All orders share their draws, so that their curves are paired; (k, fractions).
    """
    drawn = np.tile(rng.integers(0, len(background), size=(1, draws)), (len(orders), 1))
    rows = np.tile(row, (len(orders), 1))
    return deletion_changes(score, rows, orders, background, FRACTIONS, drawn)


def removal_gain(informed: Floats, random: Floats) -> Floats:
    """Area under the curve of the attribution's order less that of random orders, (rows,)."""
    return deletion_area(informed, FRACTIONS) - deletion_area(random, FRACTIONS)


def deletion_series(
    method: str, informed: Floats, random: Floats, level: float, unit: str, title: str
) -> tuple[Series, ...]:
    """`<method>.deletion`: the mean curves over the explained rows; none where too few rows count.

    Args:
        informed, random: curves of each row over FRACTIONS, (rows, fractions); NaN: nothing to remove.
    """
    kept = ~np.isnan(informed).any(axis=1)
    if kept.sum() < FEWEST_ROWS:
        return ()
    columns = [SeriesColumn(name="removed", unit="share", values=(0.0, *FRACTIONS))]
    for name, curves in (("change", informed), ("random_change", random)):
        means = [mean_of_rows(column, level) for column in curves[kept].T]
        for part, values in (
            (name, [mean.value for mean in means]),
            (f"{name}_low", [max(mean.low, 0.0) for mean in means]),
            (f"{name}_high", [mean.high for mean in means]),
        ):
            columns.append(SeriesColumn(name=part, unit=unit, values=(0.0, *values)))
    return (Series(id=f"{method}.deletion", title=title, method=method, columns=tuple(columns)),)
