"""The change of one measure between two runs, and how it reads.

Where the rows of both runs are here and are the same, the change is measured on them (`pairing`). Else its
interval combines both runs' own intervals (MOVER) as if their rows were different people. Where both runs saw
the same rows that is conservative as a rule: such estimates go up and down together, so the true interval is
narrower.
"""

from __future__ import annotations

import math
from typing import Literal, Protocol

from assay.compare.scales import Merit, PairedChange
from assay.contracts import Comparison, Measure, MeasureSpec, significant
from assay.methods.fairness.unknown_rows import WIDENED
from assay.policy.checking import pillar_of
from assay.policy.groups import other_side
from assay.policy.reading import is_exact
from assay.stats.intervals import mover_difference

__all__ = ["CHANGED_SIDES", "Pairs", "change", "default_tolerance", "on_scale", "reading"]

Reading = Literal["better", "worse", "unchanged", "insufficient"]

CHANGED_SIDES = "The groups changed sides."
"""In the note of a gap whose larger group is now the other one."""

_TOLERANCES = {"share": 0.01, "difference": 0.01, "score": 0.01, "ratio": 0.05}
_RELATIVE_TOLERANCE = 0.05
_TIMING_TOLERANCE = 0.25
"""Timings of the same work on the same machine differ by so much from one run to the next."""


class Pairs(Protocol):
    """Rows that both runs have (`pairing.Pairing`)."""

    def change(self, before: Measure, after: Measure, merit: Merit) -> PairedChange | None:
        """The change measured on the same rows; None where rows do not tell."""
        ...


def default_tolerance(unit: str, before: float, *, volatile: bool = False) -> float:
    """Largest change that counts as none, where the policy sets no tolerance.

    .01 for shares, differences and scores, .05 for ratios; 5 % of the value before for counts and for
    measures in a unit of their own (mean absolute error), 25 % for timings and energy.
    """
    if volatile:
        return _TIMING_TOLERANCE * abs(before)
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
    pairs: Pairs | None = None,
) -> Comparison:
    """Compare a measure that both runs measured.

    Args:
        title: default the measure's own.
        tolerance: in the measure's unit; default `default_tolerance`.
        same_predictions: both runs read the same predictions of the same rows, so that whatever
            differs is a fact and needs no interval.
        pairs: the rows that both runs have.

    Returns:
        before, after and change on the scale of `merit`: gaps and ratios without their orientation.
    """
    assert before.value is not None
    assert after.value is not None
    same = same_predictions and not before.volatile
    exact = same or (is_exact(before) and is_exact(after))
    paired = pairs.change(before, after, merit) if pairs is not None and not exact else None
    placed = not exact and (before.unknown is not None or after.unknown is not None)
    if paired is None:
        a, b = on_scale(before, merit, exact), on_scale(after, merit, exact)
        # One placing of unknown rows makes both values, and may move them in opposite ways.
        moved = (b[1] - a[2], b[2] - a[1]) if placed else tuple(mover_difference(*b, *a))
        values, limits = (a[0], b[0]), moved
    else:
        values, limits = paired[:2], paired[2:4]
    low, high = (significant(end) for end in limits)
    allowed = tolerance
    if allowed is None:
        allowed = default_tolerance(spec.unit, values[0], volatile=before.volatile)
    bounded = math.isfinite(low) and math.isfinite(high)
    return Comparison(
        id=before.id,
        title=_distance_title(title or spec.title, spec, merit),
        pillar=pillar_of(before.id),
        slice=before.slice,
        over=before.over,
        at=before.at,
        before=values[0],
        after=values[1],
        change=values[1] - values[0],
        low=low if bounded else None,
        high=high if bounded else None,
        level=min(before.level or 0.95, after.level or 0.95),
        interval_method=paired.method if paired is not None else _method(before, after, same, placed),
        tolerance=allowed,
        reading=reading(low, high, allowed, merit.better),
        unit=spec.unit,
        note=_note(before, after, merit, (low, high), allowed, paired),
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
    if measure.unknown is not None and not exact:  # ranges have the interval of the known rows alone
        least, most = measure.unknown.low, measure.unknown.high
        ends = (
            min(ends[0], -math.inf if least is None else least),
            max(ends[1], math.inf if most is None else most),
        )
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


def _method(before: Measure, after: Measure, same_predictions: bool, placed: bool) -> str:
    if same_predictions:
        return "exact (same predictions)"
    if placed:
        return f"unpaired, both intervals end to end{WIDENED}"
    return "exact" if is_exact(before) and is_exact(after) else "unpaired, MOVER"


def _note(
    before: Measure,
    after: Measure,
    merit: Merit,
    limits: tuple[float, float],
    tolerance: float,
    paired: PairedChange | None,
) -> str | None:
    notes = []
    low, high = limits
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
    if paired is not None and paired.note:
        notes.append(paired.note)
    return " ".join(notes) or None
