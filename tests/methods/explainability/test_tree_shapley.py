"""Trees: shap's tree walk against the definition, columns put back together, nothing dropped in silence."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost

from assay.methods.explainability.tree_shapley import tree_shapley
from tests.methods.explainability.games import by_definition, interventional
from tests.methods.explainability.peers import shap

FEATURES = 7


def trained(outputs=1, *, features=FEATURES, rounds=12, missing=0.0, seed=0):
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(400, features)).astype(np.float32)
    rows[rng.random(rows.shape) < missing] = np.nan
    filled = np.nan_to_num(rows)
    signal = filled[:, 0] * filled[:, 1] + filled[:, 2] + 0.5 * (filled[:, 3] > 0) * filled[:, 4]
    if outputs == 1:
        label, params = (signal > 0).astype(int), {"objective": "binary:logistic"}
    else:
        label = np.digitize(signal, [-0.5, 0.7])
        params = {"objective": "multi:softprob", "num_class": outputs}
    matrix = xgboost.DMatrix(rows, label=label)
    booster = xgboost.train({**params, "max_depth": 4, "nthread": 1, "base_score": 0.3}, matrix, rounds)
    return booster, rows


def margins(booster, rows):
    found = booster.predict(xgboost.DMatrix(np.asarray(rows, np.float32)), output_margin=True)
    return found.astype(np.float64).reshape(len(rows), -1)


@pytest.mark.parametrize(("outputs", "missing"), [(1, 0.0), (1, 0.2), (3, 0.0)])
def test_walked_values_equal_the_definition_on_the_margin(outputs, missing):
    booster, rows = trained(outputs, missing=missing)
    inputs, background = rows[:3], rows[100:130]
    found = tree_shapley(booster, inputs, background, np.arange(FEATURES), FEATURES)
    for row, values in zip(inputs, found, strict=True):
        for output in range(outputs):
            game = interventional(lambda r, o=output: margins(booster, r)[:, o], row, background)
            np.testing.assert_allclose(values[:, output], by_definition(game, FEATURES), atol=2e-6)


def test_walked_values_add_up_to_the_margin_whatever_the_base_score():
    booster, rows = trained()
    found = tree_shapley(booster, rows[:50], rows[100:180], np.arange(FEATURES), FEATURES)[:, :, 0]
    change = margins(booster, rows[:50])[:, 0] - margins(booster, rows[100:180]).mean()
    np.testing.assert_allclose(found.sum(axis=1), change, atol=5e-6)


def test_indicators_of_a_column_are_added_up():
    booster, rows = trained()
    apart = tree_shapley(booster, rows[:5], rows[100:120], np.arange(FEATURES), FEATURES)
    owner = np.array([0, 1, 1, 1, 2, 3, 3])
    together = tree_shapley(booster, rows[:5], rows[100:120], owner, 4)
    np.testing.assert_allclose(together[:, 1], apart[:, 1:4].sum(axis=1))
    np.testing.assert_allclose(together[:, 3], apart[:, 5:].sum(axis=1))


def test_every_background_row_counts_though_shap_alone_would_keep_100():
    booster, rows = trained()
    background = np.concatenate([rows[:100], rows[:150] + 3])
    alone = shap.TreeExplainer(booster, data=background, feature_perturbation="interventional")
    assert len(alone.data) == 100
    found = tree_shapley(booster, rows[:20], background, np.arange(FEATURES), FEATURES)[:, :, 0]
    change = margins(booster, rows[:20])[:, 0] - margins(booster, background).mean()
    np.testing.assert_allclose(found.sum(axis=1), change, atol=5e-6)
