"""The group rates: which rows each counts, above and below the line.

Every rate is a quotient of two sums over five outcomes of a row, so one small table of counts per group
(groups × 5) is enough for all of them and for their bootstrap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assay.contracts import Capability, Direction, MeasureSpec

__all__ = [
    "EQUALIZED_ODDS",
    "FALSE_NEGATIVE",
    "FALSE_POSITIVE",
    "OUTCOMES",
    "RATES",
    "REST_HIT",
    "REST_MISS",
    "SELECTION",
    "TRUE_POSITIVE",
    "Rate",
    "group_measure_specs",
    "numerators_and_denominators",
    "quotients",
]

TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE, REST_HIT, REST_MISS = range(5)
OUTCOMES = 5
"""Of the favourable class against the rest; the rest splits into exact class hits and misses (multiclass)."""

_SELECTED = (TRUE_POSITIVE, FALSE_POSITIVE)
_UNSELECTED = (FALSE_NEGATIVE, REST_HIT, REST_MISS)
_POSITIVE = (TRUE_POSITIVE, FALSE_NEGATIVE)
_NEGATIVE = (FALSE_POSITIVE, REST_HIT, REST_MISS)
_REST = (REST_HIT, REST_MISS)
_ALL = tuple(range(OUTCOMES))


@dataclass(frozen=True)
class Rate:
    """One rate: share of the `denominator` outcomes that are `numerator` outcomes."""

    name: str
    title: str
    direction: Direction
    numerator: tuple[int, ...]
    denominator: tuple[int, ...]
    formula: str
    condition: str
    """What a row must be to count below the line; {favourable} is filled in."""
    labelled: bool = True
    """Needs the label."""
    one_vs_rest: bool = True
    """Needs a favourable class."""
    differences: bool = False
    ratios: bool = False

    @property
    def id(self) -> str:
        return f"fairness.{self.name}"


SELECTION = Rate(
    "selection_rate",
    "Selection rate",
    "none",
    _SELECTED,
    _ALL,
    "predicted favourable / rows",
    "known group",
    labelled=False,
    differences=True,
    ratios=True,
)
_TRUE_POSITIVE_RATE = Rate(
    "true_positive_rate",
    "True positive rate",
    "higher",
    (TRUE_POSITIVE,),
    _POSITIVE,
    "predicted and labelled favourable / labelled favourable (equal opportunity, Hardt et al. 2016)",
    "label {favourable}",
    differences=True,
    ratios=True,
)
_FALSE_POSITIVE_RATE = Rate(
    "false_positive_rate",
    "False positive rate",
    "lower",
    (FALSE_POSITIVE,),
    _NEGATIVE,
    "predicted favourable, labelled otherwise / labelled otherwise",
    "label other than {favourable}",
    differences=True,
    ratios=True,
)
RATES: tuple[Rate, ...] = (
    SELECTION,
    _TRUE_POSITIVE_RATE,
    _FALSE_POSITIVE_RATE,
    Rate(
        "true_negative_rate",
        "True negative rate",
        "higher",
        _REST,
        _NEGATIVE,
        "predicted and labelled other than favourable / labelled other than favourable",
        "label other than {favourable}",
    ),
    Rate(
        "false_negative_rate",
        "False negative rate",
        "lower",
        (FALSE_NEGATIVE,),
        _POSITIVE,
        "labelled favourable, predicted otherwise / labelled favourable",
        "label {favourable}",
    ),
    Rate(
        "positive_predictive_value",
        "Positive predictive value",
        "higher",
        (TRUE_POSITIVE,),
        _SELECTED,
        "labelled favourable / predicted favourable (predictive parity, Chouldechova 2017)",
        "prediction {favourable}",
        differences=True,
    ),
    Rate(
        "negative_predictive_value",
        "Negative predictive value",
        "higher",
        _REST,
        _UNSELECTED,
        "labelled other than favourable / predicted other than favourable",
        "prediction other than {favourable}",
        differences=True,
    ),
    Rate(
        "accuracy",
        "Accuracy",
        "higher",
        (TRUE_POSITIVE, REST_HIT),
        _ALL,
        "rows whose predicted class is exactly the labelled class / rows",
        "known group",
        one_vs_rest=False,
        differences=True,
    ),
    Rate(
        "base_rate",
        "Base rate",
        "none",
        _POSITIVE,
        _ALL,
        "labelled favourable / rows",
        "known group",
    ),
)
EQUALIZED_ODDS = (_TRUE_POSITIVE_RATE, _FALSE_POSITIVE_RATE)


def numerators_and_denominators(
    outcomes: npt.NDArray[np.int64], rates: tuple[Rate, ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Counts above and below the line.

    Args:
        outcomes: counts, shape (..., 5).
        rates: R rates.

    Returns:
        Two arrays of shape (..., R).
    """
    above = np.stack([outcomes[..., rate.numerator].sum(axis=-1) for rate in rates], axis=-1)
    below = np.stack([outcomes[..., rate.denominator].sum(axis=-1) for rate in rates], axis=-1)
    return above, below


def quotients(above: npt.NDArray[np.int64], below: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """above / below; NaN, never 0, where there is nothing below the line."""
    shape = np.broadcast_shapes(above.shape, below.shape)
    rates = np.full(shape, np.nan)
    np.divide(above, below, out=rates, where=below > 0)
    return rates


def group_measure_specs() -> tuple[MeasureSpec, ...]:
    """Specs of every rate, and of its pairwise differences, pairwise ratios and range."""
    specs: list[MeasureSpec] = []
    for rate in RATES:
        lower = rate.title.lower()
        needs: tuple[Capability, ...] = () if rate is SELECTION else ("labels",)
        specs.append(
            MeasureSpec(
                id=rate.id,
                title=rate.title,
                unit="share",
                direction=rate.direction,
                judging="single",
                description=f"In one group: {rate.formula}; Wilson interval.",
                needs=needs,
            )
        )
        if rate.differences:
            specs.append(
                MeasureSpec(
                    id=f"{rate.id}_difference",
                    title=f"Difference in {lower}",
                    unit="difference",
                    direction="even",
                    judging="pairs",
                    description=f"{rate.title} of one group minus that of another, higher minus lower, "
                    "for every pair; simultaneous intervals over all pairs of the attribute.",
                    of=rate.id,
                    needs=needs,
                )
            )
            specs.append(
                MeasureSpec(
                    id=f"{rate.id}_range",
                    title=f"Range of {lower}",
                    unit="difference",
                    direction="even",
                    judging="shown",
                    description=f"Highest minus lowest {lower} over the groups; biased upwards with many "
                    "small groups, so shown and never judged.",
                    of=rate.id,
                    needs=needs,
                )
            )
        if rate.ratios:
            specs.append(
                MeasureSpec(
                    id=f"{rate.id}_ratio",
                    title=f"Ratio of {lower}s",
                    unit="ratio",
                    direction="even",
                    judging="pairs",
                    description=f"{rate.title} of one group over that of another, lower over higher, "
                    "for every pair; simultaneous intervals over all pairs of the attribute.",
                    of=rate.id,
                    needs=needs,
                )
            )
    return tuple(specs)
