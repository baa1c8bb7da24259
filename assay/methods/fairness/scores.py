"""Do scores rank, and mean, the same for every group?

One pass counts the rows by (score, attributes, label); AUC, calibration and Brier score of every group and
intersection, and all pairwise differences, follow from the counts.
User's page: docs/methods/fairness.scores.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
    Partial,
    Profile,
    Series,
    ShardSpec,
    SubjectProtocol,
    Tier,
)
from assay.methods.cluster_blocks import block_count, block_of
from assay.methods.fairness.groupings import GroupingParams, subsets
from assay.methods.fairness.score_groups import Coding, split_groups
from assay.methods.fairness.score_measures import CITATIONS, SPECS, Setting, measure_groups
from assay.methods.score_cells import (
    Grid,
    ScoreGridParams,
    check_scores,
    count_scores,
    grid_for,
    merge_scores,
)
from assay.methods.sharding import row_shards

__all__ = ["METHOD", "ScoresByGroup"]

_BLOCKS = 1_000
"""Blocks of clusters that are resampled in every group."""


class ScoresByGroupParams(GroupingParams, ScoreGridParams):
    replicates: Annotated[int, Field(ge=1_000, le=100_000)] = Field(
        2_000, description="Bootstrap replicates of the calibration error."
    )
    calibration_bins: Annotated[int, Field(ge=2, le=50)] = Field(
        10, description="Bins of about equal rows for calibration error and reliability."
    )
    minimum_class_rows: Annotated[int, Field(ge=2, le=1_000)] = Field(
        5, description="A group with fewer favourable or other labels is insufficient."
    )
    max_groups: Annotated[int, Field(ge=2, le=1_000)] = Field(
        200, description="An intersection with more groups than this is left out, with a note."
    )
    max_pairs: Annotated[int, Field(ge=10, le=100_000)] = Field(
        1_000, description="Of more pairs than this those that could decide a limit are listed."
    )

    @classmethod
    def tier_defaults(cls, tier: Tier) -> dict[str, Any]:
        """Resamples of the tiers that are not standard."""
        return {"quick": {"replicates": 1_000}, "deep": {"replicates": 20_000}}.get(tier, {})


class ScoresByGroup:
    """AUC, calibration error and Brier score by group and intersection, with pairwise differences."""

    spec = MethodSpec(
        id="fairness.scores",
        version="1.1",
        title="Scores by group",
        pillar="fairness",
        summary="Whether scores rank equally well and probabilities mean the same in every group and "
        "intersection, with all pairwise differences under simultaneous intervals.",
        needs=("scores", "labels", "sensitive"),
        tasks=("binary",),
        measures=SPECS,
        deterministic=True,
        citations=CITATIONS,
    )
    Params = ScoresByGroupParams

    def estimate(self, profile: Profile, params: ScoresByGroupParams) -> Estimate:
        groups = 0
        for attributes in subsets(profile.roles.sensitive, _largest(profile, params)):
            sizes = [len(profile.test.column(name).categories) for name in attributes]
            groups += min(int(np.prod(sizes)), params.max_groups)
        seconds = 0.1 + profile.test.rows * 6e-7 + groups * params.replicates * 1e-5
        return Estimate(evaluations=0, seconds=round(seconds, 3), memory_bytes=500_000_000)

    def plan(
        self, profile: Profile, params: ScoresByGroupParams, stage: int, earlier: Sequence[Partial]
    ) -> Sequence[ShardSpec]:
        """Shards with the grid of scores."""
        if stage > 0:
            return ()
        grid = self._grid(profile, params).as_json()
        shards = row_shards(self.spec.id, profile.test.rows)
        return tuple(shard.model_copy(update={"arguments": {"grid": grid}}) for shard in shards)

    def _grid(self, profile: Profile, params: ScoresByGroupParams) -> Grid:
        assert profile.roles.score is not None
        column = profile.test.column(profile.roles.score)
        strata = _coding(profile).strata
        rows = profile.test.rows
        return grid_for(rows, column, strata, exact_rows=params.exact_rows, bins=params.score_bins)

    def run(
        self, shard: ShardSpec, subject: SubjectProtocol, params: ScoresByGroupParams, context: Context
    ) -> Partial:
        """Count the shard's rows by score, attributes, label and block of clusters."""
        profile = subject.profile
        label, score, cluster = profile.roles.label, profile.roles.score, profile.roles.cluster
        assert label is not None
        assert score is not None
        coding = _coding(profile)
        read = dict.fromkeys([label, score, *coding.attributes, *([] if cluster is None else [cluster])])

        def batches() -> Iterator[tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]]:
            rows = max(1, shard.stop_row - shard.first_row)
            for batch in subject.dataset("test").batches(tuple(read), shard.first_row, shard.stop_row):
                codes = [batch.codes(name) for name in coding.attributes]
                block = np.zeros(batch.rows, np.int64)
                if cluster is not None:
                    block = block_of(batch.codes(cluster), coding.blocks)
                yield batch.numbers(score), coding.pack(block, codes, batch.codes(label))
                context.progress((batch.start + batch.rows - shard.first_row) / rows)

        grid = Grid.from_json(shard.arguments["grid"])
        losses = coding.positive if profile.signature.output == "probability" else None
        arrays = count_scores(batches(), coding.strata, grid, losses)
        return Partial(method=self.spec.id, stage=shard.stage, index=shard.index, arrays=arrays)

    def merge(
        self,
        partials: Sequence[Partial],
        profile: Profile,
        params: ScoresByGroupParams,
        context: MergeContext,
    ) -> MethodResult:
        coding = _coding(profile)
        probability = profile.signature.output == "probability"
        grid = self._grid(profile, params)
        rows = profile.test.rows
        check_scores(self.spec.id, partials, grid, coding.strata, rows, losses=probability)
        cells = merge_scores(
            [partial.arrays for partial in partials], grid, coding.positive if probability else None
        )
        setting = Setting(
            grade=context.grade,
            level=params.level,
            replicates=params.replicates,
            bins=params.calibration_bins,
            needed=params.minimum_class_rows,
            max_pairs=params.max_pairs,
            probability=probability,
            rng=context.rng,
        )
        measures: list[Measure] = []
        series: list[Series] = []
        notes: list[str] = []
        if coding.blocks:
            notes.append(f'Rows of one "{profile.roles.cluster}" count as one draw.')
        if not grid.exact:
            notes.append(
                f"Scores were counted in {grid.bins:,} bins; each AUC says how far off it can be at most."
            )
        for attributes in subsets(profile.roles.sensitive, _largest(profile, params)):
            groups = split_groups(cells, coding, attributes, params.max_groups)
            over = " × ".join(attributes)
            if groups is None:
                notes.append(f"{over} has more than {params.max_groups:,} groups and was left out.")
                continue
            if groups.left_out:
                total = groups.left_out + int(groups.rows.sum())
                notes.append(
                    f"{over}: the group of {groups.left_out:,} of {total:,} rows "
                    f"({groups.left_out / total:.2%}) is not known; intervals hold wherever they belong."
                )
            made = measure_groups(groups, cells, coding, setting)
            measures += made.measures
            series += made.series
            notes += made.notes
        return MethodResult(measures=tuple(measures), series=tuple(series), notes=tuple(notes))


def _largest(profile: Profile, params: ScoresByGroupParams) -> int:
    if params.intersections is not None:
        return params.intersections
    return 3 if len(profile.roles.sensitive) <= 3 else 2


def _coding(profile: Profile) -> Coding:
    return Coding(
        attributes=profile.roles.sensitive,
        categories=tuple(profile.test.column(name).categories for name in profile.roles.sensitive),
        blocks=block_count(profile, _BLOCKS),
    )


METHOD = ScoresByGroup()
