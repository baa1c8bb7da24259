"""Interventional Shapley values of one row at a time, exactly where that is affordable, sampled elsewhere.

The game of a row x: v(S) = weighted mean over background rows b of f(x on S, b elsewhere). A feature in
which x and b agree changes nothing, so against one b only 2^d inputs differ, d = features in which they
disagree.

Exact: the values against each b by the Shapley formula over its 2^d inputs, then their mean.
Sampled: the nested samples of `CoalitionDesign`, until the standard errors are small enough.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.methods.explainability.coalitions import CoalitionDesign

__all__ = ["Background", "Explained", "InterventionalShapley", "background_of"]

Floats = npt.NDArray[np.float64]
Score = Callable[[Floats], Floats]
"""f: rows (n, features) -> (n, outputs)."""

_EXACT_FEATURES = 20
"""Above, no row is enumerated whatever the budget: the Shapley formula itself has M 2^M terms."""
_KEY_BITS = 62
_CHUNK_NUMBERS = 16_000_000
"""Numbers in the inputs handed to the model at once: 128 MB."""


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
    """One row's Shapley values.

    Attributes:
        values, errors: (features,); errors are 0 for exact values.
        relative_error: ||errors|| / max(||values||, 5 % of the spread of f over the background).
        exact: whether nothing was sampled.
        evaluations: model calls (rows answered) that it took.
        coalitions: distinct coalitions looked at, without none and all; 0 where exact against each b.
    """

    values: Floats
    errors: Floats
    relative_error: float
    exact: bool
    evaluations: int
    coalitions: int


def background_of(rows: Floats, score: Score) -> Background:
    """Merge identical rows and ask the model once about each."""
    distinct, counts = np.unique(rows, axis=0, return_counts=True, equal_nan=True)
    return Background(distinct, counts / counts.sum(), score(distinct))


@dataclass(frozen=True)
class InterventionalShapley:
    """The ladder.

    Args:
        design: samples of coalitions, shared by all rows; None = always exact (or a single feature).
        exact_evaluations: a row is enumerated where that takes at most so many model calls.
        relative_error: where sampling stops.
    """

    score: Score
    background: Background
    design: CoalitionDesign | None
    exact_evaluations: int
    relative_error: float

    def explain(self, row: Floats, outputs: Floats, output: int) -> Explained:
        """Shapley values of f's `output` at `row`; `outputs` is f(row), asked before."""
        differs = ~_same(self.background.rows, row)
        counts = differs.sum(axis=1)
        needed = float(np.exp2(counts).sum())
        affordable = needed <= self.exact_evaluations and len(row) <= _EXACT_FEATURES
        if self.design is None or affordable:
            return self._exact(row, float(outputs[output]), output, differs)
        return self._sampled(row, float(outputs[output]), output, differs)

    def _exact(self, row: Floats, whole: float, output: int, differs: npt.NDArray[np.bool_]) -> Explained:
        background, features = self.background, len(row)
        counts = differs.sum(axis=1)
        games: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], int]] = []
        inputs: list[Floats] = []
        for d in np.unique(counts[counts > 0]).tolist():
            places = np.flatnonzero(counts == d)
            players = np.argsort(~differs[places], axis=1, kind="stable")[:, :d]
            subsets, _ = _formula(d)
            inner = subsets[1:-1]
            taken = np.zeros((len(places), len(inner), features), dtype=bool)
            np.put_along_axis(taken, np.broadcast_to(players[:, None], (len(places), *inner.shape)), inner, 2)
            inputs.append(np.where(taken, row, background.rows[places][:, None]).reshape(-1, features))
            games.append((places, players, len(inner)))
        found = self._ask(np.concatenate(inputs), output) if inputs else np.zeros(0)
        values, first = np.zeros(features), 0
        for places, players, asked in games:
            several = np.empty((len(places), asked + 2))
            several[:, 0], several[:, -1] = background.outputs[places, output], whole
            several[:, 1:-1] = found[first : first + len(places) * asked].reshape(len(places), asked)
            first += len(places) * asked
            single = several @ _formula(players.shape[1])[1].T
            np.add.at(values, players.ravel(), (single * background.weights[places, None]).ravel())
        return Explained(values, np.zeros(features), 0.0, True, len(found), 0)

    def _sampled(self, row: Floats, whole: float, output: int, differs: npt.NDArray[np.bool_]) -> Explained:
        assert self.design is not None
        game = _Game(self, row, whole, output, differs)
        total = whole - float(self.background.expected[output])
        floor = max(0.05 * float(self.background.spread[output]), 1e-12)
        differences = np.zeros(0)
        for level in self.design.levels:
            new = self.design.masks[len(differences) : level.pairs]
            answers = game.values(np.concatenate([new, ~new]))
            differences = np.concatenate([differences, answers[: len(new)] - answers[len(new) :]])
            fit = level.fit(differences, total)
            relative = float(np.linalg.norm(fit.errors)) / max(float(np.linalg.norm(fit.values)), floor)
            if relative <= self.relative_error:
                break
        return Explained(
            fit.values, fit.errors, relative, level.exhaustive, game.evaluations, 2 * level.pairs
        )

    def _ask(self, inputs: Floats, output: int) -> Floats:
        if not len(inputs):
            return np.zeros(0)
        step = max(1, _CHUNK_NUMBERS // inputs.shape[1])
        return np.concatenate(
            [self.score(inputs[i : i + step])[:, output] for i in range(0, len(inputs), step)]
        )


class _Game:
    """v of one row; remembers the inputs that it has asked about, since many coalitions make the same one."""

    def __init__(
        self,
        ladder: InterventionalShapley,
        row: Floats,
        whole: float,
        output: int,
        differs: npt.NDArray[np.bool_],
    ) -> None:
        self._ladder, self._row, self._output = ladder, row, output
        rows, features = differs.shape
        self.evaluations = 0
        self._memory = not differs.all() and features + math.ceil(math.log2(rows + 1)) <= _KEY_BITS
        if self._memory:
            self._bits = np.left_shift(1, np.arange(features, dtype=np.int64))
            self._owner = np.arange(rows, dtype=np.int64) << features
            self._differs = differs @ self._bits
            # the background row itself and the explained row are known
            keys = np.concatenate([self._owner, self._owner + self._differs])
            answers = np.concatenate([ladder.background.outputs[:, output], np.full(rows, whole)])
            self._keys, first = np.unique(keys, return_index=True)
            self._answers = answers[first]

    def values(self, masks: npt.NDArray[np.bool_]) -> Floats:
        """v of each coalition, (coalitions,)."""
        ladder, rows = self._ladder, self._ladder.background.rows
        step = max(1, _CHUNK_NUMBERS // rows.size)
        parts = [self._answer(masks[i : i + step]) for i in range(0, len(masks), step)]
        return np.concatenate(parts) @ ladder.background.weights

    def _answer(self, masks: npt.NDArray[np.bool_]) -> Floats:
        """f of each coalition against each background row, (coalitions, B)."""
        rows = self._ladder.background.rows
        if not self._memory:
            inputs = np.where(masks[:, None], self._row, rows).reshape(-1, rows.shape[1])
            return self._ask(inputs).reshape(len(masks), len(rows))
        keys = ((masks @ self._bits)[:, None] & self._differs) + self._owner
        distinct, where = np.unique(keys, return_inverse=True)
        places = np.minimum(np.searchsorted(self._keys, distinct), len(self._keys) - 1)
        known = self._keys[places] == distinct
        answers = self._answers[places]
        new = distinct[~known]
        if len(new):
            taken = (new[:, None] & self._bits) != 0
            answers[~known] = self._ask(np.where(taken, self._row, rows[new >> rows.shape[1]]))
            merged = np.concatenate([self._keys, new])
            order = np.argsort(merged, kind="stable")
            self._keys = merged[order]
            self._answers = np.concatenate([self._answers, answers[~known]])[order]
        return answers[where.reshape(keys.shape)]

    def _ask(self, inputs: Floats) -> Floats:
        self.evaluations += len(inputs)
        return self._ladder._ask(inputs, self._output)


def _same(rows: Floats, row: Floats) -> npt.NDArray[np.bool_]:
    """Where each of `rows` agrees with `row`; two missing values agree."""
    return np.asarray((rows == row) | (np.isnan(rows) & np.isnan(row)))


@lru_cache(maxsize=32)
def _formula(players: int) -> tuple[npt.NDArray[np.bool_], Floats]:
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
