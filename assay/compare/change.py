"""The change of one measure between two runs, and how it reads.

Until runs keep row-level results that can be paired, the interval of a change combines both runs' own
intervals (MOVER) as if their rows were different people. Where both runs saw the same rows that is
conservative as a rule: such estimates go up and down together, so the true interval is narrower.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from assay.contracts import Comparison, Limits, Measure, MeasureSpec, significant
from assay.policy.checking import pillar_of
from assay.policy.groups import other_side
from assay.policy.reading import is_exact
from assay.stats.intervals import mover_difference

__all__ = ["CHANGED_SIDES", "Merit", "change", "default_tolerance", "merit_of", "on_scale", "reading"]

Reading = Literal["better", "worse", "unchanged", "insufficient"]

CHANGED_SIDES = "The groups changed sides."
"""In the note of a gap whose larger group is now the other one."""

_TOLERANCES = {"share": 0.01, "difference": 0.01, "score": 0.01, "ratio": 0.05}
_RELATIVE_TOLERANCE = 0.05


class Merit(NamedTuple):
    """On which scale a measure is compared, and which way is better there."""

    better: Literal[1, -1]
    parity: float | None = None
    """Where given, what counts is the distance |x - parity|."""
    folded: bool = False
    """A ratio r counts as min(r, 1/r), its closeness to 1, so that it reads the same both ways round."""


def merit_of(spec: MeasureSpec, limits: Limits | None = None) -> Merit | None:
    """The scale of a measure; null when neither side is better.

    `higher` and `lower` are compared as they are. `even` differences count by |d|, pairwise ratios by
    min(r, 1/r) = exp(-|log r|), other even measures by their distance from 0 (ratios and slopes from
    1). With direction `none`, the limits of the rule that quotes the measure say what is wanted: a
    lone minimum means higher, a lone maximum lower, a band the distance from its middle.
    """
    if spec.direction == "higher":
        return Merit(1)
    if spec.direction == "lower":
        return Merit(-1)
    if spec.direction == "even":
        if spec.unit == "ratio" and spec.judging == "pairs":
            return Merit(1, folded=True)
        return Merit(-1, parity=1.0 if spec.unit == "ratio" or spec.id.endswith("_slope") else 0.0)
    if limits is not None and limits.minimum is not None and limits.maximum is not None:
        return Merit(-1, parity=(limits.minimum + limits.maximum) / 2)
    if limits is None:
        return None
    return Merit(1) if limits.minimum is not None else Merit(-1)


def default_tolerance(unit: str, before: float) -> float:
    """Largest change that counts as none, where the policy sets no tolerance.

    .01 for shares, differences and scores, .05 for ratios; 5 % of the value before for counts and for
    measures in a unit of their own (mean absolute error).
    """
    return _TOLERANCES.get(unit, _RELATIVE_TOLERANCE * abs(before))


def reading(low: float, high: float, tolerance: float, better: Literal[1, -1]) -> Reading:
    """How an interval of a change reads: `unchanged` wholly inside the tolerance, `better` or `worse`
    wholly beyond it, otherwise `insufficient`."""
    worst, best = (low, high) if better == 1 else (-high, -low)
    if -tolerance <= worst and best <= tolerance:
        return "unchanged"
    if worst > tolerance:
        return "better"
    return "worse" if best < -tolerance else "insufficient"


def change(
    before: Measure,
    after: Measure,
    spec: MeasureSpec,
    merit: Merit,
    *,
    title: str | None = None,
    tolerance: float | None = None,
    same_predictions: bool = False,
) -> Comparison:
    """Compare a measure that both runs measured.

    Args:
        title: default the measure's own.
        tolerance: in the measure's unit; default `default_tolerance`.
        same_predictions: both runs read the same predictions of the same rows, so that whatever
            differs is a fact and needs no interval.

    Returns:
        before, after and change on the scale of `merit`: gaps and ratios without their orientation.
    """
    assert before.value is not None
    assert after.value is not None
    exact = same_predictions or (is_exact(before) and is_exact(after))
    a, b = on_scale(before, merit, exact), on_scale(after, merit, exact)
    allowed = default_tolerance(spec.unit, a[0]) if tolerance is None else tolerance
    low, high = (significant(end) for end in mover_difference(*b, *a))
    bounded = math.isfinite(low) and math.isfinite(high)
    return Comparison(
        id=before.id,
        title=_distance_title(title or spec.title, spec, merit),
        pillar=pillar_of(before.id),
        slice=before.slice,
        over=before.over,
        at=before.at,
        before=a[0],
        after=b[0],
        change=b[0] - a[0],
        low=low if bounded else None,
        high=high if bounded else None,
        level=min(before.level or 0.95, after.level or 0.95),
        interval_method=_method(before, after, same_predictions),
        tolerance=allowed,
        reading=reading(low, high, allowed, merit.better),
        unit=spec.unit,
        note=_note(before, after, merit, low, high, allowed),
    )


def _distance_title(title: str, spec: MeasureSpec, merit: Merit) -> str:
    """Says of a lone measure that its distance from parity is compared; a gap is such a distance already."""
    if merit.parity is None or spec.judging == "pairs":
        return title
    return f"{title}, distance from {merit.parity:g}"


def on_scale(measure: Measure, merit: Merit, exact: bool = False) -> tuple[float, float, float]:
    """Value, low and high on the scale of `merit`; open ends where the measure has no interval."""
    assert measure.value is not None
    value = measure.value
    low = value if exact or is_exact(measure) else measure.low
    high = value if exact or is_exact(measure) else measure.high
    ends = (-math.inf if low is None else low, math.inf if high is None else high)
    if merit.folded:
        return _fold(value), *_folded_ends(max(ends[0], 0.0), ends[1])
    if merit.parity is None:
        return value, *ends
    near, far = sorted((abs(ends[0] - merit.parity), abs(ends[1] - merit.parity)))
    return abs(value - merit.parity), 0.0 if ends[0] <= merit.parity <= ends[1] else near, far


def _fold(ratio: float) -> float:
    return min(ratio, 1 / ratio) if ratio > 0 else 0.0


def _folded_ends(low: float, high: float) -> tuple[float, float]:
    sides = sorted((_fold(low), 0.0 if math.isinf(high) else _fold(high)))
    return sides[0], 1.0 if low <= 1 <= high else sides[1]


def _method(before: Measure, after: Measure, same_predictions: bool) -> str:
    if same_predictions:
        return "exact (same predictions)"
    return "exact" if is_exact(before) and is_exact(after) else "unpaired, MOVER"


def _note(
    before: Measure, after: Measure, merit: Merit, low: float, high: float, tolerance: float
) -> str | None:
    notes = []
    if other_side(before) is not None:
        centre = 1.0 if merit.folded else 0.0
        turned = before.slice != after.slice
        sides = [(m.value or 0.0) - centre for m in (before, after)]
        if sides[0] * sides[1] * (-1 if turned else 1) < 0:
            notes.append(CHANGED_SIDES)
    if not (math.isfinite(low) and math.isfinite(high)):
        notes.append("One of the runs gives no interval.")
    elif reading(low, high, tolerance, merit.better) == "insufficient":
        worst = low if merit.better == 1 else -high
        if worst >= -tolerance:
            notes.append("Not worse beyond the tolerance; perhaps better.")
    return " ".join(notes) or None
