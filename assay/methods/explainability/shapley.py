"""How much does each feature move the model's output?

Interventional Shapley values of sampled rows against a background, exact or sampled with standard errors
(interventional.py), or by walking trees (tree_shapley.py), and what they say about the model.
User's page: docs/methods/explainability.shapley.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import (
    Context,
    DatasetRole,
    Estimate,
    MergeContext,
    MethodResult,
    MethodSpec,
    Partial,
    Profile,
    ShardSpec,
    SubjectProtocol,
)
from assay.methods.checked_arrays import check_arrays, flagged, floats
from assay.methods.explainability.quality import deletion_changes, importance_order, random_order
from assay.methods.explainability.shapley_found import Found
from assay.methods.explainability.shapley_measures import shapley_result
from assay.methods.explainability.shapley_params import ShapleyParams
from assay.methods.explainability.shapley_rows import Explanation, explain_model, explain_trees
from assay.methods.explainability.shapley_specs import CITATIONS, PREFIX, SPECS
from assay.methods.sharding import row_shards

__all__ = ["METHOD", "Shapley", "removal_steps"]

Floats = npt.NDArray[np.float64]

_SHARD_ROWS = 50
_MOST_STEPS = 20
"""Points of the deletion curve."""
_DRAWS = 8
"""Background rows that each explained row is compared with at each point of the deletion curve."""
_ORDERS = 4
"""Random orders that the order of the attributions is compared with."""


class Shapley:
    """One shard is some of the explained rows: [first_row, stop_row) of the sample, not of the dataset."""

    spec = MethodSpec(
        id=PREFIX,
        version="1.0",
        title="Shapley attributions",
        pillar="explainability",
        summary="How much each feature moves the model's output, how much of that rests on sensitive "
        "attributes, and whether the attributions hold: do they add up, how exact are they, and does "
        "replacing the features that they name change the output sooner than replacing any others.",
        needs=("query",),
        tasks=("binary", "multiclass", "regression"),
        modalities=("table",),
        measures=SPECS,
        deterministic=True,
        citations=CITATIONS,
    )
    Params = ShapleyParams

    def estimate(self, profile: Profile, params: ShapleyParams) -> Estimate:
        features, rows = _features(profile), min(params.rows, profile.asked.rows)
        background = min(params.background, _background_rows(profile))
        checks = (1 + _ORDERS) * len(removal_steps(features)) * _DRAWS
        if _trees(profile):
            assert profile.model is not None
            walked = rows * background * profile.model.parameters * 2e-8
            return Estimate(evaluations=rows * checks, seconds=round(2 + walked, 3), memory_bytes=600_000_000)
        alike = _alike(profile)
        exact = background * float(np.exp2(np.minimum(np.log2(2 - alike).sum(), 60)))
        # the smallest samples, four coalitions a differing feature, come to about 4 % against 100 rows
        larger = max(1.0, 0.04 / params.relative_error * (100 / background) ** 0.5)
        first = min(exact, 4.0 * float((1 - alike).sum()) * background)
        sampled = min(exact, max(first, min(first * larger, params.most_evaluations)))
        each = exact if exact <= params.exact_evaluations else sampled
        evaluations = background + rows * (1 + round(each) + checks)
        return Estimate(
            evaluations=evaluations, seconds=round(0.2 + rows * 0.003, 3), memory_bytes=600_000_000
        )

    def plan(
        self, profile: Profile, params: ShapleyParams, stage: int, earlier: Sequence[Partial]
    ) -> Sequence[ShardSpec]:
        rows = min(params.rows, profile.asked.rows)
        return row_shards(self.spec.id, rows, size=_SHARD_ROWS) if stage == 0 else ()

    def run(
        self, shard: ShardSpec, subject: SubjectProtocol, params: ShapleyParams, context: Context
    ) -> Partial:
        """Explain the shard's rows; then replace their features in the order of |phi|, and at random."""
        profile = subject.profile
        sample = _sample(profile.asked.rows, params.rows, context.rng("rows"))
        places = np.arange(shard.first_row, shard.stop_row)
        inputs = np.asarray(subject.inputs(profile.asked_role, sample[places]), dtype=np.float64)
        role = _background_role(profile)
        dataset = profile.dataset(role)
        assert dataset is not None
        drawn = _sample(dataset.rows, params.background, context.rng("background"))
        background = np.asarray(subject.inputs(role, drawn), dtype=np.float64)
        explain = explain_trees if _trees(profile) else explain_model
        found = explain(subject.model, inputs, background, params, context)
        steps = removal_steps(inputs.shape[1])
        compared = context.rng("deletion").integers(0, len(background), size=(len(sample), _DRAWS))[places]

        def curve(order: npt.NDArray[np.int64]) -> Floats:
            changes = np.zeros((len(inputs), len(steps)))
            for which in np.unique(found.chosen).tolist():
                rows = np.flatnonzero(found.chosen == which)
                changes[rows] = deletion_changes(
                    partial(_score_of, found, which),
                    inputs[rows],
                    order[rows],
                    background,
                    steps,
                    compared[rows],
                )
            return changes

        own = curve(importance_order(found.values))
        at_random = np.zeros_like(own)
        for number in range(_ORDERS):
            order = random_order(len(sample), inputs.shape[1], context.rng("order", number))[places]
            at_random += curve(order) / _ORDERS
            context.progress(0.9 + 0.1 * (number + 1) / _ORDERS)
        checks = 1 + (1 + _ORDERS) * len(steps) * _DRAWS
        return Partial(
            method=self.spec.id,
            stage=shard.stage,
            index=shard.index,
            data={
                "evaluations": int((found.evaluations + checks).sum()),
                "background": len(background),
                "walked": found.walked,
            },
            arrays={
                "values": found.values,
                "errors": found.errors,
                "relative": found.relative,
                "exact": found.exact,
                "explained": found.explained,
                "expected": found.expected,
                "changes": own,
                "random_changes": at_random,
            },
        )

    def merge(
        self, partials: Sequence[Partial], profile: Profile, params: ShapleyParams, context: MergeContext
    ) -> MethodResult:
        features = _features(profile)
        one, each = floats("rows"), floats("rows", features)
        curve = floats("rows", len(removal_steps(features)))
        wanted = {"values": each, "errors": each, "relative": one, "exact": flagged("rows")}
        wanted |= {"explained": one, "expected": one, "changes": curve, "random_changes": curve}
        check_arrays(self.spec.id, partials, wanted, rows=min(params.rows, profile.asked.rows))

        def joined(name: str) -> npt.NDArray[Any]:
            return np.concatenate([partial.arrays[name] for partial in partials])

        background = int(partials[0].data["background"])
        found = Found(
            features=_names(profile),
            values=joined("values"),
            errors=joined("errors"),
            relative=joined("relative"),
            exact=joined("exact").astype(bool),
            explained=joined("explained"),
            expected=joined("expected"),
            changes=joined("changes"),
            random_changes=joined("random_changes"),
            steps=removal_steps(features),
            evaluations=sum(int(partial.data["evaluations"]) for partial in partials) + background,
            background=background,
            background_role=_background_role(profile),
            trees=_trees(profile),
            walked=all(partial.data["walked"] for partial in partials),
        )
        return shapley_result(found, profile, params, context)


def _score_of(found: Explanation, which: int, rows: Floats) -> Floats:
    return found.output.scores(rows)[:, which]


def removal_steps(features: int) -> tuple[float, ...]:
    """Shares of the features that are replaced: one by one, or twenty steps where there are more."""
    steps = min(features, _MOST_STEPS)
    return tuple((step + 1) / steps for step in range(steps))


def _trees(profile: Profile) -> bool:
    return profile.model is not None and profile.model.format in ("lightgbm_text", "xgboost_json")


def _names(profile: Profile) -> tuple[str, ...]:
    assert profile.model_signature is not None
    return tuple(column.name for column in profile.model_signature.columns)


def _features(profile: Profile) -> int:
    return len(_names(profile))


def _alike(profile: Profile) -> Floats:
    """Chance that two rows agree in each feature, as the rows at hand have it; 0 for numbers, (features,).

    Of features that are independent, E 2^d = product of (2 - chance).
    """
    columns = {column.name: column for column in profile.asked.columns}
    found = []
    for name in _names(profile):
        counts = np.array(columns[name].counts if name in columns else (), dtype=np.float64)
        found.append(float(((counts / max(counts.sum(), 1)) ** 2).sum()))
    return np.array(found)


def _background_role(profile: Profile) -> DatasetRole:
    return "training" if profile.dataset("training") is not None else profile.asked_role


def _background_rows(profile: Profile) -> int:
    dataset = profile.dataset(_background_role(profile))
    return 0 if dataset is None else dataset.rows


def _sample(rows: int, wanted: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Distinct rows in rising order: all of them where no more are wanted."""
    return np.sort(rng.choice(rows, size=min(rows, wanted), replace=False)).astype(np.int64)


METHOD = Shapley()
