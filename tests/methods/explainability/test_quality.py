"""Completeness and deletion have closed forms for linear models."""

from __future__ import annotations

import numpy as np
import pytest

from assay.errors import BadInput
from assay.methods.explainability.quality import (
    completeness_gap,
    deletion_area,
    deletion_curve,
    importance_order,
    random_order,
    removed_features,
)


def test_the_gap_is_the_share_of_the_change_that_the_attributions_miss() -> None:
    phi = np.array([[0.5, 0.5], [0.5, 0.25], [-1.0, 0.0]])
    gap = completeness_gap(phi, np.array([2.0, 2.0, 0.0]), 1.0)
    np.testing.assert_allclose(gap, [0.0, 0.25, 0.0])


def test_each_row_may_have_its_own_expectation() -> None:
    gap = completeness_gap(np.array([[1.0], [1.0]]), np.array([3.0, 3.0]), np.array([2.0, 1.0]))
    np.testing.assert_allclose(gap, [0.0, 0.5])


def test_removing_one_feature_of_a_linear_model_changes_it_by_its_share() -> None:
    beta = np.array([3.0, -2.0, 1.0])
    inputs = np.array([[1.0, 1.0, 1.0], [2.0, 0.0, -1.0]])
    order = importance_order(beta * inputs)
    curve = deletion_curve(
        lambda rows: rows @ beta,
        inputs,
        order,
        np.zeros((1, 3)),
        [1 / 3, 2 / 3, 1.0],
        np.random.default_rng(0),
    )
    np.testing.assert_allclose(curve, [[3.0, 1.0, 2.0], [6.0, 5.0, 5.0]])


def test_the_mean_change_is_over_background_rows() -> None:
    background = np.linspace(-1, 1, 401)[:, None] ** 3
    curve = deletion_curve(
        lambda rows: rows[:, 0],
        np.zeros((1, 1)),
        np.zeros((1, 1), np.int64),
        background,
        [1.0],
        np.random.default_rng(0),
        draws=40_000,
    )
    assert curve[0, 0] == pytest.approx(np.abs(background).mean(), abs=0.005)


def test_the_order_of_importance_changes_the_output_sooner_than_a_random_one() -> None:
    rng = np.random.default_rng(1)
    beta = np.array([5.0, 1.0, 0.2, 0.0, 0.0, 0.0])
    inputs, background = rng.normal(size=(200, 6)), rng.normal(size=(50, 6))
    fractions = [1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1.0]

    def area(order: np.ndarray) -> float:
        rng = np.random.default_rng(2)
        curves = deletion_curve(lambda rows: rows @ beta, inputs, order, background, fractions, rng)
        return float(deletion_area(curves, fractions).mean())

    informed = area(importance_order(beta * (inputs - background.mean(axis=0))))
    assert informed > 1.3 * area(random_order(200, 6, rng))


def test_two_orders_under_one_key_share_their_draws() -> None:
    rng = np.random.default_rng(3)
    inputs, background = rng.normal(size=(20, 4)), rng.normal(size=(30, 4))
    full = [
        deletion_curve(
            lambda rows: rows.sum(axis=1), inputs, order, background, [1.0], np.random.default_rng(4)
        )
        for order in (random_order(20, 4, rng), random_order(20, 4, rng))
    ]
    np.testing.assert_array_equal(*full)


def test_groups_of_pixels_are_removed_together() -> None:
    images = np.ones((2, 1, 2, 2), np.float32)
    groups = [np.array([0, 1]), np.array([2, 3])]
    order = np.array([[0, 1], [1, 0]])
    seen: list[np.ndarray] = []

    def score(rows: np.ndarray) -> np.ndarray:
        seen.append(rows)
        return rows[:, 0, 0].sum(axis=1)

    curve = deletion_curve(
        score,
        images,
        order,
        np.zeros((1, 1, 2, 2)),
        [0.5, 1.0],
        np.random.default_rng(0),
        draws=1,
        groups=groups,
    )
    np.testing.assert_allclose(curve, [[2.0, 2.0], [0.0, 2.0]])
    assert seen[1].shape == (2, 1, 2, 2)


def test_a_fraction_above_0_removes_at_least_one_feature() -> None:
    order = np.array([[2, 0, 1]])
    assert removed_features(order, 0.01).tolist() == [[False, False, True]]
    assert removed_features(order, 0.0).tolist() == [[False, False, False]]
    with pytest.raises(BadInput, match="between 0 and 1"):
        removed_features(order, 1.5)


def test_the_area_is_the_mean_height_of_the_curve() -> None:
    np.testing.assert_allclose(deletion_area(np.array([[1.0, 1.0], [2.0, 4.0]]), [0.5, 1.0]), [0.75, 2.0])
