"""Interventional values of one row: closed forms, shap's exact enumeration, and what is never asked twice."""

from __future__ import annotations

import numpy as np
import pytest

from assay.methods.explainability.coalitions import CoalitionDesign
from assay.methods.explainability.interventional import InterventionalShapley, background_of
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


def ladder(score, background, *, exact=10**9, error=0.05, most=4_096, seed=0):
    features = background.shape[1]
    design = CoalitionDesign(features, most, np.random.default_rng(seed)) if exact == 0 else None
    return InterventionalShapley(score, background_of(background, score), design, exact, error)


def explained(one, row, output=0):
    return one.explain(row, one.score(row[None])[0], output)


def test_a_linear_model_has_its_closed_form():
    # phi_j = beta_j (x_j - mean of the background's column j)
    rng = np.random.default_rng(0)
    beta, background, row = rng.normal(size=6), rng.normal(size=(40, 6)), rng.normal(size=6)
    expected = beta * (row - background.mean(axis=0))
    for exact in (10**9, 0):
        found = explained(ladder(lambda rows: (rows @ beta)[:, None], background, exact=exact), row)
        np.testing.assert_allclose(found.values, expected, atol=1e-12)
        assert found.relative_error < 1e-12


def test_exact_values_equal_the_definition_and_shaps_exact_explainer():
    f, score = network(1)
    rng = np.random.default_rng(1)
    background, rows = rng.normal(size=(20, FEATURES)), rng.normal(size=(3, FEATURES))
    masker = shap.maskers.Independent(background, max_samples=len(background))
    peer = shap.ExactExplainer(f, masker)(rows).values
    ours = np.stack([explained(ladder(score, background), row).values for row in rows])
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


def test_sampling_remembers_what_it_asked():
    f, score = network(4)
    rng = np.random.default_rng(4)
    background = rng.integers(0, 2, size=(15, FEATURES)).astype(float)
    row = rng.integers(0, 2, FEATURES).astype(float)
    found = explained(ladder(score, background, exact=0, error=1e-12), row)
    differing = (np.unique(background, axis=0) != row).sum(axis=1)
    assert found.evaluations == sum(2**d - 2 for d in differing if d > 0)
    np.testing.assert_allclose(
        found.values, by_definition(interventional(f, row, background), FEATURES), atol=1e-12
    )


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
    exact = np.stack([explained(ladder(score, background), row).values for row in rows])
    before = 0
    for error in (0.2, 0.1, 0.05):
        one = ladder(score, background, exact=0, error=error)
        found = [explained(one, row) for row in rows]
        assert max(f.relative_error for f in found) <= error
        true = [np.linalg.norm(f.values - e) / np.linalg.norm(e) for f, e in zip(found, exact, strict=True)]
        assert np.sqrt(np.mean(np.square(true))) < 1.2 * error
        asked = sum(f.evaluations for f in found)
        assert asked > before
        before = asked


def test_sampling_stops_at_the_limit_and_says_how_far_it_came():
    _, score = network(8, 12)
    rng = np.random.default_rng(8)
    background = rng.normal(size=(10, 12))
    found = explained(ladder(score, background, exact=0, error=1e-9, most=200), rng.normal(size=12))
    assert found.coalitions <= 200
    assert found.evaluations == found.coalitions * 10
    assert found.relative_error > 1e-3
    assert not found.exact


def test_more_features_than_a_key_has_bits():
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
