"""Measures of the four-fifths screen and of unknown demographics, for one grouping."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from assay.contracts import Measure, MeasureSpec, UnknownGroup
from assay.methods.fairness.groupings import Grouping
from assay.methods.fairness.measures import Setting
from assay.methods.fairness.rates import FALSE_POSITIVE, SELECTION, TRUE_POSITIVE
from assay.methods.fairness.sampling import Independent, Sampling
from assay.methods.fairness.screen import ratio_bounds, reference_group, shortfall, significance_of
from assay.methods.fairness.unknown_rows import UnknownRows

__all__ = ["SCREEN_NOTE", "screen_measure_specs", "screen_measures", "unknown_measures"]

SCREEN_NOTE = "A statistical screen, never proof of compliance or of a breach."


def screen_measures(
    grouping: Grouping, sampling: Sampling, setting: Setting, minimum_share: float
) -> Iterator[Measure]:
    """Impact ratio, its p-value and the shortfall in persons of every group against the highest rate.

    A group with less than `minimum_share` of the known rows is neither the reference nor compared.
    """
    r = setting.rates.index(SELECTION)
    selected, rows = sampling.above[:, r], sampling.below[:, r]
    large = rows >= minimum_share * rows.sum()
    reference = reference_group(selected, rows, large & sampling.usable[:, r])
    screened = []
    for g in range(len(rows)):
        reason = _reason(grouping, sampling, setting, g, reference, bool(large[g]), minimum_share)
        if reason is None:
            screened.append(g)
        else:
            yield _unscreened(grouping, setting, g, int(rows[g]), *reason)
    if reference is None or len(screened) < 2:
        return
    yield from _ratios(grouping, sampling, setting, reference, screened)
    others = [g for g in screened if g != reference]
    if isinstance(sampling, Independent):
        for result in significance_of(selected, rows, reference, others):
            yield Measure(
                id="fairness.impact_ratio_p_value",
                slice=grouping.groups[result.group],
                over=grouping.over,
                at={"test": result.test, "adjusted": "holm", "against": grouping.name(reference)},
                value=result.adjusted,
                n=int(rows[result.group] + rows[reference]),
                unit="p-value",
                direction="none",
                status="measured",
                grade=setting.grade,
                note=f"{result.p:.3g} before Holm's adjustment, family of {len(others)}. {SCREEN_NOTE}",
            )
    hits, misses = (part[:, r] for part in sampling.unplaced)
    share = grouping.unknown.sum() / max(grouping.unknown.sum() + grouping.known_rows, 1)
    for g in others:
        x, n, best, of = (int(part) for part in (selected[g], rows[g], selected[reference], rows[reference]))
        missing = shortfall(x, n, best, of)
        ends = (
            shortfall(x + int(hits[g]), n + int(hits[g]), best, of + int(misses[reference])),
            shortfall(x, n + int(misses[g]), best + int(hits[reference]), of + int(hits[reference])),
        )
        open_to = int(max(hits[g] + misses[g], hits[reference] + misses[reference]))
        yield Measure(
            id="fairness.shortfall",
            slice=grouping.groups[g],
            over=grouping.over,
            at={"against": grouping.name(reference)},
            value=missing,
            low=missing,
            high=missing,
            interval_method="exact",
            n=int(rows[g]),
            unit="count",
            direction="lower",
            status="measured",
            grade=setting.grade,
            note="more persons of this group to be selected for four fifths of the best rate",
            unknown=UnknownGroup(rows=open_to, share=share, low=ends[0], high=ends[1]) if open_to else None,
        )


def _reason(
    grouping: Grouping,
    sampling: Sampling,
    setting: Setting,
    g: int,
    reference: int | None,
    large: bool,
    minimum_share: float,
) -> tuple[str, str] | None:
    """(status, why) when a group has no impact ratio; None when it has one."""
    r = setting.rates.index(SELECTION)
    if sampling.below[g, r] == 0:
        return "insufficient", "no rows of this group"
    if not sampling.usable[g, r]:
        return "insufficient", sampling.shortage(g, r) or "no selection rate"
    if not large:
        return "not_applicable", f"less than {minimum_share:.3g} of the rows with a known group"
    if reference is None or sampling.above[reference, r] == 0:
        return "insufficient", "nobody was selected in any group, so no ratio exists"
    if len(grouping.groups) < 2:
        return "not_applicable", "the only group"
    return None


def _unscreened(grouping: Grouping, setting: Setting, g: int, rows: int, status: str, why: str) -> Measure:
    return Measure.model_validate(
        {
            "id": "fairness.impact_ratio",
            "slice": grouping.groups[g],
            "over": grouping.over,
            "value": None,
            "n": rows,
            "unit": "ratio",
            "direction": "even",
            "status": status,
            "grade": setting.grade,
            "note": f"{why}. {SCREEN_NOTE}",
        }
    )


def _ratios(
    grouping: Grouping, sampling: Sampling, setting: Setting, reference: int, screened: list[int]
) -> Iterator[Measure]:
    r = setting.rates.index(SELECTION)
    selected, rows = sampling.above[:, r], sampling.below[:, r]
    best = selected[reference] / rows[reference]
    low, high = sampling.impact_intervals(r, reference, screened)
    unknown = UnknownRows.of(grouping, sampling)
    for place, g in enumerate(screened):
        itself = g == reference
        value = float(selected[g] / rows[g] / best)
        bounded = not itself and bool(np.isfinite(low[place]) and np.isfinite(high[place]))
        yield Measure(
            id="fairness.impact_ratio",
            slice=grouping.groups[g],
            over=grouping.over,
            at={"against": grouping.name(reference)},
            value=value,
            low=float(low[place]) if bounded else (1.0 if itself else None),
            high=float(high[place]) if bounded else (1.0 if itself else None),
            level=setting.level if bounded else None,
            interval_method="exact"
            if itself
            else (unknown.method(sampling.impact_method, r, g, reference) if bounded else None),
            n=int(rows[g]) if itself else int(rows[g] + rows[reference]),
            unit="ratio",
            direction="even",
            status="measured",
            grade=setting.grade,
            note=f"{'The highest rate, the reference of the others. ' if itself else ''}{SCREEN_NOTE}",
            unknown=None if itself else unknown.pair("ratio", r, g, reference),
        )


def unknown_measures(grouping: Grouping, setting: Setting) -> Iterator[Measure]:
    """Share of rows without a known group and, for a single attribute, what they could change at most."""
    unknown, known = int(grouping.unknown.sum()), grouping.known_rows
    total = unknown + known
    share = unknown / total if total else None
    yield Measure(
        id="fairness.unknown_share",
        over=grouping.over,
        value=share,
        low=share,
        high=share,
        interval_method=None if share is None else "exact",
        n=total,
        numerator=unknown,
        denominator=total,
        unit="share",
        direction="lower",
        status="insufficient" if share is None else "measured",
        grade=setting.grade,
        note="rows whose group is not known; they count in no group of this attribute",
    )
    if not unknown or len(grouping.attributes) > 1 or SELECTION not in setting.rates:
        return
    rows = grouping.outcomes.sum(axis=1)
    present = rows > 0
    if present.sum() < 2:
        return
    selected = grouping.outcomes[:, (TRUE_POSITIVE, FALSE_POSITIVE)].sum(axis=1)
    chosen = int(grouping.unknown[[TRUE_POSITIVE, FALSE_POSITIVE]].sum())
    bounds = ratio_bounds(selected[present], rows[present], chosen, unknown - chosen)
    for case, bound in zip(("worst", "best"), bounds, strict=True):
        yield Measure(
            id="fairness.selection_rate_ratio_bound",
            over=grouping.over,
            at={"case": case},
            value=bound,
            low=bound,
            high=bound,
            interval_method=None if bound is None else "exact",
            n=total,
            unit="ratio",
            direction="even",
            status="insufficient" if bound is None else "measured",
            grade=setting.grade,
            note=(
                "nobody was selected, so no ratio exists"
                if bound is None
                else f"lowest to highest selection rate if the {unknown:,} rows of unknown group lay in the "
                f"{case} possible way; {chosen:,} of them were selected"
            ),
        )


def screen_measure_specs() -> tuple[MeasureSpec, ...]:
    """Specs of the screen, of equalized odds, of the permutation p and of unknown demographics."""

    def shown(name: str, title: str, unit: str, direction: str, description: str) -> MeasureSpec:
        return MeasureSpec.model_validate(
            {
                "id": f"fairness.{name}",
                "title": title,
                "unit": unit,
                "direction": direction,
                "judging": "shown",
                "description": description,
                "of": None if name in ("unknown_share", "equalized_odds_range") else SELECTION.id,
            }
        )

    return (
        shown(
            "equalized_odds_range",
            "Equalized odds: wider range",
            "difference",
            "even",
            "The larger of the ranges of true and false positive rate over the groups (Hardt et al. 2016).",
        ),
        shown(
            "selection_rate_range_p_value",
            "Range of selection rate: permutation p",
            "p-value",
            "none",
            "Chance of a range at least as wide when groups are shuffled over the rows.",
        ),
        shown(
            "impact_ratio",
            "Impact ratio",
            "ratio",
            "even",
            "Selection rate of a group over that of the group with the highest rate; the four-fifths screen.",
        ),
        shown(
            "impact_ratio_p_value",
            "Impact ratio: p of equal rates",
            "p-value",
            "none",
            "Pooled two-proportion z test, or Fisher's exact test where an expected count is below 5; "
            "two-sided, Holm-adjusted over the groups.",
        ),
        shown(
            "shortfall",
            "Shortfall in persons",
            "count",
            "lower",
            "How many more of the group would have to be selected to reach four fifths of the best rate.",
        ),
        shown(
            "unknown_share",
            "Unknown group",
            "share",
            "lower",
            "Rows whose group is not known / all rows.",
        ),
        shown(
            "selection_rate_ratio_bound",
            "Selection-rate ratio under unknown groups",
            "ratio",
            "even",
            "Lowest to highest selection rate if the rows of unknown group lay in the worst or best way.",
        ),
    )
