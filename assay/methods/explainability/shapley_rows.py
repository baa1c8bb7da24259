"""A shard's rows explained: by asking the model about coalitions, or by walking its trees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import Context
from assay.methods.explainability.coalitions import CoalitionDesign
from assay.methods.explainability.explained_output import ExplainedOutput, Output, TreeMargin
from assay.methods.explainability.interventional import InterventionalShapley, background_of
from assay.methods.explainability.shapley_params import ShapleyParams
from assay.methods.explainability.tree_shapley import tree_shapley

if TYPE_CHECKING:
    from assay.models.base import Model

__all__ = ["Explanation", "explain_model", "explain_trees"]

Floats = npt.NDArray[np.float64]

_ADDITIVE = 1e-3
"""Walked values whose sum misses the change of the margin by more than this share are not the model's."""


class Explanation(NamedTuple):
    """Of a shard's rows; arrays are named as in `Found`.

    Attributes:
        evaluations: rows that the model answered for each, besides f(x) and the background, (rows,).
        output: what is explained, to be asked again.
        chosen: which output of each row is explained, (rows,).
        walked: whether trees were walked.
    """

    values: Floats
    errors: Floats
    relative: Floats
    exact: npt.NDArray[np.bool_]
    evaluations: npt.NDArray[np.int64]
    explained: Floats
    expected: Floats
    output: Output
    chosen: npt.NDArray[np.int64]
    walked: bool = False


def explain_model(
    model: Model, inputs: Floats, background: Floats, params: ShapleyParams, context: Context
) -> Explanation:
    """Values of the model's score."""
    return _asked(ExplainedOutput(model), inputs, background, params, context)


def explain_trees(
    model: Any, inputs: Floats, background: Floats, params: ShapleyParams, context: Context
) -> Explanation:
    """Values of the margin of trees, walked where the walk is right, else asked for.

    shap cannot walk splits by category; and should a kind of ensemble be walked wrongly, the sums betray it.
    """
    output = TreeMargin(model)
    if all(column.encoding != "code" for column in model.signature.columns):
        found = _walked(output, inputs, background)
        missed = np.abs(found.values.sum(axis=1) - (found.explained - found.expected))
        scale = max(float(np.abs(found.values).sum(axis=1).max()), 1e-6)
        if missed.max() <= _ADDITIVE * scale:
            context.progress(0.9)
            return found
    return _asked(output, inputs, background, params, context)


def _asked(
    output: Output, inputs: Floats, background: Floats, params: ShapleyParams, context: Context
) -> Explanation:
    features = inputs.shape[1]
    known = background_of(background, output.scores)
    always_exact = features < 2 or len(known.rows) * 2.0**features <= params.exact_evaluations
    design = (
        None if always_exact else CoalitionDesign(features, params.most_coalitions, context.rng("coalitions"))
    )
    ladder = InterventionalShapley(
        output.scores, known, design, params.exact_evaluations, params.relative_error
    )
    # identical rows have identical values
    distinct, back = np.unique(inputs, axis=0, return_inverse=True, equal_nan=True)
    back = back.reshape(-1)
    scores = output.scores(distinct)
    chosen = output.chosen(scores)
    found = []
    for place, row in enumerate(distinct):
        found.append(ladder.explain(row, scores[place], int(chosen[place])))
        context.progress(0.9 * (place + 1) / len(distinct))
    return Explanation(
        values=np.stack([one.values for one in found])[back],
        errors=np.stack([one.errors for one in found])[back],
        relative=np.array([one.relative_error for one in found])[back],
        exact=np.array([one.exact for one in found])[back],
        evaluations=np.array([one.evaluations for one in found])[back],
        explained=scores[back, chosen[back]],
        expected=known.expected[chosen[back]],
        output=output,
        chosen=chosen[back],
    )


def _walked(output: TreeMargin, inputs: Floats, background: Floats) -> Explanation:
    """Nothing is asked but f(x) and f of the background."""
    model = output.model
    values = output.joined(
        tree_shapley(
            model.booster,
            model.encode(inputs),
            model.encode(background),
            model.feature_columns,
            inputs.shape[1],
        )
    )
    scores = output.scores(inputs)
    chosen, rows = output.chosen(scores), np.arange(len(inputs))
    return Explanation(
        values=values[rows, :, chosen],
        errors=np.zeros(inputs.shape),
        relative=np.zeros(len(inputs)),
        exact=np.ones(len(inputs), dtype=bool),
        evaluations=np.zeros(len(inputs), dtype=np.int64),
        explained=scores[rows, chosen],
        expected=output.scores(background).mean(axis=0)[chosen],
        output=output,
        chosen=chosen,
        walked=True,
    )
