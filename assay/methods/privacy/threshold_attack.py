"""How well one number a row tells members from non-members: what every membership attack comes down to.

All functions take `members` and `others`: the attack's score of each row, shapes (members,) and (others,),
where a higher score speaks for membership. An attack by loss passes the negative loss.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.stats.intervals import clopper_pearson_interval, newcombe_difference
from assay.stats.ranking import AreaInterval, area_interval, area_under_curve, delong_variance

__all__ = [
    "Advantage",
    "OperatingPoint",
    "RocPoints",
    "attack_area",
    "held_out_advantage",
    "log_scale_roc",
    "non_members_needed",
    "true_positives_at",
]

Floats = npt.NDArray[np.float64]


class Advantage(NamedTuple):
    """TPR - FPR of a threshold that was chosen on other rows, and the rows it was measured on."""

    value: float
    low: float
    high: float
    n: int


class OperatingPoint(NamedTuple):
    """Members caught while at most `allowed` non-members are flagged."""

    caught: int
    members: int
    low: float
    high: float
    flagged: int
    allowed: int


class RocPoints(NamedTuple):
    """TPR with its interval at false positive rates k / n; shapes (points,), ascending."""

    false_positive_rate: Floats
    true_positive_rate: Floats
    low: Floats
    high: Floats


def attack_area(members: Floats, others: Floats, level: float) -> tuple[float, AreaInterval]:
    """P(a member scores above a non-member) + P(equal) / 2; 0.5 = the attacker guesses.

    Source: DeLong, DeLong & Clarke-Pearson 1988.
    """
    _, cell = np.unique(np.concatenate([others, members]), return_inverse=True)
    cells = int(cell.max()) + 1
    negatives = np.bincount(cell[: others.size], minlength=cells)
    positives = np.bincount(cell[others.size :], minlength=cells)
    value = area_under_curve(negatives, positives)
    variance = delong_variance(negatives, positives)
    return value, area_interval(value, variance, min(members.size, others.size), level)


def held_out_advantage(members: Floats, others: Floats, rng: np.random.Generator, level: float) -> Advantage:
    """max over thresholds of TPR - FPR, without the optimism of choosing and measuring on the same rows.

    The threshold is chosen on a random half of the members and of the non-members and measured on the other
    halves. Chosen and measured on the same rows, the maximum is positive by chance alone: with 200 rows a
    side and no leak at all it averages 0.06, the mean sqrt(pi / (8 m)) of the one-sided Kolmogorov-Smirnov
    statistic with m = 100.

    Source: Yeom, Giacomelli, Fredrikson & Jha 2018, definition 4; interval: Newcombe 1998, method 10.
    """
    first, held = _halves(members, rng), _halves(others, rng)
    threshold = _best_threshold(first[0], held[0])
    caught = int((first[1] >= threshold).sum())
    flagged = int((held[1] >= threshold).sum())
    sizes = first[1].size, held[1].size
    interval = newcombe_difference(float(caught), float(sizes[0]), float(flagged), float(sizes[1]), level)
    value = caught / sizes[0] - flagged / sizes[1]
    return Advantage(value, interval.low, interval.high, sum(sizes))


def non_members_needed(rate: float) -> int:
    """Rows for which a false positive rate of `rate` is at least one row: 1,000 for 0.1 %."""
    return math.ceil(1 / rate - 1e-9)


def true_positives_at(members: Floats, others: Floats, rate: float, level: float) -> OperatingPoint:
    """TPR at the lowest threshold that flags at most rate * others non-members; Clopper-Pearson interval.

    The threshold comes from the non-members, the rate from the members, so the two are independent.
    Tied scores are flagged together or not at all.

    Source: Carlini, Chien, Nasr, Song, Terzis & Tramèr 2022, section IV.
    """
    allowed = int(rate * others.size + 1e-9)
    threshold = np.sort(others)[::-1][allowed] if allowed < others.size else -np.inf
    caught, flagged = int((members > threshold).sum()), int((others > threshold).sum())
    low, high = clopper_pearson_interval(float(caught), float(members.size), level)
    return OperatingPoint(caught, members.size, low, high, flagged, allowed)


def log_scale_roc(members: Floats, others: Floats, level: float, points: int = 120) -> RocPoints:
    """The ROC curve at false positive rates spread evenly on a log scale, from 1 / others to 1."""
    allowed = np.unique(np.geomspace(1, others.size, points).round().astype(np.int64))
    descending = np.sort(others)[::-1]
    threshold = np.append(descending, -np.inf)[allowed]
    caught = (members.size - np.searchsorted(np.sort(members), threshold, side="right")).astype(np.float64)
    low, high = clopper_pearson_interval(caught, np.full(caught.size, float(members.size)), level)
    return RocPoints(allowed / others.size, caught / members.size, low, high)


def _halves(scores: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    shuffled = scores[rng.permutation(scores.size)]
    return shuffled[: scores.size // 2], shuffled[scores.size // 2 :]


def _best_threshold(members: Floats, others: Floats) -> float:
    """The score t for which P(member >= t) - P(other >= t) is largest; the highest of several."""
    candidates = np.unique(np.concatenate([members, others]))
    hits = members.size - np.searchsorted(np.sort(members), candidates, side="left")
    alarms = others.size - np.searchsorted(np.sort(others), candidates, side="left")
    gain = hits / members.size - alarms / others.size
    return float(candidates[gain.size - 1 - int(np.argmax(gain[::-1]))])
