"""From the rows that fell to the measures of `robustness.pgd`, their notes and their curve."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import At, Grade, Measure, Series, SeriesColumn
from assay.methods.robustness.pgd_specs import SPECS
from assay.methods.robustness.rate_measures import absent, paired_measure, rate_measure
from assay.stats.order_statistics import quantile_interval

__all__ = ["Fallen", "budget_series", "pgd_measures", "setting"]

Flags = npt.NDArray[np.bool_]
_BY_ID = {spec.id.partition(".")[2]: spec for spec in SPECS}
_ZERO_GRADIENTS, _STANDING, _NON_MONOTONE = 0.05, 0.01, 0.01
"""Shares beyond which a check raises an alarm."""


class Fallen(NamedTuple):
    """Outcome of the attacks. `right` (rows,); `pgd`, `single`, `noise` (budgets, rows); others (rows,)."""

    right: Flags
    pgd: Flags
    single: Flags
    noise: Flags
    zero: Flags
    huge: Flags

    @property
    def by_budget(self) -> Flags:
        """(budgets, rows): fallen to any attack within this budget or a smaller one."""
        return np.asarray(np.logical_or.accumulate(self.pgd | self.single | self.noise, axis=0))

    @property
    def standing(self) -> Flags:
        """(budgets, rows): decided rightly, attacked or not."""
        return np.asarray(self.right & ~self.by_budget)


def setting(eps: float, unit: str) -> dict[str, str | float]:
    """How a measure names its budget; six digits, so that 8/255 reads the same everywhere."""
    return {"eps": float(f"{eps:.6g}"), "in": unit}


def pgd_measures(
    fallen: Fallen, budgets: Sequence[float], unit: str, level: float, grade: Grade
) -> tuple[tuple[Measure, ...], tuple[str, ...]]:
    """All measures, and the names of the checks that raised an alarm."""
    right = fallen.right
    standing, fell = fallen.standing, fallen.by_budget[:, right]
    pgd, single, noise = fallen.pgd[:, right], fallen.single[:, right], fallen.noise[:, right]
    make = _Maker(level, grade)
    measures = [make.rate("clean_accuracy", right)]
    one_step, by_noise = False, False
    for place, eps in enumerate(budgets):
        at = setting(eps, unit)
        measures.append(make.rate("robust_accuracy", standing[place], at))
        measures.append(make.rate("attack_success_rate", fell[place], at))
        more = make.paired("single_step_excess", single[place], pgd[place], at)
        luckier = make.paired("random_noise_excess", noise[place], pgd[place], at)
        one_step |= _above(more, 0.0)
        by_noise |= _above(luckier, 0.0)
        measures += [more, luckier]
    zero = make.rate("zero_gradient_share", fallen.zero[right])
    huge = make.rate("huge_budget_accuracy", ~fallen.huge[right])
    backwards = (np.logical_or.accumulate(pgd, axis=0) & ~pgd).any(axis=0)
    non_monotone = make.rate("non_monotone_share", backwards)
    alarms = {
        "zero gradients": _above(zero, _ZERO_GRADIENTS),
        "rows that stand under a boundless budget": _above(huge, _STANDING),
        "a larger budget that flips less": _above(non_monotone, _NON_MONOTONE),
        "one step that flips more than many": one_step,
        "noise that flips more than the attack": by_noise,
    }
    raised = tuple(name for name, raises in alarms.items() if raises)
    measures += [
        _median(fell, budgets, unit, make),
        zero,
        huge,
        non_monotone,
        _count(raised, int(right.sum()), grade),
    ]
    return tuple(measures), raised


class _Maker(NamedTuple):
    level: float
    grade: Grade

    def rate(self, name: str, rows: npt.ArrayLike, at: At | None = None) -> Measure:
        return rate_measure(_BY_ID[name], rows, self.level, self.grade, at)

    def paired(self, name: str, first: Flags, second: Flags, at: At) -> Measure:
        return paired_measure(_BY_ID[name], first, second, self.level, self.grade, at)


def _above(measure: Measure, limit: float) -> bool:
    return measure.low is not None and measure.low > limit


def _count(raised: Sequence[str], n: int, grade: Grade) -> Measure:
    spec = _BY_ID["gradient_masking_alarms"]
    if n == 0:
        return absent(spec, "insufficient", "no row is decided rightly as it is", grade)
    return Measure(
        id=spec.id,
        value=len(raised),
        interval_method="exact",
        n=n,
        unit=spec.unit,
        direction=spec.direction,
        status="measured",
        grade=grade,
        note="; ".join(raised) or None,
    )


def _median(fell: Flags, budgets: Sequence[float], unit: str, make: _Maker) -> Measure:
    """Median of the smallest budget that flips, with the binomial interval of its ranks.

    Only known up to the grid: a row that falls at a budget may have fallen between it and the one before.
    """
    spec, n = _BY_ID["median_flip_eps"], fell.shape[1]
    if n == 0:
        return absent(spec, "insufficient", "no row is decided rightly as it is", make.grade)
    first = np.where(fell.any(axis=0), fell.argmax(axis=0), len(budgets))
    ranks = quantile_interval(first.astype(float), 0.5, make.level)
    place = int(ranks.value)
    if place == len(budgets):
        note = f"more than half of {n:,} rows stand at the largest budget, {budgets[-1]:.6g} {unit}"
        return absent(spec, "insufficient", note, make.grade).model_copy(update={"n": n})
    high = ranks.high if ranks.high is not None and ranks.high < len(budgets) else None
    before = budgets[place - 1] if place else 0.0
    return Measure(
        id=spec.id,
        value=budgets[place],
        low=None if ranks.low is None else budgets[int(ranks.low)],
        high=None if high is None else budgets[int(high)],
        level=make.level,
        interval_method="binomial ranks, on the grid",
        n=n,
        unit=spec.unit,
        direction=spec.direction,
        status="measured",
        grade=make.grade,
        note=f"on the grid of budgets in {unit}: above {before:.6g} and at most {budgets[place]:.6g}",
    )


def budget_series(
    method: str, budgets: Sequence[float], unit: str, measures: Sequence[Measure]
) -> tuple[Series, ...]:
    """Accuracy under attack over the budget; 0 is no attack."""
    by_setting: Mapping[tuple[str, Any], Measure] = {(m.id, m.at.get("eps")): m for m in measures}
    clean = by_setting["robustness.clean_accuracy", None]
    points = [clean] + [by_setting["robustness.robust_accuracy", setting(e, unit)["eps"]] for e in budgets]
    rates = [None, *(by_setting["robustness.attack_success_rate", setting(e, unit)["eps"]] for e in budgets)]

    def column(name: str, read: Callable[[Measure], float | None]) -> SeriesColumn:
        return SeriesColumn(name=name, unit="share", values=tuple(read(point) for point in points))

    return (
        Series(
            id="robustness.accuracy_over_budget",
            title="Accuracy under attack over the budget",
            method=method,
            columns=(
                SeriesColumn(name="eps", unit=unit, values=(0.0, *(float(e) for e in budgets))),
                column("robust_accuracy", lambda m: m.value),
                column("low", lambda m: m.low),
                column("high", lambda m: m.high),
                SeriesColumn(
                    name="attack_success_rate",
                    unit="share",
                    values=tuple(0.0 if rate is None else rate.value for rate in rates),
                ),
            ),
        ),
    )
