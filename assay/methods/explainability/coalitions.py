"""Leverage-score samples of coalitions, and the fixed projection that turns their values into Shapley values.

A coalition S is paired with its complement. With T = v(all) - v(none), y in {-1, 1}^M the membership signs of
S, and D = v(S) - v(complement), the Shapley values minimise

    sum over pairs of w(|S|) (D - y . phi)^2   subject to   sum phi = T,

w(s) = 1 / (C(M, s) s (M - s)): the even part of a game drops out, so that any sample meets games of order 2
exactly. The leverage score of every coalition of one size is the same and sizes weigh the same, so pairs are
drawn without replacement, as many from each size (all of them where there are fewer), and each is weighted
by w over its chance of being drawn.

Source: Musco & Witter 2025 (leverage SHAP); Covert & Lee 2021 (pairing); Charnes et al. 1988 (least squares).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["CoalitionDesign", "Fit", "Level"]

Floats = npt.NDArray[np.float64]
Masks = npt.NDArray[np.bool_]

_FIRST = 8
"""Pairs of each size in the smallest sample."""
_GROWTH = 1.5
"""How much each sample is larger than the one before."""
_ENUMERATED = 20_000
"""A size with at most so many pairs is listed and shuffled; a larger one is drawn and checked for repeats."""


class Fit(NamedTuple):
    """Shapley values and their standard errors, (features,) each."""

    values: Floats
    errors: Floats


@dataclass(frozen=True)
class Level:
    """The first `pairs` pairs of a design: a sample without replacement of its own.

    Attributes:
        signs: y of each pair, (pairs, features).
        projection: (features, pairs), fixed for all rows and outputs: phi = T/M + projection (D - T mean(y)).
        leverage: how much each pair pulls its own fit, (pairs,).
        strata: first and last + 1 place, in `order`, of the pairs of each size, and the share drawn.
    """

    pairs: int
    signs: Floats
    projection: Floats
    leverage: Floats
    strata: tuple[tuple[npt.NDArray[np.int64], float], ...]

    @property
    def exhaustive(self) -> bool:
        """Whether every pair is in it, so that the values are exact."""
        return all(share == 1.0 for _, share in self.strata)

    def fit(self, differences: Floats, total: float) -> Fit:
        """Shapley values from D of each pair and T.

        Standard errors are those of a regression estimator under stratified sampling without replacement:
        residuals at the pairs, each as if the pair had been left out, spread within its size and shrunk by
        the share of the size that was drawn. A full enumeration has none.

        Source: Sarndal, Swensson & Wretman 1992, section 6.6; MacKinnon & White 1985 (leaving one out).
        """
        share = total / self.signs.shape[1]
        values = share + self.projection @ (differences - share * self.signs.sum(axis=1))
        residuals = (differences - self.signs @ values) / (1 - np.minimum(self.leverage, 0.9))
        pulls = self.projection * residuals
        variance = np.zeros(len(values))
        for places, drawn in self.strata:
            if drawn < 1:
                many = len(places)
                spread = pulls[:, places].var(axis=1, ddof=1) * many
                variance += (1 - drawn) * spread
        return Fit(values, np.sqrt(variance))


class CoalitionDesign:
    """Nested samples of coalition pairs of `features` players, each about half as large again as the last.

    Args:
        features: M, at least 2.
        most: coalitions (two a pair) in the largest sample; the smallest is made even if it has more.

    Attributes:
        masks: one member of each pair, (pairs, features); a level takes the first of them.
    """

    def __init__(self, features: int, most: int, rng: np.random.Generator) -> None:
        sizes = range(1, features // 2 + 1)
        capacity = [_pairs_of(features, size) for size in sizes]
        # a pair of the middle size holds two coalitions of that size, other pairs one of each of two sizes
        share = [0.5 if 2 * size == features else 1.0 for size in sizes]
        counts: list[list[int]] = []
        each = float(_FIRST)
        while True:
            now = [min(full, math.ceil(each * part)) for full, part in zip(capacity, share, strict=True)]
            if counts and (2 * sum(now) > most or now == counts[-1]):
                break
            counts.append(now)
            each *= _GROWTH
        drawn = [_draw(features, size, many, rng) for size, many in zip(sizes, counts[-1], strict=True)]
        parts, stratum = [], []
        before = [0] * len(capacity)
        for now in counts:
            for index, (start, stop) in enumerate(zip(before, now, strict=True)):
                parts.append(drawn[index][start:stop])
                stratum += [index] * (stop - start)
            before = now
        self.features = features
        self.masks: Masks = np.concatenate(parts)
        self._stratum = np.array(stratum)
        self._weight = np.array([1 / (math.comb(features, s) * s * (features - s)) for s in sizes])
        self._capacity = np.array(capacity, dtype=np.float64)
        self.levels = tuple(self._level(sum(now)) for now in counts)

    def _level(self, pairs: int) -> Level:
        stratum = self._stratum[:pairs]
        drawn = np.bincount(stratum, minlength=len(self._capacity)) / self._capacity
        weight = (self._weight / drawn)[stratum]
        signs = np.where(self.masks[:pairs], 1.0, -1.0)
        basis = _sum_free(self.features)
        reduced = signs @ basis
        inverse = np.linalg.pinv((reduced * weight[:, None]).T @ reduced)
        projection = basis @ inverse @ (reduced * weight[:, None]).T
        leverage = np.einsum("ki,ij,kj->k", reduced, inverse, reduced) * weight
        strata = tuple((np.flatnonzero(stratum == index), float(share)) for index, share in enumerate(drawn))
        return Level(pairs, signs, projection, leverage, strata)


def _sum_free(features: int) -> Floats:
    """Orthonormal basis of the vectors whose entries sum to 0, (features, features - 1)."""
    columns = np.eye(features) - 1 / features
    return np.asarray(np.linalg.qr(columns[:, :-1])[0])


def _pairs_of(features: int, size: int) -> int:
    """Pairs {S, complement} with |S| = size <= M/2."""
    return math.comb(features, size) // (2 if 2 * size == features else 1)


def _draw(features: int, size: int, many: int, rng: np.random.Generator) -> Masks:
    """`many` distinct pairs of one size in random order, as one mask each, (many, features)."""
    middle = 2 * size == features
    if _pairs_of(features, size) <= _ENUMERATED:
        if middle:
            chosen = [(0, *(i + 1 for i in rest)) for rest in combinations(range(features - 1), size - 1)]
        else:
            chosen = list(combinations(range(features), size))
        picked = np.array(chosen)[rng.permutation(len(chosen))[:many]]
        return _masks(picked, features)
    found: dict[bytes, Masks] = {}
    while len(found) < many:
        keys = rng.random((many, features))
        masks = _masks(np.argpartition(keys, size, axis=1)[:, :size], features)
        if middle:
            masks = np.where(masks[:, :1], masks, ~masks)
        for mask in masks:
            found.setdefault(mask.tobytes(), mask)
    return np.stack(list(found.values())[:many])


def _masks(members: npt.NDArray[np.int64], features: int) -> Masks:
    masks = np.zeros((len(members), features), dtype=bool)
    np.put_along_axis(masks, members, True, axis=1)
    return masks
