from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, log_loss

from assay.contracts import ColumnSummary
from assay.methods.score_cells import Grid, ScoreCells, count_scores, grid_for, merge_scores
from assay.methods.score_sample import sample_of
from assay.stats.ranking import area_under_curve, binning_error
from tests.stats.score_data import noisy


def positive(stratum):
    return stratum % 2 == 1


def counted(scores, labels, grid: Grid, shards: int = 1) -> ScoreCells:
    parts = [
        count_scores([(s, y.astype(np.int64))], 2, grid, positive)
        for s, y in zip(np.array_split(scores, shards), np.array_split(labels, shards), strict=True)
    ]
    return merge_scores(parts, grid, positive)


def sample(cells: ScoreCells):
    return sample_of(cells, np.arange(cells.cell.size), positive(cells.stratum), None)


def column(distinct: int | None) -> ColumnSummary:
    return ColumnSummary(
        name="p", kind="number", rows=1, missing=0, distinct=distinct, minimum=0.0, maximum=1.0
    )


def test_few_rows_or_few_scores_are_kept_exactly():
    assert grid_for(1_000_000, column(None), 2).exact
    assert grid_for(50_000_000, column(9_999), 2).exact


def test_many_scores_fall_into_a_grid_that_fits_in_memory():
    assert grid_for(1_000_001, column(None), 2) == Grid(65_536, 0.0, 1.0)
    assert grid_for(10_000_000, column(None), 36).bins == 8_192
    assert grid_for(10_000_000, column(None), 10**9).bins == 1_024


def test_the_ends_of_the_grid_take_what_rounding_of_the_profile_leaves_outside():
    grid = Grid(10, 0.1, 0.9)
    assert list(grid.place(np.array([0.1 - 1e-9, 0.1, 0.5, 0.9, 0.9 + 1e-9]))) == [0, 0, 5, 9, 9]
    assert list(Grid(10, 0.5, 0.5).place(np.array([0.5]))) == [0]


@pytest.mark.parametrize("shards", [1, 7])
def test_a_binned_auc_is_within_its_stated_error_and_proper_scores_are_exact(shards):
    scores, labels = noisy(200_000, 1)
    exact = sample(counted(scores, labels, Grid(0), shards))
    binned = sample(counted(scores, labels, Grid(1_024, float(scores.min()), float(scores.max())), shards))
    bound = binning_error(binned.negatives, binned.positives)
    gap = abs(
        area_under_curve(binned.negatives, binned.positives)
        - area_under_curve(exact.negatives, exact.positives)
    )
    assert binned.scores.size <= 1_024
    assert gap <= bound < 0.001
    assert binned.mean("brier", 0.95).value == pytest.approx(brier_score_loss(labels, scores), abs=1e-12)
    assert binned.mean("log_loss", 0.95).value == pytest.approx(log_loss(labels, scores), abs=1e-12)
    assert binned.score_sum.sum() == pytest.approx(scores.sum(), rel=1e-12)


@pytest.mark.parametrize("grid", [Grid(0), Grid(1_024, 0.0, 1.0)])
def test_counts_do_not_depend_on_the_sharding(grid):
    scores, labels = noisy(10_000, 2, digits=3)
    one, many = counted(scores, labels, grid), counted(scores, labels, grid, 9)
    assert np.array_equal(one.cell, many.cell)
    assert np.array_equal(one.stratum, many.stratum)
    assert np.array_equal(one.count, many.count)
    assert one.scores == pytest.approx(many.scores, rel=1e-13)


def test_equal_entries_are_added_up_while_they_wait(monkeypatch):
    monkeypatch.setattr("assay.methods.score_cells._PENDING", 100)
    scores, labels = noisy(5_000, 3)
    batches = [(s, y) for s, y in zip(np.array_split(scores, 50), np.array_split(labels, 50), strict=True)]
    arrays = count_scores(batches, 2, Grid(64, 0.0, 1.0), positive)
    assert arrays["sums"][:, 0].sum() == 5_000
    assert len(arrays["cell"]) <= 128
