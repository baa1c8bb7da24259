"""Interventional values of one row: closed forms, shap's exact enumeration, and what is never asked twice."""

from __future__ import annotations

import numpy as np
import pytest

from assay.methods.explainability.interventional import Explained, InterventionalShapley, background_of
from assay.rng import keyed_rng
from tests.methods.explainability.games import by_definition, interventional
from tests.methods.explainability.peers import shap

FEATURES = 8


def network(seed, features=FEATURES):
    """A small smooth function with interactions, as f and as f with a column."""
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(features, 12)), rng.normal(size=12)

    def f(rows):
        return np.tanh(np.nan_to_num(rows) @ first) @ second

    return f, lambda rows: f(rows)[:, None]


def ladder(score, background, *, exact=10**9, error=0.05, most=100_000, seed=0):
    known = background_of(background, score)
    return InterventionalShapley(score, known, lambda d: keyed_rng(seed, "test", d), exact, most, error)


def all_explained(one, rows, output=0):
    return one.explain(rows, one.score(rows), np.full(len(rows), output))


def explained(one, row, output=0):
    """One row's values, errors, relative error, whether exact, and evaluations."""
    return Explained(*(array[0] for array in all_explained(one, row[None], output)))


def test_a_linear_model_has_its_closed_form():
    # phi_j = beta_j (x_j - mean of the background's column j)
    rng = np.random.default_rng(0)
    beta, background, row = rng.normal(size=6), rng.normal(size=(40, 6)), rng.normal(size=6)
    expected = beta * (row - background.mean(axis=0))
    for exact in (10**9, 0):
        found = explained(ladder(lambda rows: (rows @ beta)[:, None], background, exact=exact), row)
        np.testing.assert_allclose(found.values, expected, atol=1e-12)
        assert found.relative < 1e-12


def test_exact_values_equal_the_definition_and_shaps_exact_explainer():
    f, score = network(1)
    rng = np.random.default_rng(1)
    background, rows = rng.normal(size=(20, FEATURES)), rng.normal(size=(3, FEATURES))
    masker = shap.maskers.Independent(background, max_samples=len(background))
    peer = shap.ExactExplainer(f, masker)(rows).values
    ours = all_explained(ladder(score, background), rows).values
    np.testing.assert_allclose(ours, peer, atol=1e-13)
    np.testing.assert_allclose(
        ours[0], by_definition(interventional(f, rows[0], background), FEATURES), atol=1e-13
    )


def test_sampled_values_equal_kernel_shap_when_every_coalition_is_in():
    f, score = network(2)
    rng = np.random.default_rng(2)
    background, row = rng.normal(size=(10, FEATURES)), rng.normal(size=FEATURES)
    peer = shap.KernelExplainer(f, background).shap_values(row, nsamples=2**FEATURES, l1_reg=False)
    found = explained(ladder(score, background, exact=0, error=1e-12), row)
    assert found.exact
    np.testing.assert_allclose(found.values, peer, atol=1e-8)


def test_features_that_agree_with_the_background_are_not_asked_about():
    f, score = network(3)
    rng = np.random.default_rng(3)
    background = rng.integers(0, 2, size=(15, FEATURES)).astype(float)
    row = rng.integers(0, 2, FEATURES).astype(float)
    one = ladder(score, background)
    found = explained(one, row)
    distinct = np.unique(background, axis=0)
    differing = (distinct != row).sum(axis=1)
    assert found.evaluations == sum(2**d - 2 for d in differing if d > 0)
    np.testing.assert_allclose(
        found.values, by_definition(interventional(f, row, background), FEATURES), atol=1e-13
    )


def test_sampling_asks_only_about_features_that_differ_and_ends_with_every_coalition():
    f, score = network(4)
    rng = np.random.default_rng(4)
    background = rng.integers(0, 2, size=(15, FEATURES)).astype(float)
    row = rng.integers(0, 2, FEATURES).astype(float)
    found = explained(ladder(score, background, exact=0, error=1e-12), row)
    differing = (np.unique(background, axis=0) != row).sum(axis=1)
    assert found.evaluations == sum(2**d - 2 for d in differing if d > 0)
    assert found.exact
    np.testing.assert_allclose(
        found.values, by_definition(interventional(f, row, background), FEATURES), atol=1e-12
    )


def test_sampled_standard_errors_are_honest():
    # errors of 40 draws of all samples, for 10 rows: 1.96 standard errors hold about 95 %
    _, score = network(11, 10)
    rng = np.random.default_rng(11)
    background, rows = rng.normal(size=(30, 10)).round(), rng.normal(size=(10, 10)).round()
    exact = all_explained(ladder(score, background), rows).values
    held, claimed, missed = [], [], []
    for seed in range(40):
        found = all_explained(ladder(score, background, exact=0, error=0.02, seed=seed), rows)
        held.append(np.abs(found.values - exact) <= 1.96 * found.errors + 1e-12)
        claimed.append(found.errors**2)
        missed.append((found.values - exact) ** 2)
    assert 0.93 <= np.mean(held) <= 0.985
    assert 0.95 <= np.sqrt(np.mean(claimed) / np.mean(missed)) <= 1.4


def test_rows_side_by_side_have_the_values_that_they_have_alone():
    _, score = network(12)
    rng = np.random.default_rng(12)
    background, rows = rng.normal(size=(10, FEATURES)).round(1), rng.normal(size=(40, FEATURES)).round(1)
    rows[:, 0] = background[0, 0]
    for exact, error in ((10**9, 1.0), (0, 1.0), (0, 0.05), (800, 0.05)):
        together = all_explained(ladder(score, background, exact=exact, error=error), rows)
        for place in (0, 17, 39):
            alone = explained(ladder(score, background, exact=exact, error=error), rows[place])
            np.testing.assert_allclose(together.values[place], alone.values, atol=1e-12)
            np.testing.assert_allclose(together.errors[place], alone.errors, atol=1e-12)
            assert together.evaluations[place] == alone.evaluations


def test_repeated_background_rows_count_as_often_as_they_stand():
    _, score = network(5)
    rng = np.random.default_rng(5)
    background = rng.normal(size=(4, FEATURES))
    repeated = np.concatenate([background, background[:1], background[:1]])
    row = rng.normal(size=FEATURES)
    kept = background_of(repeated, score)
    assert sorted(kept.weights) == pytest.approx([1 / 6, 1 / 6, 1 / 6, 3 / 6])
    alone = [explained(ladder(score, one[None]), row).values for one in background]
    for exact in (10**9, 0):
        found = explained(ladder(score, repeated, exact=exact, error=1e-12), row)
        np.testing.assert_allclose(found.values, (3 * alone[0] + sum(alone[1:])) / 6, atol=1e-12)


def test_two_missing_values_agree():
    _, score = network(6)
    rng = np.random.default_rng(6)
    background, row = rng.normal(size=(5, FEATURES)), rng.normal(size=FEATURES)
    background[:, 0] = np.nan
    row[0] = np.nan
    found = explained(ladder(score, background), row)
    assert found.values[0] == 0
    assert found.evaluations == 5 * (2 ** (FEATURES - 1) - 2)


def test_a_row_is_sampled_until_its_standard_error_is_small_enough():
    _, score = network(7, 12)
    rng = np.random.default_rng(7)
    background, rows = rng.normal(size=(10, 12)), rng.normal(size=(20, 12))
    exact = all_explained(ladder(score, background), rows).values
    before = 0
    for error in (0.2, 0.1, 0.05):
        found = all_explained(ladder(score, background, exact=0, error=error), rows)
        assert found.relative.max() <= error
        true = np.linalg.norm(found.values - exact, axis=1) / np.linalg.norm(exact, axis=1)
        assert np.sqrt(np.mean(true**2)) < error
        assert found.evaluations.sum() > before
        before = found.evaluations.sum()


def test_sampling_stops_at_the_limit_and_says_how_far_it_came():
    _, score = network(8, 12)
    rng = np.random.default_rng(8)
    background = rng.normal(size=(10, 12))
    found = explained(ladder(score, background, exact=0, error=1e-9, most=2_000), rng.normal(size=12))
    assert 1_000 < found.evaluations <= 2_000
    assert found.relative > 1e-3
    assert not found.exact


def test_many_features():
    rng = np.random.default_rng(9)
    beta = rng.normal(size=70)
    background, row = rng.normal(size=(3, 70)), rng.normal(size=70)
    background[:, 1] = row[1]
    found = explained(ladder(lambda rows: (rows @ beta)[:, None], background, exact=0), row)
    np.testing.assert_allclose(found.values, beta * (row - background.mean(axis=0)), atol=1e-10)


def test_one_of_several_outputs_is_explained():
    rng = np.random.default_rng(10)
    beta = rng.normal(size=(5, 3))
    background, row = rng.normal(size=(7, 5)), rng.normal(size=5)
    one = ladder(lambda rows: rows @ beta, background)
    found = explained(one, row, output=2)
    np.testing.assert_allclose(found.values, beta[:, 2] * (row - background.mean(axis=0)), atol=1e-12)


def test_a_single_feature_takes_the_whole_change():
    found = explained(ladder(lambda rows: rows**2, np.array([[1.0], [3.0]])), np.array([4.0]))
    np.testing.assert_allclose(found.values, [16 - 5])
    assert found.evaluations == 0
