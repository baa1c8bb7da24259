"""How much does each feature add on the way from a neutral input to the row, and do these numbers hold?

User's page: docs/methods/explainability.integrated_gradients.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

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
from assay.methods.checked_arrays import Wanted, check_arrays, floats, whole
from assay.methods.explainability.border import border_measures, border_note
from assay.methods.explainability.explained import explained_rows
from assay.methods.explainability.feature_means import attribution_series, feature_measures
from assay.methods.explainability.integrated_gradients_specs import CITATIONS, PREFIX, SPECS
from assay.methods.explainability.map_series import map_series
from assay.methods.explainability.randomised import randomisation_measure
from assay.methods.explainability.removal import FRACTIONS, RANDOM_ORDERS, deletion_series, removal_gain
from assay.methods.explainability.row_means import row_measure
from assay.methods.sharding import row_shards

if TYPE_CHECKING:
    from assay.methods.explainability.gradient_rows import GradientRows

__all__ = ["METHOD", "IntegratedGradients", "IntegratedGradientsParams"]

Floats = npt.NDArray[np.float64]
_SPECS = {spec.id.rpartition(".")[2]: spec for spec in SPECS}
_BACKWARD = 3
"""Cost of a gradient in evaluations: forwards, and about twice that backwards."""


class IntegratedGradientsParams(Params):
    rows: Annotated[int, Field(ge=10, le=10_000)] = Field(100, description="Rows or images explained.")
    text_rows: Annotated[int, Field(ge=10, le=10_000)] = Field(20, description="Texts explained.")
    steps: Annotated[int, Field(ge=4, le=4_096)] = Field(
        32, description="Points of the path that the integral starts with (Gauss-Legendre)."
    )
    most_steps: Annotated[int, Field(ge=4, le=8_192)] = Field(
        512, description="Steps are doubled up to so many while a row's completeness gap is too large."
    )
    tolerance: Annotated[float, Field(gt=0, le=1)] = Field(0.01, description="Largest gap aimed at.")
    background: Annotated[int, Field(ge=10, le=100_000)] = Field(
        2_000, description="Training rows that the baseline and replaced values of a table come from."
    )
    draws: Annotated[int, Field(ge=1, le=1_000)] = Field(
        8, description="Background rows that removed features of a table are replaced from."
    )
    side: Annotated[int, Field(ge=2, le=64)] = Field(
        8, description="Images are removed and mapped in side x side superpixels."
    )
    perturbations: Annotated[int, Field(ge=10, le=10_000)] = Field(
        64, description="Random removals of a row for infidelity."
    )
    moves: Annotated[int, Field(ge=2, le=1_000)] = Field(
        10, description="Random small moves of a row for max-sensitivity."
    )
    radius: Annotated[float, Field(gt=0, le=1)] = Field(
        0.02, description="Size of a move: standard deviations of a number, or shares of full brightness."
    )
    randomised: Annotated[int, Field(ge=3, le=100)] = Field(
        5, description="Models with weights drawn anew that attributions are compared with."
    )
    level: Annotated[float, Field(ge=0.5, le=0.9999)] = Field(0.95, description="Confidence level.")

    @classmethod
    def tier_defaults(cls, tier: Tier) -> dict[str, Any]:
        """Rows and checks of the tiers that are not standard."""
        few = {"rows": 40, "text_rows": 10, "perturbations": 32, "moves": 5, "randomised": 3}
        many = {"rows": 500, "text_rows": 100, "perturbations": 256, "moves": 20, "randomised": 10}
        return {"quick": few, "deep": many}.get(tier, {})


class IntegratedGradients:
    """Path integrals of gradients of tables, images and texts, through captum."""

    spec = MethodSpec(
        id=PREFIX,
        version="1.0",
        title="Integrated gradients",
        pillar="explainability",
        summary="What each feature adds to the output on the way from a neutral input to the row, whether "
        "the parts add up, whether removing them matters, and whether they depend on what the model learnt.",
        needs=("query", "gradients"),
        tasks=("binary", "multiclass", "regression", "anomaly"),
        measures=SPECS,
        deterministic=True,
        citations=CITATIONS,
    )
    Params = IntegratedGradientsParams

    def estimate(self, profile: Profile, params: IntegratedGradientsParams) -> Estimate:
        rows = _rows(profile, params)
        return Estimate(
            evaluations=rows * _evaluations(profile, params),
            seconds=round(2.0 + 0.1 * rows, 3),
            memory_bytes=1_000_000_000,
        )

    def plan(
        self, profile: Profile, params: IntegratedGradientsParams, stage: int, earlier: Sequence[Partial]
    ) -> Sequence[ShardSpec]:
        return row_shards(PREFIX, _rows(profile, params)) if stage == 0 else ()

    def run(
        self,
        shard: ShardSpec,
        subject: SubjectProtocol,
        params: IntegratedGradientsParams,
        context: Context,
    ) -> Partial:
        """Explain and check the shard's part of the drawn rows, row by row."""
        from assay.methods.explainability.gradient_rows import GradientRows

        profile = subject.profile
        rows = explained_rows(profile, _rows(profile, params), context)[shard.first_row : shard.stop_row]
        explainer: GradientRows = GradientRows(subject, params, context, len(rows))
        inputs = subject.inputs(profile.asked_role, rows)
        found = []
        for place, row in enumerate(rows):
            found.append(explainer.explain(inputs[place], int(row)))
        arrays = {name: np.array([one[name] for one in found]) for name in (found[0] if found else {})}
        return Partial(method=PREFIX, stage=shard.stage, index=shard.index, arrays=arrays)

    def merge(
        self,
        partials: Sequence[Partial],
        profile: Profile,
        params: IntegratedGradientsParams,
        context: MergeContext,
    ) -> MethodResult:
        filled = [partial for partial in partials if partial.arrays]
        check_arrays(PREFIX, filled, _wanted(profile, params), rows=_rows(profile, params))
        used = [partial.arrays for partial in filled]
        found = {name: np.concatenate([arrays[name] for arrays in used]) for name in used[0]}
        unit = _unit(profile)
        measures: list[Measure] = []
        series: list[Series] = []
        notes: list[str] = []
        if profile.modality == "table":
            spec = _SPECS["mean_absolute"].model_copy(update={"unit": unit})
            names = [column.name for column in _columns(profile)]
            measures += feature_measures(spec, names, np.abs(found["values"]), params.level, context.grade)
            series += attribution_series(PREFIX, measures, "Mean absolute attribution by feature")
        if profile.modality == "image":
            maps, predicted = _maps(found["values"], profile), found["predicted"].astype(int)
            series += map_series(PREFIX, maps, predicted, profile, "Mean absolute attribution by place")
            measures += border_measures(
                _SPECS["border_share"], maps, predicted, profile, params.level, context.grade
            )
            notes += border_note(measures, *maps.shape[1:])
        measures += _checks(found, profile, params, context)
        series += deletion_series(
            PREFIX,
            found["informed"],
            found["random"],
            params.level,
            "score",
            "Change of the score while features are removed",
        )
        return MethodResult(
            measures=tuple(measures), series=tuple(series), notes=(*notes, *_notes(profile, params, found))
        )


def _wanted(profile: Profile, params: IntegratedGradientsParams) -> dict[str, Wanted]:
    """The arrays of a partial; see GradientRows.explain."""
    signature = profile.model_signature
    assert signature is not None
    one, curve = floats("rows"), floats("rows", len(FRACTIONS))
    wanted = {"gap": one, "infidelity": one, "sensitivity": one}
    wanted |= dict.fromkeys(("informed", "random", "kept", "kept_random"), curve)
    wanted["correlations"] = floats("rows", params.randomised)
    wanted["steps"] = whole("rows", top=max(params.steps, params.most_steps) + 1)
    wanted["predicted"] = whole("rows", top=max(len(signature.classes), 1))
    if profile.modality == "table":
        wanted["values"] = floats("rows", len(signature.columns))
    if signature.image is not None:
        wanted["values"] = floats("rows", signature.image.height * signature.image.width)
    return wanted


def _checks(
    found: dict[str, Floats], profile: Profile, params: IntegratedGradientsParams, context: MergeContext
) -> list[Measure]:
    """Completeness, deletion, insertion, infidelity, sensitivity, randomisation."""
    level, grade = params.level, context.grade
    still = "the output does not change between the baseline and the other rows"
    flat = "the attributions of the other rows are all 0"
    few = "the other rows have fewer than two features to remove"
    above = (0.0, math.inf)
    checks = [
        row_measure(_SPECS["completeness_gap"], found["gap"], level, grade, bounds=above, undefined=still),
        row_measure(
            _SPECS["deletion_gain"],
            removal_gain(found["informed"], found["random"]),
            level,
            grade,
            undefined=few,
        ),
        row_measure(
            _SPECS["insertion_gain"],
            -removal_gain(found["kept"], found["kept_random"]),
            level,
            grade,
            undefined=few,
        ),
        row_measure(
            _SPECS["infidelity"],
            found["infidelity"],
            level,
            grade,
            bounds=(0.0, 1.0),
            undefined="no removal changes the output of the other rows",
        ),
    ]
    if profile.modality != "text":
        checks.append(
            row_measure(
                _SPECS["max_sensitivity"], found["sensitivity"], level, grade, bounds=above, undefined=flat
            )
        )
    checks.append(
        randomisation_measure(
            _SPECS["randomisation_correlation"],
            found["correlations"],
            level,
            grade,
            "the others differ from the baseline in fewer than three features",
        )
    )
    return checks


def _rows(profile: Profile, params: IntegratedGradientsParams) -> int:
    asked = params.text_rows if profile.modality == "text" else params.rows
    return min(asked, profile.asked.rows)


def _columns(profile: Profile) -> Sequence[Any]:
    signature = profile.model_signature
    return () if signature is None else signature.columns


def _maps(values: Floats, profile: Profile) -> Floats:
    """(rows, pixels) -> (rows, height, width)."""
    signature = profile.model_signature
    assert signature is not None
    assert signature.image is not None
    return values.reshape(len(values), signature.image.height, signature.image.width)


def _unit(profile: Profile) -> str:
    signature = profile.model_signature
    if signature is None or signature.task == "regression":
        return "label units"
    return {"logit": "log-odds", "probability": "probability"}.get(signature.output, "score")


def _evaluations(profile: Profile, params: IntegratedGradientsParams) -> int:
    """Model calls for one explained row, gradients counted as `_BACKWARD` calls."""
    moved = 0 if profile.modality == "text" else params.moves + 1
    paths = 2 + params.randomised + moved
    draws = params.draws if profile.modality == "table" else 1
    removed = 2 * (1 + RANDOM_ORDERS) * (len(FRACTIONS) * draws + 1)
    return _BACKWARD * params.steps * paths + 2 * params.perturbations + removed


def _notes(profile: Profile, params: IntegratedGradientsParams, found: dict[str, Floats]) -> tuple[str, ...]:
    starts = {
        "table": "the means of numbers and the most frequent categories",
        "image": "a black image",
        "text": "a text of padding tokens between its special ones",
    }
    what = {"log-odds": "the log-odds of the class in question against all others"}
    steps = found["steps"]
    notes = [
        f"Explains {what.get(_unit(profile), 'the number that the model gives')} of {len(steps):,} rows. "
        f"Baseline: {starts[profile.modality]}.",
        f"Steps of the integral: {int(np.median(steps)):,} in the median row, at most {int(steps.max()):,}.",
    ]
    late = int((found["gap"] > params.tolerance).sum())
    if late:
        notes.append(
            f"{late:,} rows keep a completeness gap above {params.tolerance:g} at up to {int(steps.max()):,} "
            "steps."
        )
    if profile.modality == "text":
        notes.append("Max-sensitivity is for numbers and pixels; tokens cannot be moved a little.")
    return tuple(notes)


METHOD = IntegratedGradients()
