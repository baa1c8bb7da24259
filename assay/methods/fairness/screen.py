"""The four-fifths screen, and what unknown demographics could make of it. Pure arithmetic on counts.

Sources: Uniform Guidelines on Employee Selection Procedures, 29 CFR 1607.4(D) and the Questions and
Answers of 1979, no. 18-22; New York City, 6 RCNY 5-300 to 5-302 (Local Law 144 of 2021).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from assay.stats.multiplicity import holm
from assay.stats.significance import fisher_exact, two_proportion_z

__all__ = ["Comparison", "ratio_bounds", "reference_group", "shortfall", "significance_of"]

_SMALLEST_EXPECTATION = 5
"""Below this expected count in any of the four cells Fisher's exact test replaces z (Cochran 1954)."""


@dataclass(frozen=True)
class Comparison:
    """One group against the reference: raw and Holm-adjusted p of equal selection rates."""

    group: int
    test: Literal["z", "fisher"]
    p: float
    adjusted: float


def reference_group(
    selected: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], eligible: npt.NDArray[np.bool_]
) -> int | None:
    """Index of the eligible group with the highest selection rate, the first of equals; None without one."""
    candidates = np.flatnonzero(eligible & (rows > 0))
    if not len(candidates):
        return None
    return int(candidates[np.argmax(selected[candidates] / rows[candidates])])


def shortfall(selected: int, rows: int, best_selected: int, best_rows: int) -> int:
    """How many more of a group's rows would have to be selected to reach four fifths of the best rate.

    The smallest whole s >= 0 with (selected + s) / rows >= 0.8 * best_selected / best_rows, that is
    s = max(0, ceil(4 * best_selected * rows / (5 * best_rows)) - selected), in integers, so that no
    rounding of a quotient moves the last person. The group's rows and the best rate stay as they are.
    """
    needed = -(-4 * best_selected * rows // (5 * best_rows))
    return max(0, needed - selected)


def significance_of(
    selected: npt.NDArray[np.int64], rows: npt.NDArray[np.int64], reference: int, groups: Sequence[int]
) -> list[Comparison]:
    """Test every group's selection rate against the reference's; Holm over the groups (Holm 1979).

    The pooled two-proportion z test, two-sided; Fisher's exact test where one of the four expected
    counts is below 5.
    """
    tests: list[Literal["z", "fisher"]] = []
    raw: list[float] = []
    x2, n2 = int(selected[reference]), int(rows[reference])
    for group in groups:
        x1, n1 = int(selected[group]), int(rows[group])
        if _smallest_expected(x1, n1, x2, n2) < _SMALLEST_EXPECTATION:
            tests.append("fisher")
            raw.append(float(fisher_exact(x1, n1, x2, n2)))
        else:
            tests.append("z")
            raw.append(float(two_proportion_z(x1, n1, x2, n2)))
    adjusted = holm(raw)
    return [
        Comparison(group, test, p, float(q))
        for group, test, p, q in zip(groups, tests, raw, adjusted, strict=True)
    ]


def _smallest_expected(x1: int, n1: int, x2: int, n2: int) -> float:
    chosen = x1 + x2
    return min(n1, n2) * min(chosen, n1 + n2 - chosen) / (n1 + n2)


def ratio_bounds(
    selected: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    unknown_selected: int,
    unknown_unselected: int,
) -> tuple[float | None, float | None]:
    """Worst and best lowest-to-highest ratio of selection rates, whatever the unknown rows' groups are.

    Let group g have x_g of n_g rows selected, and let u of the unknown rows be selected and v not. Every
    way of giving each unknown row to one of the groups yields a ratio min_g r_g / max_g r_g.

    Worst: the least over all ways. For groups l != h, r_l / r_h is least when every unselected unknown
    row joins l and every selected one joins h, so
    worst = min over l != h of [x_l / (n_l + v)] / [(x_h + u) / (n_h + u)]; a whole way attains it.

    Best: a bound that no way exceeds. The lowest rates are raised together by selected unknown rows, the
    highest lowered together by unselected ones (rows taken as divisible). With the groups sorted by rate
    and R = (sum x + u) / (sum n + u + v):
    low = min(R, min over k of (X_k + u) / (N_k + u)), X_k and N_k sums over the k lowest groups;
    high = max(R, max over k of X_k / (N_k + v)), sums over the k highest; best = low / high.
    Whole rows fall short of it by rounding only.

    Args:
        selected, rows: shape (G,), G >= 2, rows > 0.

    Returns:
        (worst, best); None where nobody is selected and no ratio exists.
    """
    x, n = selected.astype(np.float64), rows.astype(np.float64)
    u, v = float(unknown_selected), float(unknown_unselected)
    if x.sum() + u == 0:
        return None, None
    lowered = x / (n + v)
    raised = (x + u) / (n + u)
    quotient = np.divide(
        lowered[:, None], raised[None, :], out=np.full((len(x), len(x)), np.inf), where=raised[None, :] > 0
    )
    np.fill_diagonal(quotient, np.inf)
    worst = float(quotient.min())

    order = np.argsort(x / n, kind="stable")
    overall = (x.sum() + u) / (n.sum() + u + v)
    low = min(overall, float(((np.cumsum(x[order]) + u) / (np.cumsum(n[order]) + u)).min()))
    down = order[::-1]
    high = max(overall, float((np.cumsum(x[down]) / (np.cumsum(n[down]) + v)).max()))
    return worst, low / high
