"""Grids, frames and concentration of maps, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from assay.methods.explainability.concentration import gini, normalised_entropy, share_inside
from assay.methods.explainability.patches import border_frame, coarse_map, patch_of_pixel


def test_superpixels_cover_each_pixel_once() -> None:
    patches = patch_of_pixel(5, 7, 3)
    assert patches.shape == (5, 7)
    assert np.unique(patches).size == 9
    assert np.bincount(patches.ravel()).tolist() == [6, 4, 4, 6, 4, 4, 3, 2, 2]
    assert patch_of_pixel(2, 2, 8).tolist() == [[0, 1], [2, 3]]


def test_a_coarse_map_holds_the_means_of_its_superpixels() -> None:
    pixels = np.arange(16.0).reshape(1, 4, 4)
    assert coarse_map(pixels, 2).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]


def test_the_frame_is_an_eighth_deep() -> None:
    assert border_frame(24, 24).mean() == pytest.approx(1 - (18 / 24) ** 2)
    assert border_frame(8, 16).sum() == 8 * 16 - 6 * 12
    assert border_frame(3, 3).sum() == 8


def test_one_cell_is_fully_concentrated_and_even_cells_are_not() -> None:
    maps = np.array([[0.0, 0.0, 0.0, 2.0], [3.0, 3.0, 3.0, 3.0], [0.0, 0.0, 1.0, 1.0], [0.0] * 4])
    np.testing.assert_allclose(normalised_entropy(maps), [0.0, 1.0, 0.5, np.nan])
    np.testing.assert_allclose(gini(maps), [0.75, 0.0, 0.5, np.nan])
    np.testing.assert_allclose(share_inside(maps, np.array([0, 0, 0, 1], bool)), [1.0, 0.25, 0.5, np.nan])
