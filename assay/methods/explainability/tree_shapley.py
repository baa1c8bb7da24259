"""Shapley values of trees on their margin, by walking the trees instead of asking the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import xgboost

__all__ = ["tree_shapley"]

Floats = npt.NDArray[np.float64]


def tree_shapley(
    booster: xgboost.Booster,
    encoded: npt.NDArray[np.float32],
    background: npt.NDArray[np.float32],
    owner: npt.NDArray[np.int64],
    columns: int,
) -> Floats:
    """Interventional values of the trees' summed leaves, (rows, columns, outputs).

    The values of the indicators of one category column are added up. That sum is how much the column's
    indicators contribute as separate players, not the value of the column as one player.

    Args:
        encoded: rows as the booster reads them, (rows, features).
        background: (B, features); a row counts as often as it stands there.
        owner: column of each feature, (features,).
        columns: how many columns there are.

    Source: Lundberg et al. 2020 (interventional TreeSHAP), as `shap.TreeExplainer` computes it.
    """
    import shap

    # given a bare array, shap would keep 100 rows of it and not say so
    masker = shap.maskers.Independent(background, max_samples=len(background))
    explainer = shap.TreeExplainer(
        booster, data=masker, feature_perturbation="interventional", model_output="raw"
    )
    found = np.asarray(explainer.shap_values(encoded, check_additivity=False), dtype=np.float64)
    found = found.reshape(len(encoded), len(owner), -1)
    summed = np.zeros((len(encoded), columns, found.shape[2]))
    for feature, column in enumerate(owner):
        summed[:, column] += found[:, feature]
    return summed
