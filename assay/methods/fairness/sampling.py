"""What the sample says of the groups' rates: intervals, pairs and ranges, for independent or clustered rows.

Independent rows use score intervals, and the multinomial bootstrap of the cells: drawing n rows with
replacement makes the counts of the cells exactly Multinomial(n, c / n), so replicates cost the same
whatever n is. Clustered rows are drawn a whole cluster at a time.

Sources: Wilson 1927; Zou & Donner 2008; Koopman 1984; Efron 1979; Davison & Hinkley 1997, section 3.8.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

from assay.methods.fairness.groupings import Clusters, Grouping
from assay.methods.fairness.rates import OUTCOMES, Rate, numerators_and_denominators, quotients
from assay.stats.bootstrap import cluster_bootstrap, multinomial_bootstrap, percentile_interval
from assay.stats.intervals import Interval, koopman_ratio, wilson_interval
from assay.stats.membership import Unplaced
from assay.stats.pairwise import PairTable, pairwise_bootstrap, pairwise_differences, pairwise_ratios

__all__ = ["MINIMUM_CLUSTERS", "Clustered", "Independent", "Sampling", "range_interval", "range_of"]

Kind = Literal["difference", "ratio"]
Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
Quotient = tuple[Counts, Counts]
"""Above and below the line."""

MINIMUM_CLUSTERS = 20
"""Under so many clusters a bootstrap of clusters has no trustworthy spread."""
_MOST_CLUSTERS = 2_000
"""More clusters than this are first added up to so many at random: drawing those costs the same whatever
the number of clusters, and their spread is that of the clusters (random groups, Wolter 2007, chapter 2)."""
_KEPT = 20_000_000
"""Replicated rates kept at once (160 MB): with very many groups clusters are drawn fewer times."""
_BLOCK = 4_000_000
"""Numbers drawn at a time: bounds the memory of a bootstrap (32 MiB), whatever the number of cells."""


class Sampling(Protocol):
    """Rates of one grouping with their uncertainty. G groups, R rates."""

    above: npt.NDArray[np.int64]
    """Numerators, shape (G, R)."""
    below: npt.NDArray[np.int64]
    """Denominators, shape (G, R)."""
    usable: npt.NDArray[np.bool_]
    """Where a rate may be reported, shape (G, R)."""
    unplaced: Unplaced
    """Rows of unknown group that may belong to each group, (G, R) each. Intervals of rates, pairs and
    impact ratios hold those of all ways of placing them; ranges are those of the known rows."""
    rate_method: str
    """Names of the intervals: of a rate, a pair, a range and an impact ratio."""
    pair_method: str
    range_method: str
    impact_method: str

    def shortage(self, group: int, rate: int) -> str | None:
        """Why a rate that has rows may not be reported; None when it simply has no rows."""
        ...

    def intervals(self) -> tuple[Floats, Floats]:
        """Lower and upper bounds of every rate, each (G, R); NaN where not usable."""
        ...

    def pairs(self, rate: int, kind: Kind) -> PairTable:
        """Simultaneous intervals over all pairs of groups that are usable for the rate."""
        ...

    def range_replicates(self, rates: Sequence[int]) -> Floats:
        """Bootstrap replicates of the range of each of `rates` over its usable groups, (B, len(rates))."""
        ...

    def impact_intervals(self, rate: int, reference: int, groups: Sequence[int]) -> tuple[Floats, Floats]:
        """Intervals of each group's rate over the reference's, shape (len(groups),); NaN where none."""
        ...


def unplaced_in(grouping: Grouping, rates: tuple[Rate, ...]) -> Unplaced:
    """Unknown rows that may belong to each group, by what they are to each rate: (G, R) each."""
    hits, counted = numerators_and_denominators(grouping.possible, rates)
    return Unplaced(hits, counted - hits)


def range_of(rates: Floats, usable: npt.NDArray[np.bool_]) -> Floats:
    """Highest minus lowest over the groups, (..., G, R) -> (..., R); NaN where no group has a rate.

    A group whose rate is NaN, or that is not usable, is passed over.
    """
    counted = usable & ~np.isnan(rates)
    high = np.where(counted, rates, -np.inf).max(axis=-2)
    low = np.where(counted, rates, np.inf).min(axis=-2)
    spread = np.full(high.shape, np.nan)
    np.subtract(high, low, out=spread, where=high >= low)
    return spread


def range_interval(value: float, replicates: Floats, level: float) -> tuple[float, float] | None:
    """Bootstrap interval of a range in [0, 1]: reflected ("basic") below, the wider of two ends above.

    [2v - q(1 - a/2), max(2v - q(a/2), q(1 - a/2))], made to contain the value v. Replicates of a range
    lie above the sample's range, which lies above the population's, and the reflection turns that bias
    the right way below. Above it fails near 0, where replicates cannot lie far below the value: with two
    like groups of 450 rows the reflected end misses in 23 % of samples. None where all replicates are
    equal: a bootstrap without spread says nothing about the error.

    Source: Davison & Hinkley 1997, section 5.2.
    """
    finite = replicates[np.isfinite(replicates)]
    if not len(finite) or np.ptp(finite) == 0:
        return None
    quantiles = percentile_interval(finite, level)
    low = 2 * value - float(quantiles.high)
    high = max(2 * value - float(quantiles.low), float(quantiles.high))
    return max(0.0, min(low, value)), min(1.0, max(high, value))


def _blocks(
    counts: npt.NDArray[np.int64], replicates: int, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.int64]]:
    """Multinomial replicates of `counts`, (block, cells) at a time."""
    size = max(1, _BLOCK // max(1, len(counts)))
    for first in range(0, replicates, size):
        yield multinomial_bootstrap(counts, min(size, replicates - first), rng)


class Independent:
    """Rows drawn independently: score intervals, Bonferroni pairs, multinomial-cell bootstrap of ranges."""

    rate_method = "wilson"
    pair_method = "melded, bonferroni"
    impact_method = "koopman score"

    def __init__(
        self,
        grouping: Grouping,
        rates: tuple[Rate, ...],
        level: float,
        replicates: int,
        rng: np.random.Generator,
    ) -> None:
        self._grouping = grouping
        self._rates = rates
        self._level = level
        self._replicates = replicates
        self._rng = rng
        self.above, self.below = numerators_and_denominators(grouping.outcomes, rates)
        self.usable = self.below > 0
        self.unplaced = unplaced_in(grouping, rates)
        self.range_method = f"multinomial bootstrap {replicates:,}, basic below"

    def shortage(self, group: int, rate: int) -> str | None:
        return None

    def intervals(self) -> tuple[Floats, Floats]:
        hits, misses = self.unplaced
        low = wilson_interval(self.above, self.below + misses, self._level).low
        high = wilson_interval(self.above + hits, self.below + hits, self._level).high
        return np.where(self.usable, low, np.nan), np.where(self.usable, high, np.nan)

    def pairs(self, rate: int, kind: Kind) -> PairTable:
        compare = pairwise_differences if kind == "difference" else pairwise_ratios
        unplaced = Unplaced(self.unplaced.hits[:, rate], self.unplaced.misses[:, rate])
        return compare(self.above[:, rate], self.below[:, rate], self._level, unplaced=unplaced)

    def impact_intervals(self, rate: int, reference: int, groups: Sequence[int]) -> tuple[Floats, Floats]:
        hits, misses = self.unplaced.hits[:, rate], self.unplaced.misses[:, rate]
        x, n = self.above[:, rate], self.below[:, rate]
        fewest, most = (x, n + misses), (x + hits, n + hits)

        def limits(group: Quotient, best: Quotient) -> Interval[Any]:
            return koopman_ratio(
                group[0][groups], group[1][groups], best[0][reference], best[1][reference], self._level
            )

        return np.asarray(limits(fewest, most).low), np.asarray(limits(most, fewest).high)

    def range_replicates(self, rates: Sequence[int]) -> Floats:
        # Groups without rows draw none: leaving them out changes nothing but the cost.
        cells = self._grouping.outcomes
        present = np.flatnonzero(cells.sum(axis=1) > 0)
        usable = self.usable[present][:, rates]
        chosen = tuple(self._rates[r] for r in rates)
        ranges = []
        for block in _blocks(cells[present].ravel(), self._replicates, self._rng):
            drawn = block.reshape(len(block), len(present), OUTCOMES)
            ranges.append(range_of(quotients(*numerators_and_denominators(drawn, chosen)), usable))
        return np.concatenate(ranges)


class Clustered:
    """Rows drawn a cluster at a time: bootstrap intervals throughout.

    A rate is usable when at least 20 clusters have rows below its line. A rate that is 0 or 1 in every
    cluster leaves the bootstrap no spread: its interval is then Wilson's with each cluster as a single
    trial, and its pairs have no limits.
    """

    def __init__(
        self,
        grouping: Grouping,
        clusters: Clusters,
        rates: tuple[Rate, ...],
        level: float,
        replicates: int,
        rng: np.random.Generator,
    ) -> None:
        self._level = level
        replicates = min(replicates, max(1_000, _KEPT // (len(grouping.groups) * len(rates))))
        self.above, self.below = numerators_and_denominators(grouping.outcomes, rates)
        self.unplaced = unplaced_in(grouping, rates)
        groups = len(grouping.groups)
        _, below = numerators_and_denominators(clusters.outcomes, rates)
        known = clusters.group < groups
        self.clusters = np.zeros(self.below.shape, dtype=np.int64)
        np.add.at(self.clusters, clusters.group[known], (below[known] > 0).astype(np.int64))
        self.usable = self.clusters >= MINIMUM_CLUSTERS
        self.rate_method = self.impact_method = f"cluster bootstrap {replicates:,}"
        self.pair_method = f"cluster bootstrap {replicates:,}, max-|T|"
        self.range_method = f"cluster bootstrap {replicates:,}, basic below"
        drawn = _draw_clusters(
            clusters, grouping.kinds if self.unplaced.any else None, groups, replicates, rng
        )
        # Exact: sums of counts in float64. NaN where a replicate has no rows below the line.
        above, below = numerators_and_denominators(np.rint(drawn).astype(np.int64), rates)
        self._drawn = self._fewest = self._most = quotients(above[:, :groups], below[:, :groups])
        if self.unplaced.any:
            hits, counted = above[:, groups:], below[:, groups:]
            above, below = above[:, :groups], below[:, :groups]
            self._fewest = quotients(above, below + counted - hits)
            self._most = quotients(above + hits, below + hits)

    def shortage(self, group: int, rate: int) -> str | None:
        if self.below[group, rate] == 0:
            return None
        clusters = int(self.clusters[group, rate])
        return f"only {clusters} clusters; a bootstrap of clusters needs at least {MINIMUM_CLUSTERS}"

    def intervals(self) -> tuple[Floats, Floats]:
        """From the placing with the fewest successes, and from that with the most."""
        hits, misses = self.unplaced
        low, _ = self._limits(self.above, self.below + misses, self._fewest)
        _, high = self._limits(self.above + hits, self.below + hits, self._most)
        return np.where(self.usable, low, np.nan), np.where(self.usable, high, np.nan)

    def _limits(self, above: Counts, below: Counts, drawn: Floats) -> tuple[Floats, Floats]:
        bounds = percentile_interval(drawn, self._level)
        full = above == below
        single = wilson_interval(np.where(full, self.clusters, 0), self.clusters, self._level)
        flat = full | (above == 0)
        return np.where(flat, single.low, bounds.low), np.where(flat, single.high, bounds.high)

    def pairs(self, rate: int, kind: Kind) -> PairTable:
        n, usable = self.below[:, rate], self.usable[:, rate]

        def compared(values: Floats, drawn: Floats, rows: Counts) -> PairTable:
            return pairwise_bootstrap(values, drawn, rows, self._level, kind)

        values = np.where(usable, quotients(self.above[:, rate], n), np.nan)
        table = compared(values, self._drawn[:, :, rate], n)
        if not self.unplaced.any or not len(table):
            return table
        # Each group stands there twice, with the fewest and with the most successes that unknown rows allow:
        # the limits hold for all pairs of these at once, so also for those at the ends of each pair.
        hits, misses = self.unplaced.hits[:, rate], self.unplaced.misses[:, rate]
        fewest = quotients(self.above[:, rate], n + misses)
        most = quotients(self.above[:, rate] + hits, n + hits)
        ends = np.where(np.tile(usable, 2), np.concatenate([fewest, most]), np.nan)
        drawn = np.concatenate([self._fewest[:, :, rate], self._most[:, :, rate]], axis=1)
        wide = _square(compared(ends, drawn, np.tile(n, 2)), len(ends), kind)
        least, greatest = table.first, table.second + len(n)
        low = wide[0][least, greatest]
        high = wide[1][table.first + len(n), table.second]
        return replace(table, low=low, high=high)

    def impact_intervals(self, rate: int, reference: int, groups: Sequence[int]) -> tuple[Floats, Floats]:
        """Percentile intervals of each group's rate over the reference's, shape (len(groups),) each.

        NaN where a rate is the same in every replicate, for then the bootstrap has no spread to show.
        """

        def limits(group: Floats, best: Floats) -> Interval[Any]:
            drawn, best = group[:, groups, rate], best[:, [reference], rate]
            ratio = np.full(drawn.shape, np.nan)
            np.divide(drawn, best, out=ratio, where=best > 0)
            return percentile_interval(ratio, self._level)

        low = limits(self._fewest, self._most).low
        high = limits(self._most, self._fewest).high
        flat = (self.above[groups, rate] == 0) | (self.above[groups, rate] == self.below[groups, rate])
        return np.where(flat, np.nan, low), np.where(flat, np.nan, high)

    def range_replicates(self, rates: Sequence[int]) -> Floats:
        return range_of(self._drawn[:, :, rates], self.usable[:, rates])


def _square(table: PairTable, groups: int, kind: Kind) -> tuple[Floats, Floats]:
    """Lower and upper limits of (i against j), both ways round, (groups, groups); unbounded where no pair."""
    vacuous = -np.inf if kind == "difference" else 0.0
    low, high = np.full((groups, groups), vacuous), np.full((groups, groups), np.inf)
    low[table.first, table.second], high[table.first, table.second] = table.low, table.high
    with np.errstate(divide="ignore"):
        turned = (-table.high, -table.low) if kind == "difference" else (1 / table.high, 1 / table.low)
    low[table.second, table.first], high[table.second, table.first] = turned
    return low, high


def _draw_clusters(
    clusters: Clusters,
    kinds: npt.NDArray[np.bool_] | None,
    groups: int,
    replicates: int,
    rng: np.random.Generator,
) -> Floats:
    """Replicates of the table groups × outcomes, shape (B, G, 5): clusters drawn with replacement.

    With `kinds` (B, 2 G, 5): the unknown rows that may belong to each group follow.
    """
    batch = rng.permutation(clusters.total) % min(clusters.total, _MOST_CLUSTERS)
    places = groups + (0 if kinds is None else len(kinds))
    sums = np.zeros((min(clusters.total, _MOST_CLUSTERS), places, OUTCOMES))
    placed = clusters.group < places
    np.add.at(sums, (batch[clusters.cluster[placed]], clusters.group[placed]), clusters.outcomes[placed])
    if kinds is not None:
        possible = np.einsum("kg,cko->cgo", kinds.astype(np.float64), sums[:, groups:])
        sums = np.concatenate([sums[:, :groups], possible], axis=1)
    drawn = cluster_bootstrap(sums.reshape(len(sums), -1), replicates, rng)
    return drawn.reshape(replicates, sums.shape[1], OUTCOMES)
