"""The standing simulations, small and seeded; `./run proof` runs them with 2,000 replicates and more."""

from __future__ import annotations

import pytest

from benchmarks.simulations import run

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
