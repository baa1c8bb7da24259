"""The standing simulations, small and seeded; `./run proof` runs them with 2,000 replicates and more."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.simulations import Population, fails, run
from tests.policy.builders import difference_rule, groups, ratio_rule, verdict

REPLICATES = 120


@pytest.fixture(scope="module")
def answers():
    return run(REPLICATES, seed=2)


@pytest.mark.parametrize("question", ["at_limit", "tiny_groups"])
def test_populations_exactly_at_the_limit_fail_at_most_five_percent(answers, question):
    for share in answers[question]:
        assert share["share"] <= 0.05, share


def test_a_planted_gap_is_found(answers):
    (share,) = answers["planted"]
    assert share["share"] >= 0.95


def test_all_pairwise_intervals_together_hold_the_truth(answers):
    for share in answers["coverage"]:
        assert share["holds"], share
        # 95 % less three Monte Carlo errors
        assert share["share"] >= 0.95 - 3 * (0.95 * 0.05 / REPLICATES) ** 0.5, share


def test_the_naive_rules_break_the_same_test(answers):
    widest, bootstrapped, pairs, tiny_difference, tiny_ratio = answers["naive"]
    assert widest["share"] >= 0.95
    assert bootstrapped["share"] >= 0.95
    assert pairs["share"] <= 0.05
    assert tiny_difference["low"] > 0.05
    assert tiny_ratio["low"] > 0.05


def test_the_same_seed_gives_the_same_figures():
    assert run(5, seed=3) == run(5, seed=3)
    assert run(5, seed=3) != run(5, seed=4)


@pytest.mark.parametrize(
    ("population", "replicates"),
    [
        (Population("at the limit", "ratio", 0.8, (0.5, 0.5, 0.4, 0.4), (60,) * 4), 20),
        (Population("planted", "difference", 0.1, (0.2, 0.5, 0.5, 0.5), (300,) * 4), 20),
    ],
)
def test_the_judge_fails_exactly_the_replicates_that_the_simulations_count(population, replicates):
    rule = ratio_rule(0.8) if population.kind == "ratio" else difference_rule(0.1)
    drawn = population.draw(replicates, np.random.default_rng(8))
    expected = fails(population.pairs(drawn), population.kind, population.limit).any(axis=-1)
    for successes, failed in zip(drawn.tolist(), expected.tolist(), strict=True):
        counts = {f"g{k}": (x, n) for k, (x, n) in enumerate(zip(successes, population.trials, strict=True))}
        assert (verdict(groups(counts, population.kind), rule).outcome == "fail") == failed
    if population.title == "planted":
        assert expected.mean() >= 0.9
    else:
        assert expected.mean() <= 0.1
