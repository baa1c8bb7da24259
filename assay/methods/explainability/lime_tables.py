"""LIME for rows of a table: neighbours around the row, and a weighted linear surrogate of the score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import InputColumn

__all__ = ["Surrogate", "TableSurrogates"]

Floats = npt.NDArray[np.float64]
Score = Callable[[Floats], Floats]

FLAT = 1e-9
"""A score that moves by less over the whole neighbourhood has nothing that a surrogate could explain."""


class Surrogate(NamedTuple):
    """A local linear model.

    weights: change of the score for one standard deviation of a number, or for keeping the category
        instead of drawing it anew; (features,).
    contributions: weight x the row's own interpretable value (a number in standard deviations from its
        mean, 1 for a category); what deletion removes first has the largest size; (features,).
    fidelity: R2 of the surrogate on its weighted neighbours; NaN where the score does not move at all.
    """

    weights: Floats
    contributions: Floats
    fidelity: float


class TableSurrogates:
    """Surrogates through `lime.lime_tabular`, in original features.

    Numbers are drawn around the row with their standard deviation in the background; categories, by their
    codes, as often as they occur there (a missing one is a code of its own). A missing number stays missing
    and a number that never varies stays as it is: both have weight 0.

    Args:
        columns: what the model reads.
        background: raw inputs, (B, features).
        samples: neighbours of a row, the row itself among them.
    """

    def __init__(self, columns: Sequence[InputColumn], background: Floats, samples: int) -> None:
        from lime.lime_tabular import LimeTabularExplainer

        self._samples = samples
        self._unknown = np.array([len(c.categories) if c.kind == "category" else -1 for c in columns])
        self._category = self._unknown >= 0
        with np.errstate(invalid="ignore"):
            known = ~np.isnan(background)
            count = np.maximum(known.sum(axis=0), 1)
            self._mean = np.where(known, background, 0.0).sum(axis=0) / count
        fill = np.where(self._category, self._unknown, self._mean)
        coded = np.where(known, background, fill)
        self._constant = ~self._category & (np.ptp(coded, axis=0) == 0)
        # The default, "auto", refits the surrogate once a feature and step where there are up to 6 features.
        self._explainer = LimeTabularExplainer(
            coded,
            mode="regression",
            feature_names=[column.name for column in columns],
            categorical_features=np.flatnonzero(self._category).tolist(),
            discretize_continuous=False,
            sample_around_instance=True,
            feature_selection="highest_weights",
            random_state=0,
        )

    def explain(self, row: Floats, score: Score, seed: int) -> Surrogate:
        """The surrogate of `score` around a raw row, (features,); the seed fixes its neighbours.

        Args:
            score: raw inputs (rows, features) -> (rows,).
        """
        missing = np.isnan(row)
        held = (missing & ~self._category) | self._constant
        start = np.where(missing, np.where(self._category, self._unknown, self._mean), row)
        seen: list[Floats] = []

        def asked(neighbours: Floats) -> Floats:
            raw = np.where(self._category & (neighbours == self._unknown), np.nan, neighbours)
            raw[:, held] = row[held]
            seen.append(score(raw))
            return seen[-1]

        state = np.random.RandomState(seed)
        self._explainer.random_state = self._explainer.base.random_state = state
        found = self._explainer.explain_instance(
            start, asked, num_features=row.size, num_samples=self._samples
        )
        mean, scale = self._explainer.scaler.mean_, self._explainer.scaler.scale_
        weights = np.zeros(row.size)
        for feature, weight in found.local_exp[1]:
            weights[feature] = weight
        weights[held] = 0.0
        place = np.where(self._category, 1.0, (start - mean) / scale)
        fidelity = float(found.score) if np.ptp(seen[0]) > FLAT else np.nan
        return Surrogate(weights, weights * place, fidelity)
