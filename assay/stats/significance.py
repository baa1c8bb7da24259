"""p-values for two rates and for the spread of many, without importing scipy.stats (a second at start)."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

from assay.errors import BadInput

__all__ = ["fisher_exact", "permutation_range_p", "two_proportion_z"]

Array: TypeAlias = npt.NDArray[Any]

# tables whose probability equals that of the observed one up to rounding count as equally extreme
_TIE = 1 + 1e-7
# numpy's method "marginals" of the multivariate hypergeometric refuses more
_MOST_ROWS = 999_999_999


def two_proportion_z(x1: npt.ArrayLike, n1: npt.ArrayLike, x2: npt.ArrayLike, n2: npt.ArrayLike) -> Array:
    """Two-sided p of the pooled z test that two rates are equal; broadcasts.

    z = (x1/n1 - x2/n2) / sqrt(q (1 - q) (1/n1 + 1/n2)) with q = (x1 + x2)/(n1 + n2). It is 1 where q
    is 0 or 1 (no spread, no evidence) and NaN where a group has no trials.

    Raises:
        BadInput: successes outside [0, trials].

    Source: Pearson 1900; US EEOC Uniform Guidelines Q&A 21 (1979) uses it for selection rates.
    """
    a, m, b, n = _tables(x1, n1, x2, n2)
    empty = (m == 0) | (n == 0)
    m_safe, n_safe = np.where(m == 0, 1, m), np.where(n == 0, 1, n)
    pooled = (a + b) / np.where(empty, 1, m + n)
    error = np.sqrt(pooled * (1 - pooled) * (1 / m_safe + 1 / n_safe))
    gap = np.abs(a / m_safe - b / n_safe)
    p = np.where(error > 0, 2 * special.ndtr(-gap / np.where(error > 0, error, 1)), 1.0)
    return np.where(empty, np.nan, p)


def fisher_exact(x1: npt.ArrayLike, n1: npt.ArrayLike, x2: npt.ArrayLike, n2: npt.ArrayLike) -> Array:
    """Two-sided exact p that two rates are equal, given the margins of the 2x2 table; broadcasts.

    The sum of the hypergeometric probabilities of all tables with the same margins that are at most
    as probable as the one observed. NaN where a group has no trials.

    Raises:
        BadInput: successes outside [0, trials].

    Source: Fisher 1934; Agresti 2013, section 3.5.1.
    """
    tables = np.broadcast_arrays(*_tables(x1, n1, x2, n2))
    p = [_fisher(*(int(v) for v in table)) for table in zip(*(t.ravel() for t in tables), strict=True)]
    return np.array(p).reshape(tables[0].shape)


def permutation_range_p(
    successes: npt.ArrayLike, trials: npt.ArrayLike, permutations: int, rng: np.random.Generator
) -> float:
    """p of the observed max - min range of group rates when the groups are interchangeable.

    Group labels are shuffled over the rows, which makes the successes of the groups multivariate
    hypergeometric. p = (1 + shuffles with a range at least as large) / (1 + shuffles), so it is never
    0 and never too small. It says whether chance alone could spread that many groups that far.

    Args:
        successes, trials: shape (groups,); groups without trials are left out.
        permutations: number of shuffles.

    Raises:
        BadInput: successes outside [0, trials], fewer than 1 shuffle, 10^9 rows or more.

    Source: Phipson & Smyth 2010 (the + 1); Good 2005.
    """
    x, n = np.asarray(successes, dtype=np.int64), np.asarray(trials, dtype=np.int64)
    if np.any((x < 0) | (x > n)):
        raise BadInput(f"Successes must lie between 0 and trials; got {x.tolist()} of {n.tolist()}.")
    if permutations < 1:
        raise BadInput(f"At least 1 permutation is needed; got {permutations}.")
    x, n = x[n > 0], n[n > 0]
    if n.sum() > _MOST_ROWS:
        raise BadInput(f"Permutations of group labels handle up to {_MOST_ROWS:,} rows; got {n.sum():,}.")
    if len(n) < 2:
        return 1.0
    shuffled = rng.multivariate_hypergeometric(n, int(x.sum()), size=permutations, method="marginals") / n
    observed = np.ptp(x / n)
    # equal ranges may differ in the last bit
    as_large = np.count_nonzero(np.ptp(shuffled, axis=1) >= observed - 1e-12)
    return float((1 + as_large) / (1 + permutations))


def _fisher(x1: int, n1: int, x2: int, n2: int) -> float:
    if n1 == 0 or n2 == 0:
        return float("nan")
    drawn, total = x1 + x2, n1 + n2
    least, most = max(0, drawn - n2), min(drawn, n1)
    mean = drawn * n1 / total
    spread = (mean * (1 - drawn / total) * (n2 / max(total - 1, 1))) ** 0.5
    # beyond 40 spreads and 150 counts lies less than 1e-200 of the mass, however skewed
    reach = 40 * spread + 150
    if abs(x1 - mean) > reach:
        return 0.0
    k = np.arange(max(least, int(mean - reach)), min(most, int(mean + reach) + 1) + 1, dtype=float)
    log_mass = -(
        special.gammaln(k + 1)
        + special.gammaln(n1 - k + 1)
        + special.gammaln(drawn - k + 1)
        + special.gammaln(n2 - drawn + k + 1)
    )
    mass = np.exp(log_mass - log_mass.max())
    mass /= mass.sum()
    here = mass[np.flatnonzero(k == x1)[0]]
    return float(min(1.0, mass[mass <= here * _TIE].sum()))


def _tables(x1: Any, n1: Any, x2: Any, n2: Any) -> tuple[Array, Array, Array, Array]:
    a, m, b, n = (np.asarray(v, dtype=float) for v in (x1, n1, x2, n2))
    if not (np.all((a >= 0) & (a <= m)) and np.all((b >= 0) & (b <= n))):
        raise BadInput(f"Successes must lie between 0 and trials; got {x1} of {n1} and {x2} of {n2}.")
    return a, m, b, n
