"""Changes measured on the rows that two runs have in common.

Which estimate a measure gets: shares by Tango's score interval, other statistics of counts and all gaps and
ratios by resampling joint cells, AUC by DeLong, proper scores and errors by their differences row by row,
and whatever a method counted row by row by Tango's interval again. Everything else is left to the intervals
of both runs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import numpy.typing as npt

from assay.annex import RunRows
from assay.compare.estimators import (
    Estimate,
    Level,
    area_estimate,
    confusion_estimate,
    mean_estimate,
    rate_estimate,
    states,
)
from assay.compare.paired_rows import PairedRows, pair_rows
from assay.compare.placings import placed_rate_estimate
from assay.compare.scales import Merit, PairedChange
from assay.contracts import Evidence, Measure, Signature
from assay.evidence import measure_key
from assay.methods.fairness.groupings import outcome_of
from assay.methods.fairness.rates import RATES, Rate
from assay.methods.performance.confusion import Statistic, confusion_statistics
from assay.policy.groups import group_label, other_side
from assay.rng import keyed_rng
from assay.stats.calibration import brier_terms, log_loss_terms
from assay.stats.paired import mcnemar, paired_areas

__all__ = ["Pairing", "pairing_of"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_MOST_CLASSES = 40
_FEWEST_CLASS_ROWS = 5
_AGREES = 1e-6
"""What a value computed from the rows may differ by from the measured one, relative to it or to 1."""
_ONE_REPEAT = "Compared on one repeat of each run, whose random numbers are the same."
_RATES = {rate.id: rate for rate in RATES}


@dataclass(frozen=True)
class Pairing:
    """The common rows of two runs, and what their columns mean."""

    rows: PairedRows
    signature: Signature
    _states: dict[object, tuple[Ints, Ints]] = field(default_factory=dict, repr=False)

    def change(self, before: Measure, after: Measure, merit: Merit) -> PairedChange | None:
        """The change of a measure that both runs have; None where rows do not tell.

        Where no row was left out, the rows must give the very values that the runs measured: else they are
        not what was measured, and are not used. A method that measures the mean of several repeats keeps the
        outcomes of one, which must then lie inside the measured interval.
        """
        if before.volatile or before.value is None or after.value is None:
            return None
        level = Level(min(before.level or 0.95, after.level or 0.95), max(before.family, after.family))
        found = self._estimate(before, after, merit, level)
        if found is None or not all(map(math.isfinite, found[:4])):
            return None
        of_asked = measure_key(before) in self.rows.results[0]
        whole = self.rows.asked_whole if of_asked else self.rows.whole
        a, b = merit.of(found.first), merit.of(found.second)
        if not whole:
            share = f"On {self.rows.rows:,} of {self.rows.of:,} rows."
            note = " ".join(part for part in (share, found.note) if part)
            return PairedChange(a, b, found.low, found.high, found.method, note)
        measured = merit.of(before.value), merit.of(after.value)
        if any(abs(x - y) > _AGREES * max(abs(y), 1) for x, y in zip((a, b), measured, strict=True)):
            if not of_asked or not all(map(_inside, (found.first, found.second), (before, after))):
                return None
            return PairedChange(a, b, found.low, found.high, found.method, _ONE_REPEAT)
        return PairedChange(*measured, found.low, found.high, found.method, found.note)

    def _estimate(self, before: Measure, after: Measure, merit: Merit, level: Level) -> Estimate | None:
        if measure_key(before) in self.rows.results[0]:
            return self._counted(before, after, merit, level)
        family, _, name = before.id.partition(".")
        if self.rows.label is None and family == "performance":
            return None
        if family == "fairness":
            return self._by_group(before, merit, level)
        if family == "performance":
            if self.signature.task == "regression":
                return self._regression(name, merit, level)
            return self._classified(before, merit, level)
        return None

    # --- what a method counted row by row -------------------------------------------------------

    def _counted(self, before: Measure, after: Measure, merit: Merit, level: Level) -> Estimate | None:
        key = measure_key(before)
        first, second = self.rows.results[0][key], self.rows.results[1].get(key)
        if second is None:
            return None
        both = (first >= 0) & (second >= 0)
        most = max(int((first >= 0).sum()), int((second >= 0).sum()))
        if not both.any() or both.sum() < 0.95 * most:
            return None
        ones = first[both] == 1, second[both] == 1
        if _far(float(ones[0].mean()), before.value) and not _far(1 - float(ones[0].mean()), before.value):
            ones = ~ones[0], ~ones[1]
        cluster = self.rows.cluster[both] if self.rows.cluster is not None and self.rows.same_asked else None
        every = np.ones(int(both.sum()), dtype=bool)
        return rate_estimate(
            states(ones[0], every),
            states(ones[1], every),
            np.zeros(every.size, dtype=np.int64),
            1,
            "share",
            merit,
            level,
            cluster,
            self._rng(before),
        )

    # --- all rows ---------------------------------------------------------------------------------

    def _classified(self, measure: Measure, merit: Merit, level: Level) -> Estimate | None:
        name = measure.id.partition(".")[2]
        if name == "auc":
            return self._area(merit, level, [np.ones(self.rows.rows, dtype=bool)])
        if name in ("brier_score", "log_loss"):
            return self._proper(name, merit, level, np.ones(self.rows.rows, dtype=bool))
        classes = len(self.signature.classes)
        statistic = next(
            (s for s in self._statistics() if s.id == measure.id and s.at == dict(measure.at)), None
        )
        if statistic is None or self.rows.prediction is None or classes > _MOST_CLASSES:
            return None
        assert self.rows.label is not None
        label = self.rows.label.astype(np.int64)
        first, second = (column.astype(np.int64) for column in self.rows.prediction)
        if statistic.kind == "share":
            row = _share_rows(measure, self.signature)
            pair = states(*row(label, first)), states(*row(label, second))
            group = np.zeros(label.size, dtype=np.int64)
            found = rate_estimate(
                *pair, group, 1, "share", merit, level, self.rows.cluster, self._rng(measure)
            )
            return self._with_mcnemar(found, name, label, first, second)
        return confusion_estimate(
            statistic, label, first, second, classes, merit, level, self.rows.cluster, self._rng(measure)
        )

    def _with_mcnemar(
        self, found: Estimate | None, name: str, label: Ints, first: Ints, second: Ints
    ) -> Estimate | None:
        if found is None or name != "accuracy" or self.rows.cluster is not None:
            return found
        lost = int(((first == label) & (second != label)).sum())
        gained = int(((first != label) & (second == label)).sum())
        p = mcnemar(lost, gained).mid_p
        note = (
            f"{lost:,} rows were right before only, {gained:,} after only; McNemar's mid-p "
            f"{'< 0.001' if p < 0.001 else f'{p:.3f}'}."
        )
        return found._replace(note=note)

    def _statistics(self) -> tuple[Statistic, ...]:
        favourable = self.signature.favourable
        code = None if favourable is None else self.signature.classes.index(favourable)
        return confusion_statistics(self.signature.classes, code)

    def _regression(self, name: str, merit: Merit, level: Level) -> Estimate | None:
        if self.rows.prediction is None:
            return None
        assert self.rows.label is not None
        errors = [column - self.rows.label for column in self.rows.prediction]
        if name == "mean_error":
            return mean_estimate(errors[0], errors[1], merit, level, self.rows.cluster)
        if name == "mean_absolute_error":
            return mean_estimate(np.abs(errors[0]), np.abs(errors[1]), merit, level, self.rows.cluster)
        if name != "root_mean_squared_error":
            return None
        roots = [math.sqrt(float((error**2).mean())) for error in errors]
        if min(roots) == 0:
            return None
        # the root moves by (e^2 - mean) / (2 root) with each row: the delta method
        moved = [root + (error**2 - root**2) / (2 * root) for error, root in zip(errors, roots, strict=True)]
        return mean_estimate(moved[0], moved[1], merit, level, self.rows.cluster)

    def _area(self, merit: Merit, level: Level, groups: list[Bools]) -> Estimate | None:
        if self.rows.score is None or self.rows.label is None:
            return None
        areas = []
        for rows in groups:
            positive = self.rows.label[rows] == 1
            if min(int(positive.sum()), int((~positive).sum())) < _FEWEST_CLASS_ROWS:
                return None
            cluster = None if self.rows.cluster is None else self.rows.cluster[rows]
            first, second = (score[rows] for score in self.rows.score)
            areas.append(paired_areas(first, second, positive, cluster))
        if len(areas) == 2 and self.rows.cluster is not None:
            return None  # groups share clusters, so their AUCs are not independent
        return area_estimate(areas, merit, level)

    def _proper(self, name: str, merit: Merit, level: Level, rows: Bools) -> Estimate | None:
        if self.rows.score is None or self.rows.label is None or self.signature.output != "probability":
            return None
        terms = brier_terms if name == "brier_score" else log_loss_terms
        positive = self.rows.label[rows] == 1
        first, second = (
            np.where(positive, *reversed(terms(score[rows].astype(np.float64)))) for score in self.rows.score
        )
        cluster = None if self.rows.cluster is None else self.rows.cluster[rows]
        return mean_estimate(first, second, merit, level, cluster)

    # --- groups -----------------------------------------------------------------------------------

    def _by_group(self, measure: Measure, merit: Merit, level: Level) -> Estimate | None:
        """Rates, AUC and Brier score of a group, and the gaps and ratios of two."""
        groups = self._groups(measure)
        masks = [] if groups is None else [self._mask(group) for group in groups]
        if groups is None or not all(rows.any() for rows in masks):
            return None
        kind = "share" if other_side(measure) is None else measure.unit
        of = measure.id.removesuffix(f"_{kind}")
        maybe = [self._mask(group, maybe=True) & ~rows for group, rows in zip(groups, masks, strict=True)]
        if of in ("fairness.auc", "fairness.brier_score") and any(rows.any() for rows in maybe):
            return None  # the intervals of both runs hold wherever the unknown rows belong
        if of == "fairness.auc":
            return self._area(merit, level, masks)
        if of == "fairness.brier_score" and len(masks) == 1:
            return self._proper("brier_score", merit, level, masks[0])
        rate = _RATES.get(of)
        if rate is None or self.rows.prediction is None or (self.rows.label is None and rate.labelled):
            return None
        first, second = self._outcome_states(rate)
        return placed_rate_estimate(
            first, second, masks, maybe, kind, merit, level, self.rows.cluster, self._rng(measure)
        )

    def _outcome_states(self, rate: Rate) -> tuple[Ints, Ints]:
        if rate.id not in self._states:
            assert self.rows.prediction is not None
            label = None if self.rows.label is None else self.rows.label.astype(np.int32)
            favourable = self.signature.favourable
            code = 1 if favourable is None else self.signature.classes.index(favourable)
            multi = favourable is None and self.signature.task != "binary"
            found = []
            for prediction in self.rows.prediction:
                outcome = outcome_of(label, prediction.astype(np.int32), None if multi else code)
                above = np.isin(outcome, rate.numerator)
                found.append(states(above, above | np.isin(outcome, rate.denominator)))
            self._states[rate.id] = found[0], found[1]
        return self._states[rate.id]

    def _groups(self, measure: Measure) -> list[dict[str, str]] | None:
        """The measure's group, and the group on the other side of a pair."""
        if not measure.slice or any(name not in self.rows.attributes for name in measure.slice):
            return None
        found = [dict(measure.slice)]
        against = other_side(measure)
        if against is not None:
            other = self._named(tuple(measure.slice), measure.over, against)
            if other is None:
                return None
            found.append(other)
        return found

    def _mask(self, group: dict[str, str], *, maybe: bool = False) -> Bools:
        """The rows of a group; with `maybe` also those that may belong to it, for all that is known."""
        mask = np.ones(self.rows.rows, dtype=bool)
        for name, value in group.items():
            names, codes = self.rows.categories[name], self.rows.attributes[name]
            here = codes == (names.index(value) if value in names else -2)
            mask &= here | (codes == -1) if maybe else here
        return mask

    def _named(self, names: tuple[str, ...], over: str | None, label: str) -> dict[str, str] | None:
        """The group that a pair names in words, such as "Black, Female"."""
        for values in product(*(self.rows.categories[name] for name in names)):
            group = dict(zip(names, values, strict=True))
            if group_label(group, over) == label:
                return group
        return None

    def _rng(self, measure: Measure) -> np.random.Generator:
        return keyed_rng(0, "compare", measure.id, measure_key(measure))


def pairing_of(
    before: Evidence, after: Evidence, first: RunRows | None, second: RunRows | None
) -> Pairing | str:
    """Pair two runs by their row-level results, or say in a sentence why that cannot be done."""
    if before.subject.signature.classes != after.subject.signature.classes:
        return "The runs name different classes, so rows are not paired."
    rows = pair_rows(before, after, first, second)
    return rows if isinstance(rows, str) else Pairing(rows, before.subject.signature)


def _share_rows(measure: Measure, signature: Signature) -> Callable[[Ints, Ints], tuple[Bools, Bools]]:
    """(label, prediction) -> rows above the line, rows below it, of a share of the confusion matrix."""
    name = measure.id.partition(".")[2]
    named = measure.at.get("class", signature.favourable)
    code = 1 if named is None else signature.classes.index(str(named))

    def rows(label: Ints, prediction: Ints) -> tuple[Bools, Bools]:
        every = np.ones(label.size, dtype=bool)
        actual, chosen = label == code, prediction == code
        return {
            "accuracy": (label == prediction, every),
            "base_rate": (actual, every),
            "selection_rate": (chosen, every),
            "precision": (actual & chosen, chosen),
            "recall": (actual & chosen, actual),
            "specificity": (~actual & ~chosen, ~actual),
        }[name]

    return rows


def _inside(value: float, measure: Measure) -> bool:
    """Whether one repeat's share lies inside the interval of the mean of all."""
    low, high = measure.low, measure.high
    return low is not None and high is not None and low - _AGREES <= value <= high + _AGREES


def _far(value: float, measured: float | None) -> bool:
    return measured is None or abs(value - measured) > _AGREES
