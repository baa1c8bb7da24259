"""Samples of coalitions: what they draw, when they are exact, whether their standard errors are honest."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay.methods.explainability.coalitions import CoalitionDesigns
from tests.methods.explainability.games import by_definition


def fitted(level, game):
    """Shapley values of one vectorised game by every design of a level."""
    designs, pairs, players = level.masks.shape
    masks = level.masks.reshape(-1, players)
    every = np.ones((1, players), dtype=bool)
    total = float((game(every) - game(~every))[0])
    differences = (game(masks) - game(~masks)).reshape(designs, pairs)
    return level.fit(np.arange(designs), differences, np.full(designs, total))


def smooth_game(players, seed):
    """A game with interactions of every order."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=players) * 1.5, rng.normal(size=players)
    return lambda masks: np.tanh(masks @ a + 0.3 * (masks @ b) ** 2)


def exact(players, game):
    (found,) = fitted(CoalitionDesigns(players, 1, 10**6, np.random.default_rng(0)).levels[-1], game).values
    return found


@pytest.mark.parametrize("players", [1, 2, 3, 4, 5, 6, 7])
def test_every_coalition_together_gives_the_values_of_the_definition(players):
    table = np.random.default_rng(players).normal(size=(2,) * players)

    def game(masks):
        return np.array([table[tuple(mask.astype(int))] for mask in np.atleast_2d(masks)])

    last = CoalitionDesigns(players, 2, 1_000, np.random.default_rng(0)).levels[-1]
    assert last.exhaustive
    assert last.pairs == 2 ** (players - 1) - 1
    found = fitted(last, game)
    expected = by_definition(lambda mask: game(mask)[0], players)
    np.testing.assert_allclose(found.values, [expected, expected], atol=1e-14)
    assert not found.variances.any()


def test_a_second_order_game_is_met_exactly_by_the_smallest_sample():
    # v(S) = sum of a_i + sum of B_ij over pairs in S: phi_i = a_i + half of the pairs that i is in
    rng = np.random.default_rng(3)
    players = 15
    a, pairs = rng.normal(size=players), np.triu(rng.normal(size=(players, players)), 1)

    def game(masks):
        taken = masks.astype(float)
        return taken @ a + np.einsum("ki,ij,kj->k", taken, pairs, taken)

    found = fitted(CoalitionDesigns(players, 50, 16, rng).levels[0], game)
    expected = a + (pairs + pairs.T).sum(axis=1) / 2
    np.testing.assert_allclose(found.values, np.tile(expected, (50, 1)), atol=1e-11)
    assert found.variances.max() < 1e-20


def test_standard_errors_are_honest():
    # 1.96 standard errors hold the exact value in about 95 % of 1,000 samples, in no fewer where samples
    # are small
    players, samples = 10, 1_000
    game = smooth_game(players, 1)
    truth = exact(players, game)
    designs = CoalitionDesigns(players, samples, 400, np.random.default_rng(7))
    for number, most in ((0, 2.5), (2, 1.35), (4, 1.15)):
        found = fitted(designs.levels[number], game)
        missed = found.values - truth
        held = np.mean(np.abs(missed) <= 1.96 * np.sqrt(found.variances))
        assert 0.93 <= held <= (0.98 if number == 0 else 0.97), (number, held)
        ratio = math.sqrt(found.variances.mean() / np.mean(missed**2))
        assert 0.9 <= ratio <= most, (number, ratio)


def test_least_squares_bias_is_taken_out_so_that_averages_of_many_samples_keep_their_intervals():
    # the least favourable case: 100 background rows that all make the same game
    game = smooth_game(8, 2)
    truth = exact(8, game)
    designs = CoalitionDesigns(8, 10_000, 400, np.random.default_rng(7))
    for level in designs.levels[:5]:
        found = fitted(level, game)
        means = found.values.reshape(100, 100, 8).mean(axis=1)
        errors = np.sqrt(found.variances.reshape(100, 100, 8).sum(axis=1)) / 100
        assert np.mean(np.abs(means - truth) <= 1.96 * errors) > 0.93, level.pairs
        spread = np.linalg.norm(found.values.std(axis=0))
        assert np.linalg.norm(found.values.mean(axis=0) - truth) < 0.03 * spread, level.pairs


def test_larger_samples_err_less():
    game = smooth_game(10, 2)
    truth = exact(10, game)
    designs = CoalitionDesigns(10, 60, 600, np.random.default_rng(0))
    errors = [np.linalg.norm(fitted(level, game).values - truth) for level in designs.levels]
    assert (np.diff(errors[:5]) < 0).all(), errors


@pytest.mark.parametrize("players", [5, 8, 12, 40])
def test_pairs_are_distinct_nested_and_spread_over_the_sizes(players):
    designs = CoalitionDesigns(players, 3, 900, np.random.default_rng(players))
    for masks in designs.levels[-1].masks:
        assert len({min(mask.tobytes(), (~mask).tobytes()) for mask in masks}) == len(masks)
    before = None
    for level in designs.levels:
        if before is not None:
            np.testing.assert_array_equal(level.masks[:, : before.pairs], before.masks)
        before = level
        sizes = level.masks.sum(axis=2)
        smaller = np.minimum(sizes, players - sizes)
        for one in smaller:
            drawn = np.bincount(one, minlength=players // 2 + 1)[1:].tolist()
            open_sizes = []
            for size, got in enumerate(drawn, 1):
                middle = 2 * size == players
                assert got <= math.comb(players, size) // (1 + middle)
                if got < math.comb(players, size) // (1 + middle):
                    # coalitions of the size: a middle pair holds two
                    open_sizes.append(got * (1 + middle))
            assert not open_sizes or max(open_sizes) - min(open_sizes) <= 1
            assert level.exhaustive == (not open_sizes)


def test_no_two_players_stand_together_in_all_of_a_samples_pairs():
    # about one sample in 200 would have such twins, whose values nothing could tell apart
    for players in (6, 7, 8):
        signs = CoalitionDesigns(players, 2_000, 16, np.random.default_rng(1)).levels[0].signs
        together = np.abs(np.swapaxes(signs, 1, 2) @ signs) / signs.shape[1]
        together[:, np.arange(players), np.arange(players)] = 0
        assert together.max() < 1


def test_sums_are_kept_whatever_the_sample():
    game = smooth_game(9, 6)
    every = np.ones((1, 9), dtype=bool)
    found = fitted(CoalitionDesigns(9, 5, 100, np.random.default_rng(5)).levels[0], game)
    np.testing.assert_allclose(found.values.sum(axis=1), float((game(every) - game(~every))[0]), atol=1e-13)
