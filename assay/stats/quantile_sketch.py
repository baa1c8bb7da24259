"""Quantiles of a stream in bounded memory, with the largest error that they can have."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["QuantileSketch"]

Floats = npt.NDArray[np.float64]
_KEPT = 4_096


class QuantileSketch:
    """Exact up to `kept` values; beyond, pairs of sorted buffers are thinned to every other value.

    A buffer at level h holds values that stand for 2^h each. Thinning two of them, first and second places by
    turns, moves the rank of any value by at most 2^h; `error` adds these up, so that the bound is of this
    very stream: about log2(n / kept) / (2 kept) of n, 0.14 % of 10 million values. The same values in the
    same batches give the same answer.

    Source: Munro & Paterson 1980; Manku, Rajagopalan & Lindsay 1998, section 3.
    """

    def __init__(self, kept: int = _KEPT) -> None:
        self.count = 0
        self._kept = kept
        self._loose: list[Floats] = []
        self._waiting = 0
        self._levels: list[Floats | None] = []
        self._second: list[bool] = []
        self._moved = 0

    def update(self, values: Floats) -> None:
        """Take in finite values."""
        self.count += len(values)
        self._loose.append(values)
        self._waiting += len(values)
        if self._waiting < self._kept:
            return
        loose = np.concatenate(self._loose)
        whole = len(loose) // self._kept * self._kept
        for buffer in np.sort(loose[:whole].reshape(-1, self._kept), axis=1):
            self._add(buffer)
        self._loose, self._waiting = [loose[whole:].copy()], len(loose) - whole

    @property
    def error(self) -> float:
        """Largest distance between the share that a quantile is given for and its own; 0 = exact."""
        return self._moved / self.count if self.count else 0.0

    def quantiles(self, shares: tuple[float, ...]) -> tuple[float, ...]:
        """The smallest value with at least that share of all at or below it. No values, no quantiles."""
        if not self.count:
            return ()
        held = [(np.concatenate(self._loose), 1)] if self._waiting else []
        held += [(level, 2**h) for h, level in enumerate(self._levels) if level is not None]
        values = np.concatenate([level for level, _ in held])
        weights = np.concatenate([np.full(len(level), weight) for level, weight in held])
        order = np.argsort(values, kind="stable")
        ranks = np.cumsum(weights[order])
        wanted = [max(1, math.ceil(share * self.count - 1e-9)) for share in shares]
        return tuple(float(values[order[np.searchsorted(ranks, rank)]]) for rank in wanted)

    def _add(self, buffer: Floats) -> None:
        height = 0
        while True:
            if height == len(self._levels):
                self._levels.append(None)
                self._second.append(False)
            other = self._levels[height]
            if other is None:
                self._levels[height] = buffer.copy()
                return
            merged = np.sort(np.concatenate([other, buffer]), kind="stable")
            buffer = merged[int(self._second[height]) :: 2]
            self._second[height] = not self._second[height]
            self._levels[height] = None
            self._moved += 2**height
            height += 1
