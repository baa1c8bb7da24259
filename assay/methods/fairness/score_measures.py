"""From the scores of groups to measures: each group's, and those of all pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from assay.contracts import Citation, Grade, Measure, MeasureSpec, Series, UnknownGroup
from assay.methods.fairness.score_groups import (
    Coding,
    GroupScores,
    area_correlation,
    calibration_estimates,
)
from assay.methods.fairness.score_pairs import decisive_pairs, lone_pairs, pair_differences
from assay.methods.fairness.unknown_rows import WIDENED
from assay.methods.fairness.unknown_scores import UnknownScores, compared, unknown_scores, widened
from assay.methods.performance.score_measures import binning_note, reliability_columns
from assay.methods.score_cells import ScoreCells
from assay.methods.score_sample import Estimated
from assay.stats.calibration import Bins
from assay.stats.multiplicity import bonferroni_level

__all__ = ["CITATIONS", "SPECS", "GroupResults", "Setting", "measure_groups"]

SPECS: tuple[MeasureSpec, ...] = (
    MeasureSpec(
        id="fairness.auc",
        title="AUC by group",
        unit="score",
        direction="higher",
        judging="single",
        description="Within one group: chance that a random favourable row scores above a random other one.",
    ),
    MeasureSpec(
        id="fairness.calibration_error",
        title="Calibration error by group",
        unit="share",
        direction="lower",
        judging="single",
        description="Within one group: mean over rows of |observed rate - mean probability| of their bin.",
    ),
    MeasureSpec(
        id="fairness.brier_score",
        title="Brier score by group",
        unit="score",
        direction="lower",
        judging="single",
        description="Within one group: mean of (probability - label)^2.",
    ),
    MeasureSpec(
        id="fairness.auc_difference",
        title="Difference in AUC",
        unit="difference",
        direction="even",
        judging="pairs",
        description="AUC of one group minus that of another, higher minus lower, for every pair; "
        "simultaneous intervals over all pairs of the attribute.",
        of="fairness.auc",
    ),
    MeasureSpec(
        id="fairness.calibration_error_difference",
        title="Difference in calibration error",
        unit="difference",
        direction="even",
        judging="pairs",
        description="Calibration error of one group minus that of another, higher minus lower, for every "
        "pair; simultaneous intervals over all pairs of the attribute.",
        of="fairness.calibration_error",
    ),
)
_BY_ID = {spec.id: spec for spec in SPECS}
_KEPT_BINS = "What unknown rows could change is bounded in the bins of the known rows."
"""Rows that join would move the limits of bins of equal rows too, which no bound here tells."""

CITATIONS: tuple[Citation, ...] = (
    Citation(text="DeLong, DeLong & Clarke-Pearson 1988; Sun & Xu 2014; Pepe 2003 (AUC and its interval)"),
    Citation(text="Obuchowski 1997 (AUC of clustered rows)"),
    Citation(text="Zou & Donner 2008; Zou 2008 (intervals of differences from the limits of each)"),
    Citation(text="Pleiss et al. 2017, On fairness and calibration; Naeini, Cooper & Hauskrecht 2015"),
    Citation(text="Manski 2003; Horowitz & Manski 2000; Kallus, Mao & Zhou 2022 (unknown groups)"),
    Citation(text="Kallus & Zhou 2019, The fairness of risk scores beyond classification"),
)


@dataclass(frozen=True)
class Setting:
    """What all measures of one run share."""

    grade: Grade
    level: float
    replicates: int
    bins: int
    needed: int
    max_pairs: int
    probability: bool
    rng: Callable[..., np.random.Generator]


@dataclass
class GroupResults:
    measures: list[Measure] = field(default_factory=list)
    series: list[Series] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def measure_groups(groups: GroupScores, cells: ScoreCells, coding: Coding, setting: Setting) -> GroupResults:
    """All measures of one attribute or intersection, and reliability curves of a single attribute."""
    results = GroupResults()
    unknown = unknown_scores(groups, cells, coding)
    enough = [min(sample.class_rows) >= setting.needed for sample in groups.samples]
    family = max(sum(enough) * (sum(enough) - 1) // 2, 1)
    paired = bonferroni_level(setting.level, family)
    areas = [sample.area(setting.level, setting.needed) for sample in groups.samples]
    for g, (sample, area) in enumerate(zip(groups.samples, areas, strict=True)):
        note = area.note or binning_note(sample)
        open_to = unknown.area(g, setting.needed)
        noted = area._replace(note=note)
        results.measures.append(_single("fairness.auc", groups, g, noted, setting, open_to))
    wide = [sample.area(paired, setting.needed) for sample in groups.samples]
    correlation = area_correlation(groups, cells, coding) if coding.blocks else 0.0
    bounds = [unknown.area(g, setting.needed) for g in range(len(wide))]
    _pairs(results, "fairness.auc_difference", groups, wide, correlation, setting, bounds)
    if setting.probability:
        _probability_measures(results, groups, enough, paired, coding, setting, unknown)
    return results


def _probability_measures(
    results: GroupResults,
    groups: GroupScores,
    enough: Sequence[bool],
    paired: float,
    coding: Coding,
    setting: Setting,
    unknown: UnknownScores,
) -> None:
    wide: list[Estimated] = []
    bounds: list[UnknownGroup | None] = []
    for g, sample in enumerate(groups.samples):
        if not enough[g]:
            negatives, positives = sample.class_rows
            short = f"{positives:,} favourable and {negatives:,} other labels"
            wide.append(Estimated(None, note=f"{short}; {setting.needed} of each are needed."))
            bounds.append(None)
            for name in ("fairness.brier_score", "fairness.calibration_error"):
                results.measures.append(_single(name, groups, g, wide[-1], setting))
            continue
        rng = setting.rng("calibration", groups.over, groups.name(g))
        single, pair, table = calibration_estimates(
            sample, (setting.level, paired), setting.bins, setting.replicates, rng
        )
        wide.append(pair)
        note = f"{len(table.n)} bins of about equal rows. Biased upward, more so in small groups."
        brier = sample.mean("brier", setting.level)
        open_to = unknown.brier(g)
        results.measures.append(_single("fairness.brier_score", groups, g, brier, setting, open_to))
        bounds.append(None if single.value is None else unknown.calibration(g, single.value))
        single = single._replace(note=note if bounds[-1] is None else f"{note} {_KEPT_BINS}")
        results.measures.append(_single("fairness.calibration_error", groups, g, single, setting, bounds[-1]))
        if len(groups.attributes) == 1:
            results.series.append(_reliability(groups, g, table, coding, setting))
    # groups that share clusters may move together in ways the limits do not show: add the limits up
    _pairs(
        results,
        "fairness.calibration_error_difference",
        groups,
        wide,
        -1.0 if coding.blocks else 0.0,
        setting,
        bounds,
    )


def _single(
    name: str,
    groups: GroupScores,
    g: int,
    found: Estimated,
    setting: Setting,
    unknown: UnknownGroup | None = None,
) -> Measure:
    spec = _BY_ID[name]
    found = widened(found, unknown)
    return Measure(
        id=name,
        slice=groups.keys[g],
        value=found.value,
        low=found.low,
        high=found.high,
        level=None if found.low is None else setting.level,
        interval_method=found.interval_method,
        n=groups.samples[g].rows,
        unit=spec.unit,
        direction=spec.direction,
        status="insufficient" if found.value is None else "measured",
        grade=setting.grade,
        note=found.note,
        unknown=None if found.value is None else unknown,
    )


def _pairs(
    results: GroupResults,
    name: str,
    groups: GroupScores,
    found: Sequence[Estimated],
    correlation: np.ndarray | float,
    setting: Setting,
    unknown: Sequence[UnknownGroup | None],
) -> None:
    """Every pair of groups with a value, and for each group without one the pair that says so."""
    if not found:
        return
    values, low, high = (
        np.array([math.nan if number is None else number for number in column])
        for column in zip(*((one.value, one.low, one.high) for one in found), strict=True)
    )
    table = pair_differences(values, low, high, groups.rows, correlation)
    kept = decisive_pairs(table, setting.max_pairs)
    if kept.size < len(table):
        results.notes.append(
            f"{groups.over}: of {len(table):,} pairs the {kept.size:,} furthest apart are listed for {name}."
        )
    for k in kept:
        first, second = int(table.first[k]), int(table.second[k])
        value = float(table.value[k])
        open_to = compared(unknown[first], unknown[second], values[first], values[second])
        least, most = float(table.low[k]), float(table.high[k])
        if open_to is not None:
            least, most = least + (open_to.low or 0.0) - value, most + (open_to.high or 0.0) - value
        results.measures.append(
            Measure(
                id=name,
                slice=groups.keys[first],
                over=groups.over,
                at={"against": groups.name(second)},
                value=value,
                low=max(least, -1.0),
                high=min(most, 1.0),
                level=setting.level,
                interval_method="mover" if open_to is None else f"mover{WIDENED}",
                unknown=open_to,
                family=table.family,
                n=int(table.n[k]),
                unit="difference",
                direction="even",
                status="measured",
                grade=setting.grade,
                note=_KEPT_BINS if open_to is not None and "calibration" in name else None,
            )
        )
    for g, other in lone_pairs(values, groups.rows):
        results.measures.append(
            Measure(
                id=name,
                slice=groups.keys[g],
                over=groups.over,
                at={"against": groups.name(other)},
                value=None,
                family=table.family,
                n=int(groups.rows[[g, other]].sum()),
                unit="difference",
                direction="even",
                status="insufficient",
                grade=setting.grade,
                note=found[g].note,
            )
        )


def _reliability(groups: GroupScores, g: int, table: Bins, coding: Coding, setting: Setting) -> Series:
    clustered = bool(coding.blocks)
    limits = "no intervals, since rows come in clusters" if clustered else "Wilson intervals"
    return Series(
        id="fairness.reliability",
        slice=groups.keys[g],
        title=f"Observed rate by predicted probability, {groups.over}: {groups.name(g)}",
        method="fairness.scores",
        columns=reliability_columns(table, setting.level, clustered=clustered),
        note=f"Bins of about equal rows; {limits}.",
    )
