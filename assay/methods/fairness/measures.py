"""From rates and intervals of one grouping to measures: rates, pairs and ranges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.contracts import Grade, Measure
from assay.methods.fairness.groupings import Grouping
from assay.methods.fairness.rates import EQUALIZED_ODDS, SELECTION, Rate
from assay.methods.fairness.sampling import Independent, Kind, Sampling, range_interval, range_of
from assay.methods.fairness.unknown_rows import UnknownRows
from assay.stats.pairwise import PairTable
from assay.stats.significance import permutation_range_p

__all__ = ["Setting", "pair_measures", "range_measures", "rate_measures"]


@dataclass(frozen=True)
class Setting:
    """What all measures of one run share."""

    grade: Grade
    level: float
    replicates: int
    rates: tuple[Rate, ...]
    favourable: str | None
    max_pairs: int
    rng: Callable[..., np.random.Generator]

    def condition(self, rate: Rate) -> str:
        return rate.condition.format(favourable=f'"{self.favourable}"')


def rate_measures(grouping: Grouping, sampling: Sampling, setting: Setting) -> Iterator[Measure]:
    """Every rate of every group; a rate without rows below its line is `insufficient`, never 0."""
    low, high = sampling.intervals()
    unknown = UnknownRows.of(grouping, sampling)
    for g, group in enumerate(grouping.groups):
        for r, rate in enumerate(setting.rates):
            above, below = int(sampling.above[g, r]), int(sampling.below[g, r])
            usable = bool(sampling.usable[g, r])
            yield Measure(
                id=rate.id,
                slice=group,
                value=above / below if usable else None,
                low=float(low[g, r]) if usable else None,
                high=float(high[g, r]) if usable else None,
                level=setting.level if usable else None,
                interval_method=unknown.method(sampling.rate_method, r, g) if usable else None,
                n=below,
                numerator=above,
                denominator=below,
                unit="share",
                direction=rate.direction,
                status="measured" if usable else "insufficient",
                grade=setting.grade,
                note=None if usable else _why_not(grouping, sampling, setting, g, r),
                unknown=unknown.rate(g, r),
            )


def _why_not(grouping: Grouping, sampling: Sampling, setting: Setting, g: int, r: int) -> str:
    if grouping.outcomes[g].sum() == 0:
        return "no rows of this group"
    return sampling.shortage(g, r) or f"no rows with {setting.condition(setting.rates[r])} in this group"


def pair_measures(grouping: Grouping, sampling: Sampling, setting: Setting) -> tuple[list[Measure], int]:
    """Differences and ratios of every pair of groups, and the most pairs that any of them leaves off.

    Of more than `max_pairs` pairs those that decide whether a limit is kept are listed, whatever size of
    group a policy starts at. The level is shared over all pairs, listed or not.
    """
    measures: list[Measure] = []
    left_off = 0
    unknown = UnknownRows.of(grouping, sampling)
    for r, rate in enumerate(setting.rates):
        kinds: list[Kind] = ["difference"] if rate.differences else []
        kinds += ["ratio"] if rate.ratios else []
        for kind in kinds:
            table = sampling.pairs(r, kind)
            kept = _telling(table, kind, sampling.below[:, r], setting.max_pairs)
            left_off = max(left_off, len(table) - len(kept))
            measures += [_pair(grouping, sampling, setting, r, kind, table, int(k), unknown) for k in kept]
            measures += [
                _lone_pair(grouping, sampling, setting, r, kind, pair) for pair in _lone(sampling, r)
            ]
    return measures, left_off


def _telling(table: PairTable, kind: Kind, rows: npt.NDArray[np.int64], limit: int) -> npt.NDArray[np.int64]:
    """Indices of the pairs to list, in order: all, or those that no verdict can do without.

    A verdict hangs on the extreme bounds among the groups of at least some minimum size. So of the pairs
    sorted by their smaller group, those that set a record for an extreme bound are kept (at most four a
    group), then the widest pairs up to `limit`.
    """
    if len(table) <= limit:
        return np.arange(len(table))
    smaller = np.minimum(rows[table.first], rows[table.second])
    records: npt.NDArray[np.int64] = np.empty(0, dtype=np.int64)
    for extreme in (table.high, -table.high, table.low, -table.low):
        order = np.lexsort((-extreme, -smaller))
        best = np.maximum.accumulate(extreme[order])
        records = np.union1d(records, order[np.concatenate(([True], best[1:] > best[:-1]))])
    # The value furthest from parity: both kinds are oriented, differences upwards and ratios downwards.
    gap = -table.value if kind == "ratio" else table.value
    widest = np.argsort(-np.nan_to_num(gap, nan=-np.inf), kind="stable")
    spare = max(0, limit - len(records))
    return np.union1d(records, widest[~np.isin(widest, records)][:spare])


def _pair(
    grouping: Grouping,
    sampling: Sampling,
    setting: Setting,
    r: int,
    kind: Kind,
    table: PairTable,
    k: int,
    unknown: UnknownRows,
) -> Measure:
    value, low, high = float(table.value[k]), float(table.low[k]), float(table.high[k])
    defined = bool(np.isfinite(value))
    note = None
    if not defined:
        note = "the rate is 0 in both groups, so their ratio is undefined"
    elif not (np.isfinite(low) and np.isfinite(high)):
        note = "too few rows, or too little variation between them, to bound it on both sides"
    first, second = int(table.first[k]), int(table.second[k])
    return Measure(
        id=f"{setting.rates[r].id}_{kind}",
        slice=grouping.groups[first],
        over=grouping.over,
        at={"against": grouping.name(second)},
        value=value if defined else None,
        low=low if defined and np.isfinite(low) else None,
        high=high if defined and np.isfinite(high) else None,
        level=setting.level if defined else None,
        interval_method=unknown.method(sampling.pair_method, r, first, second) if defined else None,
        family=table.family,
        n=int(table.n[k]),
        unit=kind,
        direction="even",
        status="measured" if defined else "insufficient",
        grade=setting.grade,
        note=note,
        unknown=unknown.pair(kind, r, first, second),
    )


def _lone(sampling: Sampling, r: int) -> Iterator[tuple[int, int]]:
    """Each group that has no rate, with the largest other group: the pair that says so."""
    seen: set[frozenset[int]] = set()
    below = sampling.below[:, r]
    if len(below) < 2:
        return
    by_size = np.argsort(-below, kind="stable")
    for g in np.flatnonzero(~sampling.usable[:, r]):
        other = by_size[1] if by_size[0] == g else by_size[0]
        pair = frozenset((int(g), int(other)))
        if pair not in seen:
            seen.add(pair)
            yield int(g), int(other)


def _lone_pair(
    grouping: Grouping, sampling: Sampling, setting: Setting, r: int, kind: Kind, pair: tuple[int, int]
) -> Measure:
    g, other = pair
    why = _why_not(grouping, sampling, setting, g, r).replace("this group", grouping.name(g))
    return Measure(
        id=f"{setting.rates[r].id}_{kind}",
        slice=grouping.groups[g],
        over=grouping.over,
        at={"against": grouping.name(other)},
        value=None,
        n=int(sampling.below[g, r] + sampling.below[other, r]),
        unit=kind,
        direction="even",
        status="insufficient",
        grade=setting.grade,
        note=f"{why}: it can be compared with no other group",
    )


def range_measures(grouping: Grouping, sampling: Sampling, setting: Setting) -> Iterator[Measure]:
    """Highest minus lowest rate over the groups, equalized odds, and the permutation p of selection."""
    sample = np.full(sampling.below.shape, np.nan)
    np.divide(sampling.above, sampling.below, out=sample, where=sampling.usable)
    values = range_of(sample, sampling.usable)
    counted = sampling.usable.sum(axis=0)
    chosen = [r for r, rate in enumerate(setting.rates) if rate.differences and counted[r] >= 2]
    if not chosen:
        return
    replicates = dict(zip(chosen, sampling.range_replicates(chosen).T, strict=True))

    unknown = UnknownRows.of(grouping, sampling)

    def measured(name: str, value: float, drawn: npt.NDArray[np.float64], rates: list[int]) -> Measure:
        bounds = range_interval(value, drawn, setting.level)
        low, high = (None, None) if bounds is None else bounds
        open_to = unknown.range(rates, values)
        return Measure(
            id=f"fairness.{name}",
            over=grouping.over,
            value=value,
            low=low,
            high=high,
            level=None if bounds is None else setting.level,
            interval_method=None if bounds is None else sampling.range_method,
            n=sum(int(sampling.below[sampling.usable[:, r], r].sum()) for r in rates),
            unit="difference",
            direction="even",
            status="measured",
            grade=setting.grade,
            note="biased upwards with many small groups; the pairs are judged, not this"
            + ("" if open_to is None else "; the interval is that of the rows whose group is known"),
            unknown=open_to,
        )

    for r in chosen:
        yield measured(f"{setting.rates[r].name}_range", float(values[r]), replicates[r], [r])
    odds = [r for r in chosen if setting.rates[r] in EQUALIZED_ODDS]
    if len(odds) == len(EQUALIZED_ODDS):
        widest = np.fmax.reduce([replicates[r] for r in odds])
        yield measured("equalized_odds_range", float(values[odds].max()), widest, odds)
    if SELECTION in setting.rates and setting.rates.index(SELECTION) in chosen:
        yield _permutation_p(grouping, sampling, setting, setting.rates.index(SELECTION))


def _permutation_p(grouping: Grouping, sampling: Sampling, setting: Setting, r: int) -> Measure:
    independent = isinstance(sampling, Independent)
    above, below = sampling.above[:, r], sampling.below[:, r]
    p = None
    if independent:
        present = below > 0
        rng = setting.rng("permutation", grouping.over)
        p = float(permutation_range_p(above[present], below[present], setting.replicates, rng))
    return Measure(
        id="fairness.selection_rate_range_p_value",
        over=grouping.over,
        value=p,
        n=int(below.sum()),
        unit="p-value",
        direction="none",
        status="not_applicable" if p is None else "measured",
        grade=setting.grade,
        note=(
            "rows of one cluster belong together, so shuffling rows over groups would mislead"
            if p is None
            else "share of random regroupings whose range is at least as wide as the one found"
        ),
    )
