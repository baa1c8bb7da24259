"""Leverage-score samples of coalitions, and the fixed projections that turn their values into Shapley values.

A coalition S is paired with its complement. With T = v(all) - v(none), y in {-1, 1}^M the membership signs of
S, and D = v(S) - v(complement), the Shapley values minimise

    sum over pairs of w(|S|) (D - y . phi)^2   subject to   sum phi = T,

w(s) = 1 / (C(M, s) s (M - s)): the even part of a game drops out, so that any sample meets games of order 2
exactly. The leverage score of every coalition of one size is the same and sizes weigh the same, so pairs are
drawn without replacement, as many from each size (all of them where there are fewer), and each is weighted
by w over its chance of being drawn.

Many samples are drawn at once, one for each of many games of as many players: where the values of several
games are averaged (one game a background row), errors of samples of their own cancel, errors of a common
sample do not.

Least squares from few pairs is slightly biased, which an average over many games would keep; so a jackknife's
correction is added (`Level.correction`).

Source: Musco & Witter 2025 (leverage SHAP); Covert & Lee 2021 (pairing); Charnes et al. 1988 (least squares).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["CoalitionDesigns", "Fit", "Level"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Masks = npt.NDArray[np.bool_]

_FIRST = 4
"""Pairs of each size in the smallest sample: about twice as many pairs as values to find."""
_GROWTH = 1.5
"""How much each sample is larger than the one before."""
_LISTED = 4_096
"""A size with at most so many pairs is listed and shuffled; a larger one is drawn and freed of repeats."""
_MOST_CONDITION = 100.0
"""Smallest samples whose normal equations are worse are drawn anew (about one in 300): in them two players
hardly ever part, so that nothing could tell their values apart."""
_TRIES = 50
_MOST_LEVERAGE = 0.95
"""A pair that pulls its own fit further than this has no residual worth the name."""


class Fit(NamedTuple):
    """Shapley values and the variances of their sampling errors, (games, players) each."""

    values: Floats
    variances: Floats


@dataclass(frozen=True)
class Level:
    """The first pairs of each design: samples without replacement of their own.

    Attributes:
        masks: one member of each pair, (designs, pairs, players).
        weights: w over the chance of being drawn, (pairs,), the same for every design.
        stratum: which size each pair is of, 0 for a single player, (pairs,).
        drawn: share of the pairs of each size that is in it, (sizes,).
    """

    masks: Masks
    weights: Floats
    stratum: Integers
    drawn: Floats

    @property
    def pairs(self) -> int:
        return int(self.masks.shape[1])

    @property
    def exhaustive(self) -> bool:
        """Whether every pair is in it, so that the values are exact."""
        return bool((self.drawn == 1).all())

    @cached_property
    def signs(self) -> Floats:
        """y, (designs, pairs, players)."""
        return np.where(self.masks, 1.0, -1.0)

    @property
    def condition(self) -> Floats:
        """Of the normal equations of each design, (designs,)."""
        reduced = self.signs @ _sum_free(self.masks.shape[2])
        ends = np.linalg.eigvalsh(np.swapaxes(reduced * self.weights[:, None], 1, 2) @ reduced)
        if not ends.shape[1]:
            return np.ones(len(ends))
        return np.asarray(ends[:, -1] / np.maximum(ends[:, 0], 1e-12 * ends[:, -1]))

    @cached_property
    def projections(self) -> Floats:
        """phi = T/M + projection (D - T mean(y)), (designs, players, pairs): fixed, whatever the game."""
        basis = _sum_free(self.masks.shape[2])
        reduced = self.signs @ basis
        weighted = np.swapaxes(reduced * self.weights[:, None], 1, 2)
        return np.asarray(basis @ (np.linalg.inv(weighted @ reduced) @ weighted))

    @cached_property
    def leverage(self) -> Floats:
        """How far each pair pulls its own fit, (designs, pairs)."""
        return np.asarray(np.einsum("dkp,dpk->dk", self.signs, self.projections))

    @cached_property
    def correction(self) -> Floats:
        """What the residuals add to phi against the bias of least squares, (designs, players, pairs).

        Errors of several samples average out, their bias would not. This is the second-order term of a
        jackknife that leaves out one pair of its size at a time, its first-order terms being 0:
        C = (1 - share drawn) (m / (m - 1) h_z P_z - P_s y_s P_z / (m - 1)), P the projections, h the
        leverage, s the size of pair z and m its pairs.

        Source: Quenouille 1956; Wolter 2007, section 4.5 (stratified, without replacement).
        """
        many = np.bincount(self.stratum, minlength=len(self.drawn))
        left = (1 - self.drawn) / np.maximum(many - 1, 1)
        found = self.projections * (self.leverage * (left * many)[self.stratum])[:, None]
        for size in np.flatnonzero(left > 0):
            of = self.stratum == size
            pulls = self.projections[:, :, of]
            found[:, :, of] -= left[size] * (pulls @ (self.signs[:, of] @ pulls))
        return found

    def fit(self, designs: Integers, differences: Floats, totals: Floats) -> Fit:
        """Shapley values of some games, each by the design of that number: fixed linear maps of D and T.

        Variances are those of a regression estimator under stratified sampling without replacement:
        residuals at the pairs, each as if the pair had been left out, spread within their size and shrunk
        by the share of the size that was drawn. A full enumeration has none.

        Args:
            designs: (games,).
            differences: D, (games, pairs).
            totals: T, (games,).

        Source: Sarndal, Swensson & Wretman 1992, section 6.6; MacKinnon & White 1985 (leaving one out).
        """
        share = np.repeat(totals[:, None] / self.masks.shape[2], self.masks.shape[2], axis=1)
        if not self.pairs:
            return Fit(share, np.zeros_like(share))
        signs, projections = self.signs[designs], self.projections[designs]
        values = share + _times(projections, differences - _times(signs, share))
        if self.exhaustive:
            return Fit(values, np.zeros_like(values))
        residuals = differences - _times(signs, values)
        values = values + _times(self.correction[designs], residuals)
        kept = 1 - np.minimum(self.leverage[designs], _MOST_LEVERAGE)
        pulls = projections * (residuals / kept)[:, None]
        of_size, scale = self._spread_by_size
        variances = pulls**2 @ (of_size @ scale) - (pulls @ of_size) ** 2 @ (scale / of_size.sum(axis=0))
        return Fit(values, np.maximum(variances, 0.0))

    @cached_property
    def _spread_by_size(self) -> tuple[Floats, Floats]:
        """Pairs by size, (pairs, sizes), and (1 - share drawn) m / (m - 1) of a size of m pairs, (sizes,)."""
        of_size = np.zeros((self.pairs, len(self.drawn)))
        of_size[np.arange(self.pairs), self.stratum] = 1
        many = of_size.sum(axis=0)
        return of_size, (1 - self.drawn) * many / np.maximum(many - 1, 1)


class CoalitionDesigns:
    """Nested samples of coalition pairs of `players` players, each about half as large again as the last.

    Args:
        players: M; a single one takes all, without a sample.
        designs: how many samples, drawn independently.
        most: coalitions (two a pair) in the largest sample; the smallest is made even if it has more.
    """

    def __init__(self, players: int, designs: int, most: int, rng: np.random.Generator) -> None:
        sizes = range(1, players // 2 + 1)
        capacity = [_pairs_of(players, size) for size in sizes]
        # a pair of the middle size holds two coalitions of that size, other pairs one of each of two sizes
        share = [0.5 if 2 * size == players else 1.0 for size in sizes]
        counts: list[list[int]] = []
        each = float(_FIRST)
        while True:
            now = [min(full, math.ceil(each * part)) for full, part in zip(capacity, share, strict=True)]
            if counts and (2 * sum(now) > most or now == counts[-1]):
                break
            counts.append(now)
            each *= _GROWTH
        weight = np.array([1 / (math.comb(players, s) * s * (players - s)) for s in sizes])
        stratum: list[int] = []
        before = [0] * len(capacity)
        for now in counts:
            for index, (start, stop) in enumerate(zip(before, now, strict=True)):
                stratum += [index] * (stop - start)
            before = now
        of = np.array(stratum, dtype=np.int64)
        masks = _drawn(players, counts, designs, rng)
        first = slice(0, sum(counts[0]))
        for _ in range(_TRIES):
            level = _level(masks, of, weight, np.array(capacity, float), first.stop)
            poor = np.flatnonzero(level.condition > _MOST_CONDITION)
            if not poor.size:
                break
            masks[poor] = _drawn(players, counts, poor.size, rng)
        self.levels = tuple(_level(masks, of, weight, np.array(capacity, float), sum(now)) for now in counts)


def _drawn(players: int, counts: list[list[int]], designs: int, rng: np.random.Generator) -> Masks:
    """Pairs in the order in which the levels take them, (designs, pairs, players)."""
    by_size = [_draw(players, size, many, designs, rng) for size, many in enumerate(counts[-1], 1)]
    parts = [np.zeros((designs, 0, players), dtype=bool)]
    before = [0] * len(by_size)
    for now in counts:
        parts += [masks[:, start:stop] for masks, start, stop in zip(by_size, before, now, strict=True)]
        before = now
    return np.concatenate(parts, axis=1)


def _level(masks: Masks, stratum: Integers, weight: Floats, capacity: Floats, pairs: int) -> Level:
    of = stratum[:pairs]
    drawn = np.bincount(of, minlength=len(capacity)) / capacity
    return Level(masks[:, :pairs], (weight / drawn)[of], of, drawn)


def _times(matrices: Floats, vectors: Floats) -> Floats:
    """(n, a, b) times (n, b) -> (n, a)."""
    return np.asarray(np.matmul(matrices, vectors[:, :, None])[:, :, 0])


def _sum_free(players: int) -> Floats:
    """Orthonormal basis of the vectors whose entries sum to 0, (players, players - 1)."""
    columns = np.eye(players) - 1 / players
    return np.asarray(np.linalg.qr(columns[:, :-1])[0])


def _pairs_of(players: int, size: int) -> int:
    """Pairs {S, complement} with |S| = size <= M/2."""
    return math.comb(players, size) // (2 if 2 * size == players else 1)


def _draw(players: int, size: int, many: int, designs: int, rng: np.random.Generator) -> Masks:
    """For each design `many` distinct pairs of one size in random order, (designs, many, players)."""
    middle = 2 * size == players
    there = _pairs_of(players, size)
    if there <= _LISTED:
        if middle:
            listed = [(0, *(i + 1 for i in rest)) for rest in combinations(range(players - 1), size - 1)]
        else:
            listed = list(combinations(range(players), size))
        order = np.argsort(rng.random((designs, there)), axis=1)[:, :many]
        return _masks(np.array(listed), players)[order]
    found = np.empty((designs, many, players), dtype=bool)
    for design in range(designs):
        kept = np.zeros((0, players), dtype=bool)
        while len(kept) < many:
            keys = rng.random((many + many // 8 + 8, players))
            masks = _masks(np.argpartition(keys, size, axis=1)[:, :size], players)
            if middle:
                masks = np.where(masks[:, :1], masks, ~masks)
            kept = np.concatenate([kept, masks])
            _, first = np.unique(np.packbits(kept, axis=1), axis=0, return_index=True)
            kept = kept[np.sort(first)]
        found[design] = kept[:many]
    return found


def _masks(members: Integers, players: int) -> Masks:
    masks = np.zeros((len(members), players), dtype=bool)
    np.put_along_axis(masks, members, True, axis=1)
    return masks
