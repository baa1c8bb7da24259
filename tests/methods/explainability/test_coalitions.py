"""Samples of coalitions: what they draw, when they are exact, whether their standard errors are honest."""

from __future__ import annotations

import math

import numpy as np
import pytest

from assay.methods.explainability.coalitions import CoalitionDesign
from tests.methods.explainability.games import by_definition


def fitted(design, level, game):
    """Shapley values of a vectorised game from the pairs of a level."""
    masks = design.masks[: level.pairs]
    every = np.ones((1, design.features), dtype=bool)
    return level.fit(game(masks) - game(~masks), float((game(every) - game(~every))[0]))


def smooth_game(features, seed):
    """A game with interactions of every order."""
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=features) * 1.5, rng.normal(size=features)
    return lambda masks: np.tanh(masks @ a + 0.3 * (masks @ b) ** 2)


@pytest.mark.parametrize("features", [2, 3, 4, 5, 6, 7])
def test_every_coalition_together_gives_the_values_of_the_definition(features):
    table = np.random.default_rng(features).normal(size=(2,) * features)

    def game(masks):
        return np.array([table[tuple(mask.astype(int))] for mask in np.atleast_2d(masks)])

    design = CoalitionDesign(features, 1_000, np.random.default_rng(0))
    last = design.levels[-1]
    assert last.exhaustive
    assert last.pairs == 2 ** (features - 1) - 1
    found = fitted(design, last, game)
    np.testing.assert_allclose(found.values, by_definition(lambda m: game(m)[0], features), atol=5e-15)
    assert not found.errors.any()


def test_a_second_order_game_is_met_exactly_by_the_smallest_sample():
    # v(S) = sum of a_i + sum of B_ij over pairs in S: phi_i = a_i + half of the pairs that i is in
    rng = np.random.default_rng(3)
    features = 15
    a, pairs = rng.normal(size=features), np.triu(rng.normal(size=(features, features)), 1)
    design = CoalitionDesign(features, 16, rng)

    def game(masks):
        taken = masks.astype(float)
        return taken @ a + np.einsum("ki,ij,kj->k", taken, pairs, taken)

    found = fitted(design, design.levels[0], game)
    np.testing.assert_allclose(found.values, a + (pairs + pairs.T).sum(axis=1) / 2, atol=1e-12)
    assert found.errors.max() < 1e-12


def test_estimates_are_unbiased_and_their_standard_errors_honest():
    # 1.96 standard errors must hold the exact value in about 95 % of 300 draws of coalitions
    features = 10
    game = smooth_game(features, 1)
    exact = CoalitionDesign(features, 2_000, np.random.default_rng(0))
    truth = fitted(exact, exact.levels[-1], game).values
    assert exact.levels[-1].exhaustive
    names = ("first", "third", "fifth")
    held, errors, claimed, centre = (dict.fromkeys(names, 0.0) for _ in range(4))
    draws = 300
    for seed in range(draws):
        design = CoalitionDesign(features, 400, np.random.default_rng(seed))
        for name, level in zip(names, design.levels[:5:2], strict=True):
            found = fitted(design, level, game)
            held[name] += np.mean(np.abs(found.values - truth) <= 1.96 * found.errors) / draws
            errors[name] += np.sum((found.values - truth) ** 2) / draws
            claimed[name] += np.sum(found.errors**2) / draws
            centre[name] += (found.values - truth) / draws
    for name in names:
        assert 0.92 <= held[name] <= 0.98, (name, held)
        assert 0.85 <= math.sqrt(claimed[name] / errors[name]) <= 1.5, name
        # the mean of 300 estimates lies within 4 of its own standard errors, taken over all features
        assert np.linalg.norm(centre[name]) < 4 * math.sqrt(errors[name] / draws), name


def test_larger_samples_err_less():
    game = smooth_game(10, 2)
    exact = CoalitionDesign(10, 2_000, np.random.default_rng(0))
    truth = fitted(exact, exact.levels[-1], game).values
    errors = np.zeros(5)
    for seed in range(60):
        design = CoalitionDesign(10, 600, np.random.default_rng(seed))
        errors += [np.linalg.norm(fitted(design, level, game).values - truth) for level in design.levels[:5]]
    assert (np.diff(errors) < 0).all(), errors


@pytest.mark.parametrize("features", [5, 8, 12, 40])
def test_pairs_are_distinct_nested_and_spread_over_the_sizes(features):
    design = CoalitionDesign(features, 900, np.random.default_rng(features))
    canonical = {min(mask.tobytes(), (~mask).tobytes()) for mask in design.masks}
    assert len(canonical) == len(design.masks)
    sizes = design.masks.sum(axis=1)
    smaller = np.minimum(sizes, features - sizes)
    for level in design.levels:
        drawn = np.bincount(smaller[: level.pairs], minlength=features // 2 + 1)[1:].tolist()
        open_sizes = []
        for size, got in enumerate(drawn, 1):
            middle = 2 * size == features
            assert got <= math.comb(features, size) // (1 + middle)
            if got < math.comb(features, size) // (1 + middle):
                # coalitions of the size: a middle pair holds two
                open_sizes.append(got * (1 + middle))
        assert not open_sizes or max(open_sizes) - min(open_sizes) <= 1
        assert level.exhaustive == (not open_sizes)


def test_sums_are_kept_whatever_the_sample():
    design = CoalitionDesign(9, 100, np.random.default_rng(5))
    game = smooth_game(9, 6)
    every = np.ones((1, 9), dtype=bool)
    found = fitted(design, design.levels[0], game)
    assert found.values.sum() == pytest.approx(float((game(every) - game(~every))[0]), abs=1e-13)
