"""One measure against one limit: inside, beyond or undecided.

The acceptance region of a rule is closed. For gaps and ratios between groups it holds both ways round:
a difference limit L means [-L, L], a ratio limit L means [L, 1/L], so no verdict hangs on which group
is named first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

from assay.contracts import Limits, Measure, MeasureSpec, significant
from assay.stats.intervals import clopper_pearson_interval, normal_quantile
from assay.stats.multiplicity import bonferroni_level

__all__ = [
    "Bounds",
    "Item",
    "Reading",
    "is_binomial",
    "is_exact",
    "limit_bounds",
    "read",
    "simultaneous_interval",
    "target_bounds",
]

Reading = Literal["pass", "warn", "fail", "insufficient"]


class Bounds(NamedTuple):
    """A closed region; infinite where a side is open."""

    low: float
    high: float

    def holds(self, low: float, high: float) -> bool:
        return self.low <= low and high <= self.high

    def misses(self, low: float, high: float) -> bool:
        return high < self.low or low > self.high


@dataclass(frozen=True)
class Item:
    """A measure with the interval it is judged by."""

    measure: Measure
    low: float
    high: float
    reading: Reading
    doubt: float
    """How far the value lies beyond the limit, in half-widths of its interval; negative inside.
    -inf when nothing was measured."""
    reach: float
    """How far the interval's worse end lies beyond the limit (or beyond the target of a warning)."""


def limit_bounds(limits: Limits, spec: MeasureSpec) -> Bounds:
    """The region that a rule accepts."""
    return _bounds(limits.minimum, limits.maximum, spec)


def target_bounds(limits: Limits, spec: MeasureSpec) -> Bounds | None:
    """The stricter region, beyond which a rule warns; null without a target."""
    if limits.target_minimum is None and limits.target_maximum is None:
        return None
    minimum = limits.minimum if limits.target_minimum is None else limits.target_minimum
    maximum = limits.maximum if limits.target_maximum is None else limits.target_maximum
    return _bounds(minimum, maximum, spec)


def read(measure: Measure, limit: Bounds, target: Bounds | None, unit: str, family: int = 1) -> Item:
    """Judge one measure as one of `family` that the same rule judges together.

    pass: the whole interval inside the limit (and the target); warn: inside the limit, not wholly inside
    the target; fail: wholly beyond the limit; insufficient: anything else, or nothing measured.
    """
    interval = simultaneous_interval(measure, family)
    if measure.value is None or interval is None:
        return Item(measure, -math.inf, math.inf, "insufficient", -math.inf, math.inf)
    low, high = interval
    reading: Reading = "insufficient"
    against = limit
    if limit.misses(low, high):
        reading = "fail"
    elif limit.holds(low, high):
        reading = "pass"
        if target is not None and not target.holds(low, high):
            reading, against = "warn", target
    return Item(
        measure,
        low,
        high,
        reading,
        doubt=_in_half_widths(measure.value, low, high, limit, unit),
        reach=_beyond(low, high, against, unit),
    )


def is_exact(measure: Measure) -> bool:
    """Whether the value is a fact about the rows (a count, a census), not an estimate."""
    return measure.interval_method == "exact"


def is_binomial(measure: Measure) -> bool:
    """Whether the value is a share of independent rows, so that its counts say all about its interval."""
    counted = measure.numerator is not None and bool(measure.denominator)
    return counted and (measure.interval_method or "").lower() == "wilson"


def _is_placed_rate(measure: Measure) -> bool:
    """Whether the value is a share of independent rows, some of which are of unknown group."""
    if measure.unknown is None or measure.unknown.hits is None or not measure.denominator:
        return False
    return measure.numerator is not None and (measure.interval_method or "").startswith("wilson")


def simultaneous_interval(measure: Measure, family: int = 1) -> Bounds | None:
    """The interval by which a measure is judged, when `family` of them must hold together at its level.

    A rate shown with its Wilson interval is judged by the Clopper-Pearson interval of its counts at level
    1 - (1 - level)/family: Wilson's is right on average only, and would fail a group exactly at a limit
    of .99 in 9 % of audits with 50 rows, and one of 12 groups of 30 rows at .95 in 17 %. Any other
    interval (normal, bootstrap, clustered, pairwise) is taken as it is when it shares its level with as
    many already, else stretched by the ratio of the normal quantiles, for ratios on the log scale. Exact
    values are their own interval; null when the measure has a value but no interval.

    Where rows are of unknown group, the interval holds those of every way of placing them, so that a rule
    passes only if it would wherever they belong (`assay.stats.membership`).

    Source: Clopper & Pearson 1934; Bonferroni's inequality.
    """
    if measure.value is None:
        return None
    if is_exact(measure):
        return Bounds(measure.value, measure.value)
    if measure.low is None and measure.high is None:
        return None
    level = measure.level or 0.95
    together = bonferroni_level(level, max(family, measure.family))
    if measure.unknown is not None and _is_placed_rate(measure):
        # The lowest limit is that of the placing with the fewest successes, the highest that with the most.
        x, n = float(measure.numerator or 0), float(measure.denominator or 0)
        hits, misses = float(measure.unknown.hits or 0), float(measure.unknown.misses or 0)
        return Bounds(
            clopper_pearson_interval(x, n + misses, together).low,
            clopper_pearson_interval(x + hits, n + hits, together).high,
        )
    if is_binomial(measure):
        counts = float(measure.numerator or 0), float(measure.denominator or 0)
        return Bounds(*clopper_pearson_interval(*counts, together))
    low = (0.0 if measure.unit == "ratio" else -math.inf) if measure.low is None else measure.low
    high = math.inf if measure.high is None else measure.high
    if family <= measure.family:
        return Bounds(low, high)
    stretch = float(normal_quantile(together) / normal_quantile(bonferroni_level(level, measure.family)))
    centre = _scaled(measure.value, measure.unit)
    return Bounds(
        _unscaled(_stretched(centre, _scaled(low, measure.unit), stretch), measure.unit),
        _unscaled(_stretched(centre, _scaled(high, measure.unit), stretch), measure.unit),
    )


def _bounds(minimum: float | None, maximum: float | None, spec: MeasureSpec) -> Bounds:
    if spec.judging == "pairs" and spec.direction == "even":
        if spec.unit == "ratio":
            assert minimum is not None
            # measures carry 12 digits, so the mirrored limit must as well
            return Bounds(minimum, significant(1 / minimum))
        assert maximum is not None
        return Bounds(-maximum, maximum)
    return Bounds(-math.inf if minimum is None else minimum, math.inf if maximum is None else maximum)


def _in_half_widths(value: float, low: float, high: float, limit: Bounds, unit: str) -> float:
    beyond = _beyond(value, value, limit, unit)
    half = (_scaled(high, unit) - _scaled(low, unit)) / 2
    if half == 0 or math.isnan(half):
        return math.copysign(math.inf, beyond) if beyond else 0.0
    if math.isinf(half):
        # an open-ended interval: only the side towards the limit tells anything
        return beyond
    return beyond / half


def _beyond(low: float, high: float, limit: Bounds, unit: str) -> float:
    """Largest excess of [low, high] over the limit, on the scale where the unit is even; < 0 inside."""
    below = _scaled(limit.low, unit) - _scaled(low, unit)
    above = _scaled(high, unit) - _scaled(limit.high, unit)
    return max(-math.inf if math.isnan(below) else below, -math.inf if math.isnan(above) else above)


def _stretched(centre: float, end: float, stretch: float) -> float:
    return end if math.isinf(end) or math.isinf(centre) else centre + (end - centre) * stretch


def _scaled(value: float, unit: str) -> float:
    if unit != "ratio":
        return value
    return math.log(value) if value > 0 else -math.inf


def _unscaled(value: float, unit: str) -> float:
    return math.exp(value) if unit == "ratio" else value
