"""Measures of a confusion matrix: rates with score intervals, and what only a bootstrap can give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.methods.cluster_blocks import FEWEST_CLUSTERS
from assay.stats.bootstrap import cluster_bootstrap, multinomial_bootstrap, percentile_interval
from assay.stats.intervals import wilson_interval

__all__ = ["ConfusionCounts", "Found", "confusion_statistics"]

Matrix = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
_CHUNK = 4_000_000
"""Cells x replicates held at once: 32 MB."""
_WORK = 20_000_000_000
"""Numbers looked at in all replicates: with many hundreds of classes fewer are drawn (about a minute)."""
_FEWEST_REPLICATES = 500


class Statistic(NamedTuple):
    """One statistic of confusion matrices of shape (..., classes, classes), [actual, predicted].

    kind: `share` = above / below with a Wilson interval; `f1` = 2 TP / (2 TP + FP + FN); `recalls` =
        mean recall; `bootstrap` = anything else, by `value`.
    """

    id: str
    at: dict[str, str]
    kind: str
    parts: Callable[[Matrix], tuple[Matrix, Matrix]] | None = None
    value: Callable[[Matrix], Floats] | None = None
    missing: str = ""
    """Which rows are lacking when the denominator is 0."""

    def of(self, matrices: Matrix) -> Floats:
        """The statistic of each matrix, NaN where it is undefined; shape (...)."""
        if self.parts is not None:
            above, below = self.parts(matrices)
            value = _ratio(above, below)
            return np.asarray(2 * value / (1 + value)) if self.kind == "f1" else value
        assert self.value is not None
        return np.asarray(self.value(matrices), dtype=np.float64)


class Found(NamedTuple):
    """A statistic's value and interval; value None where it is undefined."""

    statistic: Statistic
    value: float | None
    low: float | None
    high: float | None
    interval_method: str | None
    n: int
    numerator: int | None
    denominator: int | None


def _ratio(above: Matrix, below: Matrix) -> Floats:
    below = np.asarray(below, dtype=np.float64)
    return np.asarray(np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0))


def _recalls(m: Matrix) -> Floats:
    return _ratio(np.diagonal(m, axis1=-2, axis2=-1), m.sum(axis=-1))


def _mean_recall(m: Matrix) -> Floats:
    """Mean over the classes that occur as label (Brodersen et al. 2010)."""
    recalls = _recalls(m)
    present = ~np.isnan(recalls)
    return _ratio(np.where(present, recalls, 0).sum(axis=-1), present.sum(axis=-1))


def _macro_f1(m: Matrix) -> Floats:
    """Mean F1 over the classes that occur as label or prediction."""
    both = m.sum(axis=-1) + m.sum(axis=-2)
    each = _ratio(2 * np.diagonal(m, axis1=-2, axis2=-1), both)
    present = both > 0
    return _ratio(np.where(present, each, 0).sum(axis=-1), present.sum(axis=-1))


def _matthews(m: Matrix) -> Floats:
    """Matthews correlation; R_K for more classes (Gorodkin 2004); NaN if a margin has one class."""
    m = m.astype(np.float64)
    actual, chosen = m.sum(axis=-1), m.sum(axis=-2)
    total, right = m.sum(axis=(-2, -1)), np.trace(m, axis1=-2, axis2=-1)
    covariance = right * total - (actual * chosen).sum(axis=-1)
    spread = (total**2 - (actual**2).sum(axis=-1)) * (total**2 - (chosen**2).sum(axis=-1))
    return _ratio(covariance, np.sqrt(spread))


def confusion_statistics(classes: tuple[str, ...], favourable: int | None) -> tuple[Statistic, ...]:
    """The statistics that apply: binary ones, or macro and per-class ones for more classes.

    Args:
        classes: class names in code order.
        favourable: code of the favourable class, None if there is none.
    """
    statistics = [
        Statistic(
            "performance.accuracy",
            {},
            "share",
            parts=lambda m: (np.trace(m, axis1=-2, axis2=-1), m.sum(axis=(-2, -1))),
        ),
        Statistic("performance.balanced_accuracy", {}, "recalls", value=_mean_recall),
        Statistic(
            "performance.matthews_correlation",
            {},
            "bootstrap",
            value=_matthews,
            missing="labels and predictions of at least two classes each",
        ),
    ]
    if favourable is not None:
        statistics += [_base_rate(favourable), _selection_rate(favourable)]
    if len(classes) == 2:
        chosen = 1 if favourable is None else favourable
        statistics += [*_per_class(chosen, classes[chosen], {}), _specificity(chosen, classes[chosen])]
    else:
        statistics.append(Statistic("performance.macro_f1", {}, "bootstrap", value=_macro_f1))
        for code, name in enumerate(classes):
            statistics += _per_class(code, name, {"class": name})
    return tuple(statistics)


def _base_rate(code: int) -> Statistic:
    return Statistic(
        "performance.base_rate",
        {},
        "share",
        parts=lambda m: (m[..., code, :].sum(axis=-1), m.sum(axis=(-2, -1))),
    )


def _selection_rate(code: int) -> Statistic:
    return Statistic(
        "performance.selection_rate",
        {},
        "share",
        parts=lambda m: (m[..., :, code].sum(axis=-1), m.sum(axis=(-2, -1))),
    )


def _specificity(code: int, name: str) -> Statistic:
    other = 1 - code
    return Statistic(
        "performance.specificity",
        {},
        "share",
        parts=lambda m: (m[..., other, other], m[..., other, :].sum(axis=-1)),
        missing=f'rows with a label other than "{name}"',
    )


def _per_class(code: int, name: str, at: dict[str, str]) -> list[Statistic]:
    def labelled(m: Matrix) -> Matrix:
        return np.asarray(m[..., code, :].sum(axis=-1))

    def predicted(m: Matrix) -> Matrix:
        return np.asarray(m[..., :, code].sum(axis=-1))

    def hits(m: Matrix) -> Matrix:
        return np.asarray(m[..., code, code])

    return [
        Statistic(
            "performance.precision",
            at,
            "share",
            parts=lambda m: (hits(m), predicted(m)),
            missing=f'rows predicted "{name}"',
        ),
        Statistic(
            "performance.recall",
            at,
            "share",
            parts=lambda m: (hits(m), labelled(m)),
            missing=f'rows with label "{name}"',
        ),
        Statistic(
            "performance.f1",
            at,
            "f1",
            parts=lambda m: (hits(m), labelled(m) + predicted(m) - hits(m)),
            missing=f'rows with label or prediction "{name}"',
        ),
    ]


@dataclass(frozen=True)
class ConfusionCounts:
    """A confusion matrix, shape (classes, classes), and where rows are clustered its blocks.

    blocks: one matrix a block of whole clusters, shape (blocks, classes, classes); None if independent.
    """

    matrix: npt.NDArray[np.int64]
    blocks: npt.NDArray[np.int64] | None = None

    def measure(
        self, statistics: tuple[Statistic, ...], level: float, replicates: int, rng: np.random.Generator
    ) -> Iterator[Found]:
        """Every statistic with its interval.

        Independent rows: rates by Wilson; F1 by Wilson on TP / (TP + FP + FN), of which it is a
        monotone function; mean recall from the Wilson limits of the recalls, squared and added
        (Zou & Donner 2008); the rest by multinomial bootstrap of the cells. Clustered rows: bootstrap
        of whole clusters throughout.
        """
        boot = [s for s in statistics if self.blocks is not None or s.kind == "bootstrap"]
        drawn = self._replicate(boot, replicates, rng)
        for statistic in statistics:
            value = float(statistic.of(self.matrix))
            yield self._found(statistic, value, drawn.get((statistic.id, *statistic.at.values())), level)

    def _found(self, statistic: Statistic, value: float, drawn: Floats | None, level: float) -> Found:
        above: int | None = None
        below = n = int(self.matrix.sum())
        if statistic.parts is not None:
            above, below = (int(part) for part in statistic.parts(self.matrix))
            n = below
        counted = statistic.kind == "share"
        parts = (above if counted else None, below if counted else None)
        if np.isnan(value):
            return Found(statistic, None, None, None, None, 0 if statistic.parts else n, *parts)
        low, high, method = self._interval(statistic, value, above, below, drawn, level)
        return Found(statistic, value, min(low, value), max(high, value), method, n, *parts)

    def _interval(
        self,
        statistic: Statistic,
        value: float,
        above: int | None,
        below: int,
        drawn: Floats | None,
        level: float,
    ) -> tuple[float, float, str]:
        if drawn is not None:
            defined = drawn[~np.isnan(drawn)]
            # no errors, or nothing but errors, leave no spread; few clusters leave too little
            few = self.blocks is not None and len(self.blocks) < FEWEST_CLUSTERS
            if few or defined.size == 0 or np.ptp(defined) < 1e-12:
                low, high = self._edge(statistic, level)
                return low, high, "wilson limits of the recalls, worst case"
            limits = percentile_interval(drawn, level)
            low, high = float(limits.low), float(limits.high)
            name = "multinomial bootstrap" if self.blocks is None else "cluster bootstrap"
            return low, high, f"{name} {drawn.size:,}"
        if statistic.kind == "recalls":
            return (*self._mover(level), "mover, wilson limits")
        assert above is not None
        low, high = wilson_interval(above, below, level)
        if statistic.kind == "f1":
            return 2 * low / (1 + low), 2 * high / (1 + high), "wilson on TP / (TP + FP + FN)"
        return low, high, "wilson"

    def _mover(self, level: float) -> tuple[float, float]:
        labelled = self.matrix.sum(axis=1)
        present = labelled > 0
        hits, rows = np.diagonal(self.matrix)[present], labelled[present]
        low, high = wilson_interval(hits, rows, level)
        recall, classes = hits / rows, rows.size
        value = recall.mean()
        down = np.sqrt(((recall - low) ** 2).sum()) / classes
        up = np.sqrt(((high - recall) ** 2).sum()) / classes
        return max(float(value - down), 0.0), min(float(value + up), 1.0)

    def _edge(self, statistic: Statistic, level: float) -> tuple[float, float]:
        """Range of the statistic when every class's recall moves to its Wilson limit at once.

        With clusters the recalls count clusters, not rows. Errors spread evenly over the other classes.
        """
        labelled = self.matrix.sum(axis=1)
        units = labelled if self.blocks is None else (self.blocks.sum(axis=2) > 0).sum(axis=0)
        recall = np.where(labelled > 0, np.diagonal(self.matrix) / np.maximum(labelled, 1), 0.5)
        limits = wilson_interval(recall * units, units, level)
        ends = []
        for limit in limits:
            moved = np.repeat((labelled * (1 - limit) / (len(labelled) - 1))[:, None], len(labelled), axis=1)
            np.fill_diagonal(moved, labelled * limit)
            ends.append(float(statistic.of(moved)))
        return min(ends), max(ends)

    def _replicate(
        self, statistics: list[Statistic], replicates: int, rng: np.random.Generator
    ) -> dict[tuple[str, ...], Floats]:
        """Replicates of each statistic, shape (replicates,), keyed by id and class."""
        if not statistics:
            return {}
        shape = self.matrix.shape
        each = 4 * self.matrix.size + len(statistics) * len(self.matrix)
        replicates = min(replicates, max(_FEWEST_REPLICATES, _WORK // each))
        chunk = max(1, _CHUNK // self.matrix.size)
        drawn: dict[tuple[str, ...], list[Floats]] = {}
        for start in range(0, replicates, chunk):
            size = min(chunk, replicates - start)
            if self.blocks is None:
                cells: Matrix = multinomial_bootstrap(self.matrix.ravel(), size, rng)
            else:
                cells = cluster_bootstrap(self.blocks.reshape(len(self.blocks), -1), size, rng)
            matrices = cells.reshape(size, *shape)
            for statistic in statistics:
                key = (statistic.id, *statistic.at.values())
                drawn.setdefault(key, []).append(statistic.of(matrices))
        return {key: np.concatenate(parts) for key, parts in drawn.items()}
