"""What does a local linear surrogate say that the model looks at, and how far can it be believed?

Each explained row gets two surrogates from different neighbours: the first is measured, the second shows how
much of it is chance. User's page: docs/methods/explainability.lime.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from assay.contracts import (
    Context,
    Estimate,
    Measure,
    MergeContext,
    MethodResult,
    MethodSpec,
    Params,
    Partial,
    Profile,
    Series,
    ShardSpec,
    SubjectProtocol,
    Tier,
)
from assay.methods.checked_arrays import check_arrays, floats
from assay.methods.explainability.agreement import rank_agreement, sign_agreement, top_overlap
from assay.methods.explainability.explained import (
    AskedModel,
    background_inputs,
    class_in_question,
    explained_rows,
)
from assay.methods.explainability.feature_means import attribution_series, feature_measures
from assay.methods.explainability.lime_specs import CITATIONS, SPECS
from assay.methods.explainability.lime_tables import Surrogate, TableSurrogates
from assay.methods.explainability.lime_texts import IndexedText, TextSurrogates
from assay.methods.explainability.removal import (
    FRACTIONS,
    RANDOM_ORDERS,
    Removal,
    deletion_series,
    masked_curves,
    removal,
    removal_gain,
    replaced_curves,
)
from assay.methods.explainability.row_means import row_measure
from assay.methods.sharding import row_shards

__all__ = ["METHOD", "Lime"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
_SPECS = {spec.id.rpartition(".")[2]: spec for spec in SPECS}
_PER_ROW = ("fidelity", "stability_overlap", "stability_rank", "stability_sign")


class LimeParams(Params):
    rows: Annotated[int, Field(ge=10, le=10_000)] = Field(100, description="Rows of a table explained.")
    samples: Annotated[int, Field(ge=100, le=100_000)] = Field(
        5_000, description="Neighbours of a row that its surrogate is fitted to."
    )
    text_rows: Annotated[int, Field(ge=10, le=10_000)] = Field(20, description="Texts explained.")
    text_samples: Annotated[int, Field(ge=50, le=100_000)] = Field(
        500, description="Neighbours of a text that its surrogate is fitted to."
    )
    background: Annotated[int, Field(ge=10, le=100_000)] = Field(
        2_000, description="Training rows that spreads and frequencies come from."
    )
    top: Annotated[int, Field(ge=1, le=100)] = Field(5, description="Features compared for stability.")
    draws: Annotated[int, Field(ge=1, le=1_000)] = Field(
        8, description="Background rows that removed features are replaced from."
    )
    level: Annotated[float, Field(ge=0.5, le=0.9999)] = Field(0.95, description="Confidence level.")

    @classmethod
    def tier_defaults(cls, tier: Tier) -> dict[str, Any]:
        """Rows and neighbours of the tiers that are not standard."""
        few = {"rows": 40, "samples": 2_000, "text_rows": 10, "text_samples": 150}
        many = {"rows": 500, "samples": 10_000, "text_rows": 100, "text_samples": 2_000}
        return {"quick": few, "deep": many}.get(tier, {})


class Lime:
    """Local linear surrogates of tables and texts through the package `lime`."""

    spec = MethodSpec(
        id="explainability.lime",
        version="1.0",
        title="LIME: local linear surrogates",
        pillar="explainability",
        summary="Which features a linear model fitted around single rows names, how well it fits the model "
        "there, whether it names them again from other neighbours, and whether removing them matters.",
        needs=("query",),
        tasks=("binary", "multiclass", "regression"),
        modalities=("table", "text"),
        measures=SPECS,
        deterministic=True,
        citations=CITATIONS,
    )
    Params = LimeParams

    def estimate(self, profile: Profile, params: LimeParams) -> Estimate:
        rows = _rows(profile, params)
        table = profile.modality == "table"
        samples = params.samples if table else params.text_samples
        fit = 3e-6 * samples * max(len(_features(profile)), 10) if table else 2e-4 * samples
        return Estimate(
            evaluations=rows * _evaluations(profile, params),
            seconds=round(1.0 + 2 * rows * (0.01 + fit), 3),
            memory_bytes=300_000_000 + 24 * samples * max(len(_features(profile)), 1),
        )

    def plan(
        self, profile: Profile, params: LimeParams, stage: int, earlier: Sequence[Partial]
    ) -> Sequence[ShardSpec]:
        return row_shards(self.spec.id, _rows(profile, params)) if stage == 0 else ()

    def run(
        self, shard: ShardSpec, subject: SubjectProtocol, params: LimeParams, context: Context
    ) -> Partial:
        """Explain the shard's part of the drawn rows: weights, fidelity, agreement, deletion, row by row."""
        profile = subject.profile
        rows = explained_rows(profile, _rows(profile, params), context)[shard.first_row : shard.stop_row]
        asked = AskedModel(subject.model, context, len(rows) * (_evaluations(profile, params) + 1))
        inputs = subject.inputs(profile.asked_role, rows)
        outputs = class_in_question(subject.model, asked.scores(inputs))
        if profile.modality == "table":
            explain = _table_explainer(subject, params, context, asked)
        else:
            explain = _text_explainer(params, context, asked)
        found = [explain(inputs[i], int(outputs[i]), int(row)) for i, row in enumerate(rows)]
        arrays = {name: np.array([one[name] for one in found]) for name in (found[0] if found else {})}
        return Partial(method=self.spec.id, stage=shard.stage, index=shard.index, arrays=arrays)

    def merge(
        self, partials: Sequence[Partial], profile: Profile, params: LimeParams, context: MergeContext
    ) -> MethodResult:
        filled = [partial for partial in partials if partial.arrays]
        curve = floats("rows", len(FRACTIONS))
        wanted = {**dict.fromkeys(_PER_ROW, floats("rows")), "informed": curve, "random": curve}
        if profile.modality == "table":
            wanted["weights"] = floats("rows", len(_features(profile)))
        check_arrays(self.spec.id, filled, wanted, rows=_rows(profile, params))
        used = [partial.arrays for partial in filled]
        found = {name: np.concatenate([arrays[name] for arrays in used]) for name in used[0]}
        grade, level = context.grade, params.level
        measures: list[Measure] = []
        series: list[Series] = []
        if "weights" in found:
            names = _features(profile)
            measures += feature_measures(
                _SPECS["mean_absolute_weight"], names, np.abs(found["weights"]), level, grade
            )
            series += attribution_series(self.spec.id, measures, "Mean absolute LIME weight")
        flat = "the score does not move around the other rows"
        for name in _PER_ROW:
            bounds = (-math.inf, 1.0) if name == "fidelity" else (0.0, 1.0)
            measures.append(
                row_measure(_SPECS[name], found[name], level, grade, bounds=bounds, undefined=flat)
            )
        gain = removal_gain(found["informed"], found["random"])
        few = "the other rows have fewer than two features to remove"
        measures.append(row_measure(_SPECS["deletion_gain"], gain, level, grade, undefined=few))
        series += deletion_series(
            self.spec.id,
            found["informed"],
            found["random"],
            level,
            "score",
            "Change of the score while features are removed",
        )
        return MethodResult(
            measures=tuple(measures), series=tuple(series), notes=_notes(profile, params, found)
        )


def _rows(profile: Profile, params: LimeParams) -> int:
    asked = params.rows if profile.modality == "table" else params.text_rows
    return min(asked, profile.asked.rows)


def _features(profile: Profile) -> tuple[str, ...]:
    signature = profile.model_signature
    return () if signature is None else tuple(column.name for column in signature.columns)


def _evaluations(profile: Profile, params: LimeParams) -> int:
    """Model calls for one explained row."""
    curves = (1 + RANDOM_ORDERS) * (len(FRACTIONS) * (params.draws if profile.modality == "table" else 1) + 1)
    samples = params.samples if profile.modality == "table" else params.text_samples
    return 2 * samples + curves


def _seeds(context: Context, row: int) -> list[int]:
    return [int(seed) for seed in context.rng("neighbours", row).integers(0, 2**32, size=2)]


Explain = Callable[[Any, int, int], dict[str, Any]]
"""(raw input, output in question, row number) -> what is kept of one explained row."""


def _table_explainer(
    subject: SubjectProtocol, params: LimeParams, context: Context, asked: AskedModel
) -> Explain:
    background = background_inputs(subject, params.background, context)
    surrogates = TableSurrogates(subject.model.signature.columns, background, params.samples)

    def explain(inputs: Floats, output: int, row: int) -> dict[str, Any]:
        def score(rows: Floats) -> Floats:
            return asked.score(rows, output)

        def curves(orders: Integers) -> Floats:
            rng = context.rng("replacements", row)
            return replaced_curves(score, inputs, background, params.draws, orders, rng)

        first, second = (surrogates.explain(inputs, score, seed) for seed in _seeds(context, row))
        removed = _removed(first, curves, context.rng("orders", row))
        return {"weights": first.weights, **_quality(first, second, removed, params.top)}

    return explain


def _text_explainer(params: LimeParams, context: Context, asked: AskedModel) -> Explain:
    surrogates = TextSurrogates(params.text_samples)

    def explain(inputs: str, output: int, row: int) -> dict[str, Any]:
        text = IndexedText(inputs)

        def score(texts: list[str]) -> Floats:
            return asked.score(texts, output)

        def without(kept: Floats) -> Floats:
            return score([text.without(np.flatnonzero(one == 0)) for one in kept])

        if text.words == 0:
            empty = Surrogate(np.zeros(1), np.zeros(1), math.nan)
            return _quality(empty, empty, None, params.top)
        first, second = (surrogates.explain(text, score, seed) for seed in _seeds(context, row))
        removed = _removed(first, lambda orders: masked_curves(without, orders), context.rng("orders", row))
        return _quality(first, second, removed, params.top)

    return explain


def _removed(
    first: Surrogate, curves: Callable[[Integers], Floats], rng: np.random.Generator
) -> Removal | None:
    """None where there is one feature only: no order of it is better than another."""
    return removal(first.contributions, curves, rng) if first.weights.size > 1 else None


def _quality(first: Surrogate, second: Surrogate, removed: Removal | None, top: int) -> dict[str, Any]:
    """What is measured of one row; NaN where the score does not move, or there is nothing to order."""
    flat = math.isnan(first.fidelity)
    a, b = first.weights[None], second.weights[None]
    undefined = np.full(len(FRACTIONS), np.nan)
    return {
        "fidelity": first.fidelity,
        "stability_overlap": math.nan if flat else float(top_overlap(a, b, top)[0]),
        "stability_rank": math.nan if flat else float(rank_agreement(a, b, top)[0]),
        "stability_sign": math.nan if flat else float(sign_agreement(a, b, top)[0]),
        "informed": undefined if removed is None else removed.informed,
        "random": undefined if removed is None else removed.random,
    }


def _notes(profile: Profile, params: LimeParams, found: dict[str, Floats]) -> tuple[str, ...]:
    explained = len(found["fidelity"])
    unit = "rows" if profile.modality == "table" else "texts"
    which = "the predicted class" if profile.signature.task == "multiclass" else "class 1"
    what = "the prediction" if profile.signature.task == "regression" else f"the score of {which}"
    samples = params.samples if profile.modality == "table" else params.text_samples
    notes = [f"Explains {what} of {explained:,} {unit}, each with {samples:,} neighbours, drawn twice."]
    flat = int(np.isnan(found["fidelity"]).sum())
    if flat:
        notes.append(f"Around {flat:,} of them the score does not move: they have no fidelity or stability.")
    if profile.modality == "table" and params.top >= len(_features(profile)):
        notes.append("All features count as top features, so their overlap is 1 whatever LIME says.")
    return tuple(notes)


METHOD = Lime()
