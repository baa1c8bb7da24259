"""How far must an attacker who knows the model move an input to change a right decision?

Projected gradient descent within a budget of the maximum norm, on pixels or on the numbers of a table, with
the checks that tell a robust model from one whose gradients are merely masked.
User's page: docs/methods/robustness.pgd.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import Field

from assay.contracts import (
    Context,
    Estimate,
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
from assay.evidence import measure_key
from assay.methods.checked_arrays import check_arrays, flagged, whole
from assay.methods.robustness.pgd_measures import Fallen, budget_series, pgd_measures
from assay.methods.robustness.pgd_specs import CITATIONS, SPECS
from assay.methods.robustness.rate_measures import absent
from assay.methods.robustness.sampled_rows import labelled_sample, sample_size, sampling_note
from assay.methods.robustness.table_features import TableFeatures, immutable_names, table_features
from assay.methods.sharding import row_shards

__all__ = ["METHOD", "ProjectedGradientDescent"]

Budgets = Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1, max_length=50)]
_BACKWARD = 2
"""A backward pass costs about two forward passes."""
_SETTLED = ("robustness.clean_accuracy", "robustness.robust_accuracy")


class PgdParams(Params):
    rows: Annotated[int, Field(ge=10, le=1_000_000)] = Field(500, description="Most rows that are attacked.")
    steps: Annotated[int, Field(ge=1, le=1_000)] = Field(20, description="Steps of an attack.")
    relative_step: Annotated[float, Field(gt=0, le=100)] = Field(
        2.5, description="Length of a step: this times eps / steps."
    )
    restarts: Annotated[int, Field(ge=1, le=100)] = Field(1, description="Random starts within the budget.")
    noise_draws: Annotated[int, Field(ge=1, le=1_000)] = Field(
        10, description="Random places within each budget that check the attack."
    )
    image_eps: Budgets = Field(
        (2 / 255, 4 / 255, 8 / 255, 0.1, 0.3), description="Images: budgets, pixels in 0 to 1, rising."
    )
    table_eps: Budgets = Field(
        (0.05, 0.1, 0.25, 0.5), description="Tables: budgets in standard deviations of each number, rising."
    )
    immutable: tuple[str, ...] | None = Field(
        None, description="Columns that cannot be moved; default: the sensitive ones that the model reads."
    )
    level: Annotated[float, Field(ge=0.5, le=0.9999)] = Field(0.95, description="Confidence level.")

    def model_post_init(self, _context: Any) -> None:
        for name in ("image_eps", "table_eps"):
            budgets = getattr(self, name)
            if list(budgets) != sorted(set(budgets)):
                raise ValueError(f"{name}: budgets must rise, each once; got {list(budgets)}")
        if self.image_eps[-1] > 1:
            most = self.image_eps[-1]
            raise ValueError(f"image_eps: pixels lie in 0 to 1, so no budget exceeds 1; got {most}")

    @classmethod
    def tier_defaults(cls, tier: Tier) -> dict[str, Any]:
        few = {"rows": 200, "steps": 10}
        many = {"rows": 2_000, "steps": 100, "restarts": 5}
        return {"quick": few, "deep": many}.get(tier, {})


class ProjectedGradientDescent:
    """Accuracy under attack at several budgets, and whether that accuracy can be believed."""

    spec = MethodSpec(
        id="robustness.pgd",
        version="1.0",
        title="Robustness to gradient attacks",
        pillar="robustness",
        summary="How much accuracy is left when an attacker who knows the model moves each input within a "
        "budget, and whether the attack itself can be trusted.",
        needs=("query", "gradients", "labels"),
        tasks=("binary", "multiclass"),
        modalities=("table", "image"),
        measures=SPECS,
        deterministic=True,
        citations=CITATIONS,
    )
    Params = PgdParams

    def estimate(self, profile: Profile, params: PgdParams) -> Estimate:
        immutable_names(profile, params.immutable, self.spec.id)
        budgets = len(_budgets(profile, params)[0])
        iterated = params.restarts * (params.steps * (1 + _BACKWARD) + 1)
        checks = 2 + _BACKWARD + params.noise_draws
        passes = 1 + budgets * (iterated + checks) + iterated + 1 + _BACKWARD
        rows = sample_size(profile, params.rows)
        return Estimate(
            evaluations=rows * passes, seconds=round(0.5 + rows * 5e-4, 3), memory_bytes=500_000_000
        )

    def plan(
        self, profile: Profile, params: PgdParams, stage: int, earlier: Sequence[Partial]
    ) -> Sequence[ShardSpec]:
        return row_shards(self.spec.id, sample_size(profile, params.rows)) if stage == 0 else ()

    def run(self, shard: ShardSpec, subject: SubjectProtocol, params: PgdParams, context: Context) -> Partial:
        """Which of the shard's sampled rows fall to what; see `pgd_run.attack_rows`."""
        from assay.methods.robustness.pgd_run import Settings, attack_rows

        profile = subject.profile
        rows, labels = labelled_sample(subject, params.rows, shard.first_row, shard.stop_row, context)
        assert labels is not None
        fixed = immutable_names(profile, params.immutable, self.spec.id)
        features = table_features(subject, fixed) if profile.modality == "table" else None
        data = {"notes": _threat(features, fixed, subject), "movable": True}
        arrays: dict[str, npt.NDArray[Any]] = {"rows": rows}
        if features is not None and not features.movable.any():
            data["movable"] = False
        else:
            settings = Settings(
                _budgets(profile, params)[0],
                params.steps,
                params.relative_step,
                params.restarts,
                params.noise_draws,
            )
            arrays |= attack_rows(subject, rows, labels, features, settings, context)
        return Partial(method=self.spec.id, stage=shard.stage, index=shard.index, data=data, arrays=arrays)

    def merge(
        self, partials: Sequence[Partial], profile: Profile, params: PgdParams, context: MergeContext
    ) -> MethodResult:
        notes = list(partials[0].data["notes"])
        if not partials[0].data["movable"]:
            note = "the model reads no number that may be moved"
            gone = tuple(absent(spec, "not_applicable", note, context.grade) for spec in SPECS)
            return MethodResult(measures=gone, notes=tuple(notes))
        budgets, unit = _budgets(profile, params)
        one, each = flagged("rows"), flagged(len(budgets), "rows")
        wanted = {"rows": whole("rows", top=profile.asked.rows), "right": one, "zero": one, "huge": one}
        wanted |= {"pgd": each, "single": each, "noise": each}
        check_arrays(self.spec.id, partials, wanted, rows=sample_size(profile, params.rows))
        rows, fallen = _joined(partials)
        measures, raised = pgd_measures(fallen, budgets, unit, params.level, context.grade)
        if raised:
            notes.insert(
                0,
                f"Gradients of this model look masked ({'; '.join(raised)}): the accuracy under attack is "
                "too good to be believed. Attack it by other means before relying on it.",
            )
        notes.append(sampling_note(profile, len(rows)))
        return MethodResult(
            measures=measures,
            series=budget_series(self.spec.id, budgets, unit, measures),
            notes=tuple(notes),
        )

    def row_results(
        self, partials: Sequence[Partial], profile: Profile, params: PgdParams
    ) -> Mapping[str, npt.NDArray[np.int8]]:
        """Measure key -> (asked rows,) int8: 1 right, 0 wrong, -1 not attacked.

        Of the accuracy without attack and of the accuracy under attack at each budget.
        """
        if not partials[0].data["movable"]:
            return {}
        rows, fallen = _joined(partials)
        budgets, unit = _budgets(profile, params)
        measures, _ = pgd_measures(fallen, budgets, unit, params.level, "executed")
        outcomes = iter([fallen.right, *fallen.standing])
        results = {}
        for measure in measures:
            if measure.id in _SETTLED:
                outcome = np.full(profile.asked.rows, -1, dtype=np.int8)
                outcome[rows] = next(outcomes)
                results[measure_key(measure)] = outcome
        return results


def _budgets(profile: Profile, params: PgdParams) -> tuple[tuple[float, ...], str]:
    if profile.modality == "image":
        return params.image_eps, "pixel range"
    return params.table_eps, "standard deviations"


def _joined(partials: Sequence[Partial]) -> tuple[npt.NDArray[np.int64], Fallen]:
    """Rows and outcomes of all shards, put together along the rows (the last axis)."""
    joined = [np.concatenate([p.arrays[name] for p in partials], axis=-1) for name in Fallen._fields]
    return np.concatenate([p.arrays["rows"] for p in partials]), Fallen(*(a.astype(bool) for a in joined))


def _threat(features: TableFeatures | None, fixed: Sequence[str], subject: SubjectProtocol) -> list[str]:
    """The threat model in sentences: what the attacker knows, wants and may do."""
    knows = (
        "The attacker knows the model with its weights and the row's label, and wants any wrong decision. "
        "What such attacks find is a bound: a better attack can only find more."
    )
    if features is None:
        return [knows, "Each pixel moves by at most eps, within 0 to 1."]
    signature = subject.profile.model_signature
    assert signature is not None
    names = [column.name for column in signature.columns]
    moved = [name for name, moves in zip(names, features.movable, strict=True) if moves]
    still = [name for name in names if name not in moved and name not in fixed]
    found = [
        knows,
        f"Each number moves by at most eps standard deviations of {features.source}, inside its range there; "
        "whole numbers stay whole, and a success counts once the rounded row is decided wrongly. Moved: "
        f"{_listed(moved)}.",
    ]
    if still:
        found.append(f"Not moved by gradients, since they are categories or do not vary: {_listed(still)}.")
    if fixed:
        found.append(f"Immutable: {_listed(fixed)}.")
    return found


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:20])
    return shown if len(names) <= 20 else f"{shown} and {len(names) - 20} more"


METHOD = ProjectedGradientDescent()
