"""Where in an image does a convolutional network see its class, and is that where it should look?

User's page: docs/methods/explainability.grad_cam.md.
"""

from __future__ import annotations

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
    ShardSpec,
    SubjectProtocol,
    Tier,
)
from assay.methods.checked_arrays import Wanted, check_arrays, floats, whole
from assay.methods.explainability.agreement import rank_correlation
from assay.methods.explainability.border import border_measures, border_note
from assay.methods.explainability.class_activation import activation_map, last_convolution
from assay.methods.explainability.concentration import gini, normalised_entropy
from assay.methods.explainability.differentiable import differentiable_row
from assay.methods.explainability.explained import explained_rows
from assay.methods.explainability.grad_cam_specs import CITATIONS, PREFIX, SPECS
from assay.methods.explainability.map_series import map_series
from assay.methods.explainability.masking import masked_score
from assay.methods.explainability.patches import patch_of_pixel
from assay.methods.explainability.randomised import randomisation_measure, randomised_model
from assay.methods.explainability.removal import (
    FRACTIONS,
    RANDOM_ORDERS,
    deletion_series,
    masked_curves,
    removal,
    removal_gain,
)
from assay.methods.explainability.row_means import row_measure
from assay.methods.sharding import row_shards
from assay.models.precision import full_precision

if TYPE_CHECKING:
    from assay.models.torch_model import TorchModel

__all__ = ["METHOD", "GradCam"]

Floats = npt.NDArray[np.float64]
_SPECS = {spec.id.rpartition(".")[2]: spec for spec in SPECS}
_BACKWARD = 3


class GradCamParams(Params):
    rows: Annotated[int, Field(ge=10, le=100_000)] = Field(200, description="Images explained.")
    side: Annotated[int, Field(ge=2, le=64)] = Field(
        8, description="Images are blackened in side x side superpixels."
    )
    randomised: Annotated[int, Field(ge=3, le=100)] = Field(
        5, description="Models with weights drawn anew that maps are compared with."
    )
    level: Annotated[float, Field(ge=0.5, le=0.9999)] = Field(0.95, description="Confidence level.")

    @classmethod
    def tier_defaults(cls, tier: Tier) -> dict[str, Any]:
        """Images and models of the tiers that are not standard."""
        few, many = {"rows": 50, "randomised": 3}, {"rows": 1_000, "randomised": 10}
        return {"quick": few, "deep": many}.get(tier, {})


class GradCam:
    """Class activation maps of the last convolution, for the class predicted for each image."""

    spec = MethodSpec(
        id=PREFIX,
        version="1.0",
        title="Grad-CAM",
        pillar="explainability",
        summary="Where a convolutional network sees the class that it predicts, how concentrated that is, "
        "whether it lies at the border, whether blackening it matters, and whether it was learnt.",
        needs=("query", "gradients", "layers"),
        tasks=("binary", "multiclass", "regression"),
        modalities=("image",),
        measures=SPECS,
        deterministic=True,
        citations=CITATIONS,
    )
    Params = GradCamParams

    def estimate(self, profile: Profile, params: GradCamParams) -> Estimate:
        each = _BACKWARD * (1 + params.randomised) + (1 + RANDOM_ORDERS) * (len(FRACTIONS) + 1) + 1
        rows = _rows(profile, params)
        return Estimate(
            evaluations=rows * each, seconds=round(2.0 + 0.1 * rows, 3), memory_bytes=1_000_000_000
        )

    def plan(
        self, profile: Profile, params: GradCamParams, stage: int, earlier: Sequence[Partial]
    ) -> Sequence[ShardSpec]:
        return row_shards(PREFIX, _rows(profile, params)) if stage == 0 else ()

    def run(
        self, shard: ShardSpec, subject: SubjectProtocol, params: GradCamParams, context: Context
    ) -> Partial:
        """Map and check the shard's part of the drawn images, one by one."""
        model: Any = subject.model
        profile = subject.profile
        rows = explained_rows(profile, _rows(profile, params), context)[shard.first_row : shard.stop_row]
        inputs = np.asarray(subject.inputs(profile.asked_role, rows))
        layer = last_convolution(model, model.encode(inputs[:1])) if len(rows) else None
        if layer is None:
            return Partial(method=PREFIX, stage=shard.stage, index=shard.index, data={"rows": len(rows)})
        randomised = [
            randomised_model(model, int(context.rng("randomised", number).integers(0, 2**63)))
            for number in range(params.randomised)
        ]
        found = []
        for place, row in enumerate(rows):
            with full_precision(model.module):
                found.append(_explained(model, randomised, layer, inputs[place], int(row), params, context))
            context.progress((place + 1) / len(rows))
        arrays = {name: np.array([one[name] for one in found]) for name in found[0]}
        return Partial(
            method=PREFIX,
            stage=shard.stage,
            index=shard.index,
            data={"rows": len(rows), "layer": layer},
            arrays=arrays,
        )

    def merge(
        self, partials: Sequence[Partial], profile: Profile, params: GradCamParams, context: MergeContext
    ) -> MethodResult:
        used = [partial for partial in partials if partial.data["rows"]]
        if not used or not used[0].arrays:
            reason = "the network runs no 2-D convolution, so there is no layer to map"
            return MethodResult(
                measures=tuple(_not_applicable(spec.id, reason, context) for spec in SPECS),
                notes=(f"Not applicable: {reason}.",),
            )
        check_arrays(PREFIX, used, _wanted(profile, params), rows=_rows(profile, params))
        found = {name: np.concatenate([partial.arrays[name] for partial in used]) for name in used[0].arrays}
        series = [
            *map_series(PREFIX, found["map"], found["predicted"], profile, "Mean map by predicted class"),
            *deletion_series(
                PREFIX,
                found["informed"],
                found["random"],
                params.level,
                "score",
                "Change of the class's score while superpixels are blackened",
            ),
        ]
        measures = _measures(found, profile, params, context)
        border = [m for m in measures if m.id == _SPECS["border_share"].id]
        notes = (
            *border_note(border, *found["map"].shape[1:]),
            f'Maps of the layer "{used[0].data["layer"]}", for the predicted class of each of '
            f"{len(found['predicted']):,} images, interpolated bilinearly. Removed superpixels are black.",
        )
        return MethodResult(measures=tuple(measures), series=tuple(series), notes=notes)


def _wanted(profile: Profile, params: GradCamParams) -> dict[str, Wanted]:
    """The arrays of a partial; see `_explained`."""
    signature = profile.model_signature
    assert signature is not None
    assert signature.image is not None
    curve = floats("rows", len(FRACTIONS))
    return {
        "map": floats("rows", signature.image.height, signature.image.width),
        "predicted": whole("rows", top=max(len(signature.classes), 1)),
        "correlations": floats("rows", params.randomised),
        "informed": curve,
        "random": curve,
    }


def _explained(
    model: TorchModel,
    randomised: Sequence[TorchModel],
    layer: str,
    raw: npt.NDArray[np.float32],
    row: int,
    params: GradCamParams,
    context: Context,
) -> dict[str, Any]:
    """The map of one image and what deletion and randomised models say of it."""
    predicted = int(model.decide(model.scores(raw[None]))[0])
    output = min(predicted, model.outputs - 1)
    point = differentiable_row(model, raw, None)
    found = activation_map(model, layer, point.encoded, output)
    others = [activation_map(other, layer, point.encoded, output).cells.ravel() for other in randomised]
    cells = found.cells.ravel()
    correlations = np.full(len(others), np.nan)
    if cells.size > 2:
        correlations = rank_correlation(np.tile(cells, (len(others), 1)), np.stack(others))
    height, width = found.pixels.shape
    patches = patch_of_pixel(height, width, params.side).ravel()
    count = int(patches.max()) + 1
    score = masked_score(model, point, output, patches)

    summed = np.asarray(np.bincount(patches, weights=found.pixels.ravel(), minlength=count), float)
    removed = removal(summed, lambda orders: masked_curves(score, orders), context.rng("orders", row))
    empty = not cells.any()
    nothing = np.full(len(FRACTIONS), np.nan)
    return {
        "map": found.pixels,
        "predicted": predicted,
        "correlations": correlations,
        "informed": nothing if empty else removed.informed,
        "random": nothing if empty else removed.random,
    }


def _measures(
    found: dict[str, Floats], profile: Profile, params: GradCamParams, context: MergeContext
) -> list[Measure]:
    level, grade = params.level, context.grade
    maps = found["map"].reshape(len(found["map"]), -1)
    empty = "the maps of the others are empty"
    whole = (0.0, 1.0)
    others = [
        row_measure(_SPECS[name], values, level, grade, bounds=whole, undefined=empty)
        for name, values in (
            ("entropy", normalised_entropy(maps)),
            ("gini", gini(maps)),
            ("empty_maps", (~maps.any(axis=1)).astype(float)),
        )
    ]
    gain = removal_gain(found["informed"], found["random"])
    return [
        *border_measures(
            _SPECS["border_share"], found["map"], found["predicted"].astype(int), profile, level, grade
        ),
        *others,
        row_measure(_SPECS["deletion_gain"], gain, level, grade, undefined=empty),
        randomisation_measure(
            _SPECS["randomisation_correlation"],
            found["correlations"],
            level,
            grade,
            "the maps of the others are empty, or smaller than three cells",
        ),
    ]


def _not_applicable(id_: str, reason: str, context: MergeContext) -> Measure:
    spec = _SPECS[id_.rpartition(".")[2]]
    return Measure(
        id=id_,
        value=None,
        n=0,
        unit=spec.unit,
        direction=spec.direction,
        status="not_applicable",
        grade=context.grade,
        note=reason,
    )


def _rows(profile: Profile, params: GradCamParams) -> int:
    return min(params.rows, profile.asked.rows)


METHOD = GradCam()
