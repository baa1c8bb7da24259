"""Streaming means and covariances that add up over shards without losing digits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Moments"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Rows, means (k,) and co-moments (k, k): sums of products of deviations from the means.

    Two-pass within a batch, pairwise between batches, so nothing is a difference of large sums.

    Source: Chan, Golub & LeVeque 1983; Pebay 2008.
    """

    n: int
    mean: Floats
    comoment: Floats

    @staticmethod
    def of(columns: Floats) -> Moments:
        """Moments of columns of shape (rows, k)."""
        if not len(columns):
            return Moments(0, np.zeros(columns.shape[1]), np.zeros((columns.shape[1],) * 2))
        mean = columns.mean(axis=0)
        centred = columns - mean
        return Moments(len(columns), mean, centred.T @ centred)

    def __add__(self, other: Moments) -> Moments:
        n = self.n + other.n
        if not self.n or not other.n:
            return self if self.n else other
        apart = other.mean - self.mean
        return Moments(
            n,
            self.mean + apart * (other.n / n),
            self.comoment + other.comoment + np.outer(apart, apart) * (self.n * other.n / n),
        )

    @property
    def covariance_of_mean(self) -> Floats:
        """Estimated covariance of the means, comoment / (n (n - 1)), shape (k, k); NaN below 2 rows."""
        if self.n < 2:
            return np.full(self.comoment.shape, np.nan)
        return self.comoment / (self.n * (self.n - 1))
