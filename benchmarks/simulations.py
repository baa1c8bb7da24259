"""How often the verdict rules err, on simulated populations whose truth is known.

`run` answers five questions (design: pairs of groups are judged under family-wise intervals):

- at_limit: populations exactly at the limit fail at most 5 % of the time;
- tiny_groups: the same with groups of 1 to 5 rows beside large ones;
- naive: the rules that this replaces break the same test, so the test can fail;
- planted: one group of 12 far beyond the limit is found at least 95 % of the time;
- coverage: all pairwise intervals together hold the truth at least 95 % of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from assay.stats.intervals import koopman_ratio, newcombe_difference, wilson_interval
from assay.stats.pairwise import PairTable, pairwise_differences, pairwise_ratios

__all__ = ["Population", "Share", "fails", "run"]

Array: TypeAlias = npt.NDArray[Any]
Kind = Literal["difference", "ratio"]

# replicates simulated at once; 500 x 66 pairs of 12 groups keep every array below a megabyte
_BLOCK = 500
_NAIVE_RESAMPLES = 400


@dataclass(frozen=True)
class Population:
    """Groups with known rates, and the limit that their gaps are judged by."""

    title: str
    kind: Kind
    limit: float
    """Largest difference allowed, or smallest ratio."""
    rates: tuple[float, ...]
    trials: tuple[int, ...]

    def draw(self, replicates: int, rng: np.random.Generator) -> Array:
        """Successes, shape (replicates, groups)."""
        return rng.binomial(self.trials, self.rates, size=(replicates, len(self.rates)))

    def pairs(self, successes: Array) -> PairTable:
        pairwise = pairwise_differences if self.kind == "difference" else pairwise_ratios
        return pairwise(successes, self.trials)


@dataclass(frozen=True)
class Share:
    """How often something happened, with its Monte Carlo interval (Wilson, 95 %)."""

    title: str
    kind: Kind
    replicates: int
    seed: int
    hits: int
    share: float
    low: float
    high: float
    claim: str
    """`at most`, `at least` or `above`, and the bound."""
    holds: bool
    """The Monte Carlo interval does not contradict the claim; for `above` it lies wholly above."""


def run(replicates: int, seed: int) -> dict[str, list[dict[str, Any]]]:
    """All simulations: question -> list of shares (the fields of `Share`).

    Args:
        replicates: simulated audits per population.
        seed: of all random numbers; the same seed gives the same figures.
    """
    questions: dict[str, tuple[Iterator[Population], Callable[[Population, Array], Array], str, float]] = {
        "at_limit": (_at_limit(), _fails_at_any_pair, "at most", 0.05),
        "tiny_groups": (_tiny_groups(), _fails_at_any_pair, "at most", 0.05),
        "planted": (_planted(), _finds_first_group, "at least", 0.95),
        "coverage": (_coverage(), _all_pairs_held, "at least", 0.95),
    }
    answers = {
        question: [
            asdict(_share(p.title, p, event, replicates, (seed, k, stream), claim, bound))
            for stream, p in enumerate(populations)
        ]
        for k, (question, (populations, event, claim, bound)) in enumerate(questions.items())
    }
    answers["naive"] = [asdict(share) for share in _naive(replicates, seed)]
    return answers


def fails(table: PairTable, kind: Kind, limit: float) -> Array:
    """Pairs whose whole interval lies beyond the limit; differences are oriented >= 0, ratios <= 1."""
    return table.low > limit if kind == "difference" else table.high < limit


def _at_limit() -> Iterator[Population]:
    """Half of the groups on one side and half on the other, so that most pairs are at the limit."""
    for n in (60, 2000):
        for groups in (2, 12):
            yield _halves("difference", 0.10, 0.50, 0.40, groups, n, n)
        for groups in (2, 4, 12):
            yield _halves("ratio", 0.80, 0.50, 0.40, groups, n, n)


def _tiny_groups() -> Iterator[Population]:
    """Rates near 0 where a few rows stand against many: the hardest place for an interval."""
    yield _halves("difference", 0.10, 0.14, 0.04, 12, 2, 2000)
    yield _halves("difference", 0.05, 0.07, 0.02, 12, 1, 2000)
    yield _halves("difference", 0.10, 0.11, 0.01, 12, 5, 2000)
    yield _halves("ratio", 0.80, 0.07, 0.056, 12, 1, 2000)
    yield _halves("ratio", 0.80, 0.03, 0.024, 12, 3, 2000)


def _planted() -> Iterator[Population]:
    yield Population(
        "12 groups of 200 rows, one at .20, the others at .50; limit .10",
        "difference",
        0.10,
        (0.20,) + (0.50,) * 11,
        (200,) * 12,
    )


def _coverage() -> Iterator[Population]:
    shapes: tuple[tuple[str, tuple[float, ...], tuple[int, ...]], ...] = (
        ("2 groups of 10 at .5", (0.5, 0.5), (10, 10)),
        ("2 groups of 2,000 at .5 and .4", (0.5, 0.4), (2000, 2000)),
        ("4 groups of 10 at .02", (0.02,) * 4, (10,) * 4),
        ("4 groups of 60 at .01, .02, .05, .10", (0.01, 0.02, 0.05, 0.10), (60,) * 4),
        ("4 groups of 500 at .001", (0.001,) * 4, (500,) * 4),
        ("12 groups of 60 at .5", (0.5,) * 12, (60,) * 12),
        ("12 groups of 5 at .05", (0.05,) * 12, (5,) * 12),
        (
            "12 groups of 5 to 5,000 at .10",
            (0.10,) * 12,
            (5, 10, 20, 50, 100, 200, 400, 600, 1000, 2000, 3000, 5000),
        ),
        ("6 groups of 3 at .1 and 6 at .9", (0.1,) * 6 + (0.9,) * 6, (3,) * 12),
        ("6 groups of 60 at .02 and 6 at .98", (0.02,) * 6 + (0.98,) * 6, (60,) * 12),
        ("6 groups of 1 row and 6 of 2,000 at .05", (0.05,) * 12, (1,) * 6 + (2000,) * 6),
        ("6 groups of 3 rows at .9 and 6 of 500 at .95", (0.9,) * 6 + (0.95,) * 6, (3,) * 6 + (500,) * 6),
    )
    kinds: tuple[Kind, ...] = ("difference", "ratio")
    for kind in kinds:
        for title, rates, trials in shapes:
            yield Population(title, kind, 0.0, rates, trials)


def _halves(
    kind: Kind, limit: float, higher: float, lower: float, groups: int, n_higher: int, n_lower: int
) -> Population:
    half = groups // 2
    title = (
        f"{groups} groups: {half} at {higher:g} with {n_higher:,} rows, "
        f"{half} at {lower:g} with {n_lower:,} rows; {kind} limit {limit:g}"
    )
    rates = (higher,) * half + (lower,) * half
    return Population(title, kind, limit, rates, (n_higher,) * half + (n_lower,) * half)


def _fails_at_any_pair(population: Population, successes: Array) -> Array:
    return fails(population.pairs(successes), population.kind, population.limit).any(axis=-1)


def _finds_first_group(population: Population, successes: Array) -> Array:
    """Some failed pair has the planted group, the first, on its lower side."""
    table = population.pairs(successes)
    return (fails(table, population.kind, population.limit) & (table.second == 0)).any(axis=-1)


def _all_pairs_held(population: Population, successes: Array) -> Array:
    table = population.pairs(successes)
    rates = np.array(population.rates)
    first, second = rates[table.first], rates[table.second]
    truth = first - second if population.kind == "difference" else first / second
    return ((table.low <= truth) & (truth <= table.high)).all(axis=-1)


def _naive(replicates: int, seed: int) -> Iterator[Share]:
    """Rules that look sound and are not: each should err far above 5 %."""
    equal = Population(
        "12 equal groups of 60 rows at .5; limit .10", "difference", 0.10, (0.5,) * 12, (60,) * 12
    )

    def widest_gap(_: Population, successes: Array) -> Array:
        return np.ptp(successes / 60, axis=-1) > equal.limit

    def widest_gap_with_bootstrap(_: Population, successes: Array) -> Array:
        resampled = rng.binomial(60, successes / 60, size=(_NAIVE_RESAMPLES, *successes.shape))
        return np.quantile(np.ptp(resampled / 60, axis=-1), 0.025, axis=0) > equal.limit

    rng = np.random.default_rng((seed, 99))
    yield _share("max - min against the limit", equal, widest_gap, replicates, (seed, 9, 0), "at least", 0.95)
    yield _share(
        "bootstrap percentile interval of max - min",
        equal,
        widest_gap_with_bootstrap,
        min(replicates, 400),
        (seed, 9, 1),
        "at least",
        0.95,
    )
    yield _share(
        "family-wise pairs, the same groups",
        equal,
        _fails_at_any_pair,
        replicates,
        (seed, 9, 0),
        "at most",
        0.05,
    )
    tiny_difference, *_, tiny_ratio = _tiny_groups()
    for population in (tiny_difference, tiny_ratio):
        title = f"family-wise pairs with score intervals, {population.title}"
        yield _share(title, population, _fails_with_score_intervals, replicates, (seed, 9, 2), "above", 0.05)


def _fails_with_score_intervals(population: Population, successes: Array) -> Array:
    """The pairwise rule with Newcombe's and Koopman's intervals in place of the melded ones."""
    table = population.pairs(successes)
    trials = np.array(population.trials)
    score = newcombe_difference if population.kind == "difference" else koopman_ratio
    x1, x2 = (np.take_along_axis(successes, side, axis=-1) for side in (table.first, table.second))
    low, high = score(x1, trials[table.first], x2, trials[table.second], 1 - 0.05 / table.family)
    beyond = low > population.limit if population.kind == "difference" else high < population.limit
    return beyond.any(axis=-1)


def _share(
    title: str,
    population: Population,
    event: Callable[[Population, Array], Array],
    replicates: int,
    stream: tuple[int, ...],
    claim: str,
    bound: float,
) -> Share:
    rng = np.random.default_rng(stream)
    hits = 0
    for start in range(0, replicates, _BLOCK):
        size = min(_BLOCK, replicates - start)
        hits += int(np.count_nonzero(event(population, population.draw(size, rng))))
    low, high = wilson_interval(hits, replicates)
    holds = {"at most": low <= bound, "at least": high >= bound, "above": low > bound}[claim]
    return Share(
        title,
        population.kind,
        replicates,
        stream[0],
        hits,
        hits / replicates,
        low,
        high,
        f"{claim} {bound:g}",
        holds,
    )
