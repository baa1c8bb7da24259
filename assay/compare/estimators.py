"""How the change of one measure is estimated from rows that both runs have.

Every estimate gives the value in both runs and, for any combination of their pieces (`scales.Merit`), the
limits of the difference: by resampling joint cells, or from a standard error of B - A and of B + A.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.compare.scales import Combination, Merit, change_on_scale
from assay.methods.performance.confusion import Statistic
from assay.stats.bootstrap import cluster_bootstrap, percentile_interval
from assay.stats.intervals import Interval, normal_interval, normal_quantile
from assay.stats.multiplicity import bonferroni_level
from assay.stats.paired import (
    Areas,
    paired_mean_interval,
    smoothed_bootstrap,
)
from assay.stats.paired_rates import tango_difference

__all__ = [
    "OUTSIDE",
    "REPLICATES",
    "STATES",
    "Estimate",
    "Level",
    "area_estimate",
    "confusion_estimate",
    "mean_estimate",
    "rate_estimate",
    "states",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

REPLICATES = 10_000
FEWEST_CLUSTERS = 20
_MOST_CLUSTERS = 2_000
_CELLS_AT_ONCE = 20_000_000
ABOVE, BELOW_ONLY, OUTSIDE = range(3)
"""What a row is to a rate: counted above and below the line, below alone, or not at all."""
STATES = 3


class Level(NamedTuple):
    """A level that `family` intervals keep together."""

    level: float
    family: int = 1

    @property
    def each(self) -> float:
        return bonferroni_level(self.level, self.family)

    @property
    def stretch(self) -> float:
        """By which an interval at `level` must be stretched for that."""
        return float(normal_quantile(self.each) / normal_quantile(self.level))


class Estimate(NamedTuple):
    """Value in both runs, and limits of the change on the merit's scale."""

    first: float
    second: float
    low: float
    high: float
    method: str
    note: str | None = None


def states(above: Bools, below: Bools) -> Ints:
    """What each row is to a rate: ABOVE, BELOW_ONLY or OUTSIDE; shape (rows,)."""
    return np.where(below, np.where(above, ABOVE, BELOW_ONLY), OUTSIDE).astype(np.int64)


def rate_estimate(
    first: Ints,
    second: Ints,
    group: Ints,
    groups: int,
    kind: str,
    merit: Merit,
    level: Level,
    cluster: Ints | None,
    rng: np.random.Generator,
) -> Estimate | None:
    """A rate of all rows or of one group (groups = 1), or the gap or ratio of the rates of two.

    Args:
        first, second: states of the rows in both runs, shape (rows,).
        group: 0 or 1 for the rows that belong, -1 for others.
        kind: `share`, `difference` (group 0 less group 1) or `ratio` (group 0 over group 1).

    Returns:
        None where a rate is undefined, or clusters are too few or do not vary.
    """
    inside = group >= 0
    cells = groups * STATES * STATES
    cell = ((group[inside] * STATES + first[inside]) * STATES + second[inside]).astype(np.int64)
    joint = np.bincount(cell, minlength=cells)
    table = joint.reshape(1, groups, STATES, STATES)
    a, b = (float(value[0]) for value in _values(table.astype(float), kind))
    if not (math.isfinite(a) and math.isfinite(b)):
        return None
    one = table[0, 0]
    same_denominator = not one[OUTSIDE, :OUTSIDE].any() and not one[:OUTSIDE, OUTSIDE].any()
    if kind == "share" and same_denominator and merit.parity is None and cluster is None:
        lost, gained = float(one[ABOVE, BELOW_ONLY]), float(one[BELOW_ONLY, ABOVE])
        low, high = tango_difference(gained, lost, float(one[:OUTSIDE, :OUTSIDE].sum()), level.each)
        return Estimate(a, b, low, high, "paired, tango score")
    if cluster is None:
        pseudo = np.zeros((groups, STATES, STATES))
        pseudo[:, ABOVE, BELOW_ONLY] = pseudo[:, BELOW_ONLY, ABOVE] = 1.0
        drawn = smoothed_bootstrap(joint, pseudo.ravel(), REPLICATES, rng).astype(float)
        method = f"paired, joint-cell bootstrap {REPLICATES:,}"
    else:
        made = _clustered(cell, cells, cluster[inside], rng)
        if made is None:
            return None
        drawn, method = made
    replicated = _values(drawn.reshape(-1, groups, STATES, STATES), kind)
    limits = _replicated(merit, a, b, *replicated, level)
    return None if limits is None else Estimate(a, b, *limits, method)


def _values(tables: Floats, kind: str) -> tuple[Floats, Floats]:
    """Rate, gap or ratio of both runs in each table, shapes (tables,); NaN where undefined."""
    found = []
    for axis in (-1, -2):  # summed over the other run's states
        counts = tables.sum(axis=axis)
        below = counts[..., ABOVE] + counts[..., BELOW_ONLY]
        rates = np.divide(counts[..., ABOVE], below, out=np.full(below.shape, np.nan), where=below > 0)
        if kind == "share":
            found.append(rates[:, 0])
        elif kind == "difference":
            found.append(rates[:, 0] - rates[:, 1])
        else:
            with np.errstate(divide="ignore", invalid="ignore"):
                found.append(rates[:, 0] / rates[:, 1])
    return found[0], found[1]


def confusion_estimate(
    statistic: Statistic,
    label: Ints,
    first: Ints,
    second: Ints,
    classes: int,
    merit: Merit,
    level: Level,
    cluster: Ints | None,
    rng: np.random.Generator,
) -> Estimate | None:
    """Any statistic of the confusion matrix, by resampling the cells label x prediction A x prediction B."""
    cells = classes**3
    cell = (label * classes + first) * classes + second
    joint = np.bincount(cell, minlength=cells)
    table = joint.reshape(1, classes, classes, classes)
    a, b = (float(value[0]) for value in _statistics(statistic, table))
    if not (math.isfinite(a) and math.isfinite(b)):
        return None
    replicates = min(REPLICATES, _CELLS_AT_ONCE // cells)
    if replicates < 500:
        return None
    if cluster is None:
        drawn = smoothed_bootstrap(joint, _pseudo_rows(classes), replicates, rng).astype(float)
        method = f"paired, joint-cell bootstrap {replicates:,}"
    else:
        made = _clustered(cell, cells, cluster, rng)
        if made is None:
            return None
        drawn, method = made
    replicated = _statistics(statistic, drawn.reshape(-1, classes, classes, classes))
    limits = _replicated(merit, a, b, *replicated, level)
    return None if limits is None else Estimate(a, b, *limits, method)


def _pseudo_rows(classes: int) -> Floats:
    """One row of each label that only A predicts rightly, and one that only B does."""
    added = np.zeros((classes, classes, classes))
    for label in range(classes):
        wrong = np.arange(classes) != label
        added[label, label, wrong] = added[label, wrong, label] = 1 / (classes - 1)
    return added.ravel()


def _statistics(statistic: Statistic, tables: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    return statistic.of(tables.sum(axis=3)), statistic.of(tables.sum(axis=2))


def _clustered(cell: Ints, cells: int, cluster: Ints, rng: np.random.Generator) -> tuple[Floats, str] | None:
    """Joint cells resampled by whole clusters; very many clusters are first dealt out over blocks."""
    names, place = np.unique(cluster, return_inverse=True)
    if names.size < FEWEST_CLUSTERS:
        return None
    units = min(names.size, _MOST_CLUSTERS)
    table = np.bincount((place % units) * cells + cell, minlength=units * cells).reshape(units, cells)
    occurring = np.flatnonzero(table.any(axis=0))
    drawn = np.zeros((REPLICATES // 5, cells))
    drawn[:, occurring] = cluster_bootstrap(table[:, occurring], len(drawn), rng)
    return drawn, f"paired, cluster bootstrap {len(drawn):,}"


def _replicated(
    merit: Merit, a: float, b: float, first: Floats, second: Floats, level: Level
) -> tuple[float, float] | None:
    """Percentile limits of the change on the scale, stretched to the family's level; None without spread."""
    points = merit.pieces(np.asarray(b)), merit.pieces(np.asarray(a))
    drawn = merit.pieces(second), merit.pieces(first)
    spread = np.nanstd(second - first) if np.isfinite(second - first).any() else 0.0
    if not spread > 1e-12:
        return None

    def combination(s: int, t: int) -> tuple[float, float]:
        centre = float(points[0][s] - points[1][t])
        low, high = percentile_interval(drawn[0][s] - drawn[1][t], level.level)
        ends = (centre + (float(end) - centre) * level.stretch for end in (low, high))
        low_end, high_end = ends
        return min(low_end, centre), max(high_end, centre)

    return change_on_scale(merit, combination)


def area_estimate(areas: Sequence[Areas], merit: Merit, level: Level) -> Estimate:
    """The AUC of one group of rows, or the gap of those of two (first less second)."""
    one = areas[0]
    a, b = one.first, one.second
    variances = [(area.change_variance, area.sum_variance) for area in areas]
    if len(areas) == 2:
        a, b = a - areas[1].first, b - areas[1].second
    change, total = (sum(v[k] for v in variances) for k in (0, 1))
    if len(areas) == 1 and merit.parity is None:
        low, high = one.change_interval(level.each)
        return Estimate(a, b, low, high, "paired, delong", f"DeLong's test: p = {_p(one.p_value)}.")
    low, high = _linear(merit, a, b, math.sqrt(change), math.sqrt(total), level)
    return Estimate(a, b, low, high, "paired, delong")


def mean_estimate(
    first: Floats, second: Floats, merit: Merit, level: Level, cluster: Ints | None
) -> Estimate | None:
    """The mean of a value of each row; None where neither run gives it any spread."""
    moved = paired_mean_interval(second - first, level.each, cluster)
    if moved is None:
        return None
    a, b = float(first.mean()), float(second.mean())
    method = "paired, student t" if cluster is None else "paired, student t, clusters"
    if merit.parity is None:
        return Estimate(a, b, moved.low, moved.high, method)
    added = paired_mean_interval(second + first, level.each, cluster)
    if added is None:
        return None
    low, high = change_on_scale(merit, _signed(merit.parity, moved, added))
    return Estimate(a, b, low, high, method)


def _linear(
    merit: Merit, a: float, b: float, of_change: float, of_sum: float, level: Level
) -> tuple[float, float]:
    """Limits on the scale from the standard errors of B - A and of B + A."""
    moved = normal_interval(b - a, of_change, level.each)
    added = normal_interval(b + a, of_sum, level.each)
    return change_on_scale(merit, _signed(merit.parity or 0.0, moved, added))


def _signed(parity: float, moved: Interval[float], added: Interval[float]) -> Combination:
    """Limits of (+-)(B - parity) - (+-)(A - parity): of B - A and B + A - 2 parity and their negatives."""
    total = Interval(added.low - 2 * parity, added.high - 2 * parity)
    table = {
        (0, 0): moved,
        (1, 1): Interval(-moved.high, -moved.low),
        (0, 1): total,
        (1, 0): Interval(-total.high, -total.low),
    }
    return lambda s, t: table[s, t]


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"
