"""A shard's rows explained: by asking the model about coalitions, or by walking its trees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import Context
from assay.methods.explainability.explained_output import ExplainedOutput, Output, TreeMargin
from assay.methods.explainability.interventional import Explained, InterventionalShapley, background_of
from assay.methods.explainability.shapley_params import ShapleyParams
from assay.methods.explainability.tree_shapley import tree_shapley

if TYPE_CHECKING:
    from assay.models.base import Model

__all__ = ["Explanation", "explain_model", "explain_trees"]

Floats = npt.NDArray[np.float64]

_ADDITIVE = 1e-3
"""Walked values whose sum misses the change of the margin by more than this share are not the model's."""


_STEP = 16
"""Rows between two reports of progress."""


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

    shap refuses splits by category; and should a kind of ensemble be walked wrongly, the sums betray it.
    """
    output = TreeMargin(model)
    try:
        found = _walked(output, inputs, background)
    except NotImplementedError:
        return _asked(output, inputs, background, params, context)
    missed = np.abs(found.values.sum(axis=1) - (found.explained - found.expected))
    scale = max(float(np.abs(found.values).sum(axis=1).max()), 1e-6)
    if missed.max() > _ADDITIVE * scale:
        return _asked(output, inputs, background, params, context)
    context.progress(0.9)
    return found


def _asked(
    output: Output, inputs: Floats, background: Floats, params: ShapleyParams, context: Context
) -> Explanation:
    known = background_of(background, output.scores)
    # identical rows have identical values
    distinct, back = np.unique(inputs, axis=0, return_inverse=True, equal_nan=True)
    back = back.reshape(-1)
    scores = output.scores(distinct)
    chosen = output.chosen(scores)
    done = 0

    def tick() -> None:
        context.progress(0.9 * done / len(distinct))

    ladder = InterventionalShapley(
        output.scores,
        known,
        lambda players: context.rng("coalitions", players),
        params.exact_evaluations,
        params.most_evaluations,
        params.relative_error,
        tick,
    )
    parts = []
    for done in range(0, len(distinct), _STEP):
        piece = slice(done, done + _STEP)
        parts.append(ladder.explain(distinct[piece], scores[piece], chosen[piece]))
    found = Explained(*(np.concatenate(arrays)[back] for arrays in zip(*parts, strict=True)))
    return Explanation(
        values=found.values,
        errors=found.errors,
        relative=found.relative,
        exact=found.exact,
        evaluations=found.evaluations,
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
