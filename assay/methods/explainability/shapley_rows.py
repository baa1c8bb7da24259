"""A shard's rows explained: by asking the model about coalitions, or by walking its trees."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import Context
from assay.methods.explainability.coalitions import CoalitionDesign
from assay.methods.explainability.explained_output import ExplainedOutput
from assay.methods.explainability.interventional import InterventionalShapley, background_of
from assay.methods.explainability.shapley_params import ShapleyParams
from assay.methods.explainability.tree_shapley import tree_shapley

if TYPE_CHECKING:
    from assay.models.base import Model

__all__ = ["Explanation", "by_asking", "by_walking"]

Floats = npt.NDArray[np.float64]


class Explanation(NamedTuple):
    """Of a shard's rows; arrays are named as in `Found`.

    Attributes:
        evaluations: rows that the model answered for each, besides f(x) and the background, (rows,).
        chosen: which output of each row is explained, (rows,).
        score: f of any rows, at the output given.
    """

    values: Floats
    errors: Floats
    relative: Floats
    exact: npt.NDArray[np.bool_]
    evaluations: npt.NDArray[np.int64]
    explained: Floats
    expected: Floats
    score: Callable[[npt.NDArray[Any], int], Floats]
    chosen: npt.NDArray[np.int64]


def by_asking(
    model: Model, inputs: Floats, background: Floats, params: ShapleyParams, context: Context
) -> Explanation:
    """Values of the output itself, by asking the model about coalitions."""
    output = ExplainedOutput(model)
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
    scores = output.scores(distinct)
    chosen = output.chosen(scores)
    found = []
    for place, row in enumerate(distinct):
        found.append(ladder.explain(row, scores[place], int(chosen[place])))
        context.progress(0.9 * (place + 1) / len(distinct))
    back = back.reshape(-1)
    return Explanation(
        values=np.stack([one.values for one in found])[back],
        errors=np.stack([one.errors for one in found])[back],
        relative=np.array([one.relative_error for one in found])[back],
        exact=np.array([one.exact for one in found])[back],
        evaluations=np.array([one.evaluations for one in found])[back],
        explained=scores[back, chosen[back]],
        expected=known.expected[chosen[back]],
        score=lambda rows, which: output.scores(rows)[:, which],
        chosen=chosen[back],
    )


def by_walking(
    model: Model, inputs: Floats, background: Floats, params: ShapleyParams, context: Context
) -> Explanation:
    """Values of the margin of trees; nothing is asked but f(x) and f of the background."""
    trees: Any = model
    chosen = ExplainedOutput(model).chosen(model.scores(inputs))
    owner = np.asarray(trees.feature_columns, dtype=np.int64)

    def margins(rows: npt.NDArray[Any]) -> Floats:
        parts = model.in_batches(
            len(rows), lambda piece: np.asarray(trees.margins(trees.encode(rows[piece])))
        )
        found = np.concatenate(parts)
        # two classes with a margin each: their difference is the log-odds
        both = model.signature.task == "binary" and found.shape[1] == 2
        return found[:, 1:] - found[:, :1] if both else found

    values = tree_shapley(
        trees.booster, trees.encode(inputs), trees.encode(background), owner, inputs.shape[1]
    )
    context.progress(0.9)
    if model.signature.task == "binary" and values.shape[2] == 2:
        values = values[:, :, 1:] - values[:, :, :1]
    rows = np.arange(len(inputs))
    return Explanation(
        values=values[rows, :, chosen],
        errors=np.zeros(inputs.shape),
        relative=np.zeros(len(inputs)),
        exact=np.ones(len(inputs), dtype=bool),
        evaluations=np.zeros(len(inputs), dtype=np.int64),
        explained=margins(inputs)[rows, chosen],
        expected=margins(background).mean(axis=0)[chosen],
        score=lambda changed, which: margins(changed)[:, which],
        chosen=chosen,
    )
