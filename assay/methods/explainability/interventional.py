"""Interventional Shapley values of rows, exactly where that is affordable, sampled elsewhere.

Against one background row b the game of a row x is v(S) = f(x on S, b elsewhere), and the values wanted are
the weighted mean over the background of the values of these games. Only the d features in which x and b
differ play; the others have value 0.

Exact: the Shapley formula over the 2^d inputs of each game.
Sampled: a leverage-score sample of coalitions of its own for each background row (`CoalitionDesigns`), the
same for every explained row, so that sampling errors average out over the background; samples grow until the
row's standard errors are small enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.methods.explainability.coalitions import CoalitionDesigns, Level

__all__ = ["Background", "Explained", "InterventionalShapley", "background_of"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Masks = npt.NDArray[np.bool_]
Score = Callable[[Floats], Floats]
"""f: rows (n, features) -> (n, outputs)."""

_EXACT_PLAYERS = 20
"""Above, no row is enumerated whatever the budget: the Shapley formula itself has d 2^d terms."""
_CHUNK_ROWS = 32_768
"""Inputs that are made and handed to the model at once."""
_TOGETHER = 16
"""Rows that are sampled side by side, so that small arrays are not handled one by one."""


class Background(NamedTuple):
    """Distinct background rows, (B, features), their weights (sum 1), and f of each, (B, outputs)."""

    rows: Floats
    weights: Floats
    outputs: Floats

    @property
    def expected(self) -> Floats:
        """E f, (outputs,)."""
        return np.asarray(self.weights @ self.outputs)

    @property
    def spread(self) -> Floats:
        """Standard deviation of f over the background, (outputs,)."""
        return np.sqrt(self.weights @ (self.outputs - self.expected) ** 2)


class Explained(NamedTuple):
    """Shapley values of some rows.

    Attributes:
        values, errors: (rows, features); errors are 0 for exact values.
        relative: ||errors|| / max(||values||, 5 % of the spread of f over the background), (rows,).
        exact: whether nothing was sampled, (rows,).
        evaluations: answers of the model that it took, (rows,).
    """

    values: Floats
    errors: Floats
    relative: Floats
    exact: npt.NDArray[np.bool_]
    evaluations: Integers


class _Games(NamedTuple):
    """Games of equally many players.

    Attributes:
        rows: explained row of each, (games,).
        places: background row of each, (games,).
        players: the features in which the two differ, (games, d).
    """

    rows: Integers
    places: Integers
    players: Integers

    def of(self, kept: npt.NDArray[np.bool_]) -> _Games:
        """Those of the explained rows that are kept."""
        chosen = kept[self.rows]
        return _Games(self.rows[chosen], self.places[chosen], self.players[chosen])


def background_of(rows: Floats, score: Score) -> Background:
    """Merge identical rows and ask the model once about each."""
    distinct, counts = np.unique(rows, axis=0, return_counts=True, equal_nan=True)
    return Background(distinct, counts / counts.sum(), score(distinct))


@dataclass(frozen=True)
class InterventionalShapley:
    """The ladder.

    Args:
        draw: random numbers for the samples of games of d players; the same for the same d.
        exact_evaluations: a row is enumerated where that takes at most so many model calls.
        most_evaluations: a sample is not made larger if the row would then take more.
        relative_error: where sampling stops.
        tick: called after each batch of answers.
    """

    score: Score
    background: Background
    draw: Callable[[int], np.random.Generator]
    exact_evaluations: int
    most_evaluations: int
    relative_error: float
    tick: Callable[[], None] = lambda: None
    _designs: dict[int, CoalitionDesigns] = field(default_factory=dict)

    def explain(self, rows: Floats, outputs: Floats, chosen: Integers) -> Explained:
        """Shapley values at each of `rows`.

        Args:
            rows: (n, features).
            outputs: f(rows), asked before, (n, outputs).
            chosen: which output of each row is explained, (n,).
        """
        asked = _Asked(self, rows, outputs[np.arange(len(rows)), chosen], chosen)
        differing = np.stack([(~_same(self.background.rows, row)).sum(axis=1) for row in rows])
        most = differing.max(axis=1)
        affordable = (most <= _EXACT_PLAYERS) & (np.exp2(differing).sum(axis=1) <= self.exact_evaluations)
        exact = affordable | (most <= 2)
        found = _nothing(rows.shape)
        for row in np.flatnonzero(exact):
            _put(found, np.array([row]), asked.exactly(np.array([row])))
        sampled = np.flatnonzero(~exact)
        for first in range(0, len(sampled), _TOGETHER):
            some = sampled[first : first + _TOGETHER]
            _put(found, some, asked.sampled(some))
        return found

    def level(self, players: int, number: int) -> Level:
        """That sample of the games of so many players, or their largest."""
        if players not in self._designs:
            designs = len(self.background.rows)
            most = self.most_evaluations // designs
            self._designs[players] = CoalitionDesigns(players, designs, most, self.draw(players))
        levels = self._designs[players].levels
        return levels[min(number, len(levels) - 1)]


@dataclass(frozen=True)
class _Asked:
    """Rows with what the model says of them; `whole` is f of each at its chosen output."""

    ladder: InterventionalShapley
    rows: Floats
    whole: Floats
    chosen: Integers

    def exactly(self, some: Integers) -> Explained:
        """Of these rows, by enumeration."""
        background, found = self.ladder.background, _nothing((len(some), self.rows.shape[1]))
        games = self._games(some)
        inner = [_formula(g.players.shape[1])[0][None, 1:-1] for g in games]
        for g, answers in zip(games, self._answers(some, games, inner), strict=True):
            none = background.outputs[g.places, self.chosen[some[g.rows]]]
            every = np.column_stack([none, answers, self.whole[some[g.rows]]])
            single = every @ _formula(g.players.shape[1])[1].T
            weights = background.weights[g.places, None]
            np.add.at(found.values, (g.rows[:, None], g.players), weights * single)
            np.add.at(found.evaluations, g.rows, answers.shape[1])
        return found

    def sampled(self, some: Integers) -> Explained:
        """Of these rows, each from samples that grow until its standard errors are small enough."""
        ladder, found = self.ladder, _nothing((len(some), self.rows.shape[1]))
        games = self._games(some)
        differences = [np.zeros((len(g.places), 0)) for g in games]
        growing = np.ones(len(some), dtype=bool)
        for number in count():
            levels = [ladder.level(g.players.shape[1], number) for g in games]
            more = np.zeros(len(some), dtype=np.int64)
            for g, level, d in zip(games, levels, differences, strict=True):
                np.add.at(more, g.rows, 2 * (level.pairs - d.shape[1]))
            if number:
                growing &= (more > 0) & (found.evaluations + more <= ladder.most_evaluations)
            if not growing.any():
                break
            differences = [d[growing[g.rows]] for g, d in zip(games, differences, strict=True)]
            games = [g.of(growing) for g in games]
            new = [
                level.masks[g.places, d.shape[1] :]
                for g, level, d in zip(games, levels, differences, strict=True)
            ]
            answers = self._answers(some, games, [np.concatenate([m, ~m], axis=1) for m in new])
            differences = [np.hstack([d, _halves(a)]) for d, a in zip(differences, answers, strict=True)]
            found.evaluations[growing] += more[growing]
            self._fit(some, growing, games, levels, differences, found)
            growing &= found.relative > ladder.relative_error
        return found

    def _fit(
        self,
        some: Integers,
        growing: npt.NDArray[np.bool_],
        games: list[_Games],
        levels: list[Level],
        differences: list[Floats],
        found: Explained,
    ) -> None:
        """Each growing row's weighted mean over its games, whose sampling errors are independent."""
        background = self.ladder.background
        found.values[growing] = 0
        variances = np.zeros_like(found.values)
        found.exact[growing] = True
        for g, level, d in zip(games, levels, differences, strict=True):
            weights = background.weights[g.places, None]
            totals = self.whole[some[g.rows]] - background.outputs[g.places, self.chosen[some[g.rows]]]
            fit = level.fit(g.places, d, totals)
            places = (g.rows[:, None], g.players)
            np.add.at(found.values, places, weights * fit.values)
            np.add.at(variances, places, weights**2 * fit.variances)
            if not level.exhaustive:
                found.exact[g.rows] = False
        found.errors[growing] = np.sqrt(variances[growing])
        size = np.maximum(
            np.linalg.norm(found.values, axis=1),
            np.maximum(0.05 * background.spread[self.chosen[some]], 1e-12),
        )
        found.relative[growing] = (np.linalg.norm(found.errors, axis=1) / size)[growing]

    def _games(self, some: Integers) -> list[_Games]:
        """All games of these rows in which anybody plays, by their number of players."""
        differs = np.stack([~_same(self.ladder.background.rows, row) for row in self.rows[some]])
        counts = differs.sum(axis=2)
        games = []
        for d in np.unique(counts[counts > 0]).tolist():
            rows, places = np.nonzero(counts == d)
            players = np.argsort(~differs[rows, places], axis=1, kind="stable")[:, :d]
            games.append(_Games(rows, places, players))
        return games

    def _answers(self, some: Integers, games: list[_Games], masks: list[Masks]) -> list[Floats]:
        """f of each coalition of each game, [(games, coalitions)]; masks (games or 1, coalitions, d)."""
        ladder, features = self.ladder, self.rows.shape[1]
        found = []
        for g, inner in zip(games, masks, strict=True):
            answers = np.zeros((len(g.places), inner.shape[1]))
            found.append(answers)
            if not answers.size:
                continue
            step = max(1, _CHUNK_ROWS // inner.shape[1])
            for first in range(0, len(g.places), step):
                piece = slice(first, first + step)
                row, place, players = g.rows[piece], g.places[piece], g.players[piece]
                shape = (len(row), inner.shape[1], players.shape[1])
                taken = np.zeros((*shape[:2], features), dtype=bool)
                coalition = np.broadcast_to(inner if len(inner) == 1 else inner[piece], shape)
                np.put_along_axis(taken, np.broadcast_to(players[:, None], shape), coalition, axis=2)
                explained, absent = self.rows[some[row]], ladder.background.rows[place]
                inputs = np.where(taken, explained[:, None], absent[:, None]).reshape(-1, features)
                which = np.repeat(self.chosen[some[row]], inner.shape[1])
                scores = ladder.score(inputs)
                answers[piece] = scores[np.arange(len(scores)), which].reshape(shape[:2])
                ladder.tick()
        return found


def _nothing(shape: tuple[int, ...]) -> Explained:
    """Exact values of 0, to be filled."""
    return Explained(
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape[0]),
        np.ones(shape[0], dtype=bool),
        np.zeros(shape[0], dtype=np.int64),
    )


def _put(found: Explained, rows: Integers, part: Explained) -> None:
    for whole, piece in zip(found, part, strict=True):
        whole[rows] = piece


def _halves(answers: Floats) -> Floats:
    """v of the first half of the coalitions less v of the other, their complements."""
    half = answers.shape[1] // 2
    return np.asarray(answers[:, :half] - answers[:, half:])


def _same(rows: Floats, row: Floats) -> npt.NDArray[np.bool_]:
    """Where each of `rows` agrees with `row`; two missing values agree."""
    return np.asarray((rows == row) | (np.isnan(rows) & np.isnan(row)))


@lru_cache(maxsize=32)
def _formula(players: int) -> tuple[Masks, Floats]:
    """All subsets (2^d, d), none first and all last, and the Shapley formula over them (d, 2^d).

    phi_i = sum over S without i of |S|! (d - |S| - 1)! / d! (v(S + i) - v(S)).

    Source: Shapley 1953.
    """
    subsets = (np.arange(2**players)[:, None] >> np.arange(players)) & 1 == 1
    size = subsets.sum(axis=1)
    weight = np.array([1 / (players * math.comb(players - 1, s)) for s in range(players)])
    joined = weight[np.maximum(size - 1, 0)]
    absent = weight[np.minimum(size, players - 1)]
    return subsets, np.where(subsets, joined[:, None], -absent[:, None]).T
