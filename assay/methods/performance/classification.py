"""How well does a classifier predict, rank and state its probabilities?

One pass counts the rows by (label, prediction) and by (score, label); everything follows from the counts.
User's page: docs/methods/performance.classification.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
    SeriesColumn,
    ShardSpec,
    SubjectProtocol,
    Tier,
)
from assay.datasets.table import Batch, predicted, prediction_columns
from assay.methods.checked_arrays import check_arrays, counted
from assay.methods.cluster_blocks import block_count, block_of
from assay.methods.performance.classification_specs import CITATIONS, SPECS
from assay.methods.performance.confusion import ConfusionCounts, Found, confusion_statistics
from assay.methods.performance.score_measures import binning_note, score_estimates, score_series
from assay.methods.score_cells import (
    Grid,
    ScoreGridParams,
    check_scores,
    count_scores,
    grid_for,
    merge_scores,
)
from assay.methods.score_sample import Estimated, ScoreSample, sample_of
from assay.methods.sharding import row_shards

__all__ = ["METHOD", "Classification"]

_BLOCK_CELLS = 4_000_000
"""Blocks x classes x classes that are counted at most: 32 MB."""
_CONFUSION_CLASSES = 40
"""Up to so many classes the whole confusion matrix is a series (2,000 points at most)."""
_BINARY = {spec.id: spec for spec in SPECS}


class ClassificationParams(ScoreGridParams):
    level: Annotated[float, Field(ge=0.5, le=0.9999)] = Field(0.95, description="Confidence level.")
    replicates: Annotated[int, Field(ge=1_000, le=1_000_000)] = Field(
        10_000, description="Bootstrap replicates of the confusion counts."
    )
    score_replicates: Annotated[int, Field(ge=200, le=100_000)] = Field(
        1_000, description="Bootstrap replicates of average precision and calibration error."
    )
    calibration_bins: Annotated[int, Field(ge=2, le=100)] = Field(
        15, description="Bins of about equal rows for calibration error and reliability."
    )

    @classmethod
    def tier_defaults(cls, tier: Tier) -> dict[str, Any]:
        """Resamples of the tiers that are not standard."""
        few = {"replicates": 2_000, "score_replicates": 400}
        many = {"replicates": 100_000, "score_replicates": 10_000}
        return {"quick": few, "deep": many}.get(tier, {})


class Classification:
    """Accuracy and its kin from counts; AUC, average precision, proper scores and calibration from scores."""

    spec = MethodSpec(
        id="performance.classification",
        version="1.0",
        title="Classification performance",
        pillar="performance",
        summary="How often predictions are right, how well scores rank, and whether probabilities mean what "
        "they say, each with an interval.",
        needs=("predictions", "labels"),
        tasks=("binary", "multiclass"),
        measures=SPECS,
        deterministic=True,
        citations=CITATIONS,
    )
    Params = ClassificationParams

    def estimate(self, profile: Profile, params: ClassificationParams) -> Estimate:
        rows = profile.test.rows
        scored = _scored(profile)
        drawn = params.score_replicates * min(rows, 65_536) * (2e-8 if scored else 0)
        seconds = 0.1 + rows * (4e-7 if scored else 1e-7) + params.replicates * 5e-6 + drawn
        return Estimate(evaluations=0, seconds=round(seconds, 3), memory_bytes=400_000_000)

    def plan(
        self, profile: Profile, params: ClassificationParams, stage: int, earlier: Sequence[Partial]
    ) -> Sequence[ShardSpec]:
        if stage > 0:
            return ()
        grid = None if not _scored(profile) else self._grid(profile, params).as_json()
        shards = row_shards(self.spec.id, profile.test.rows)
        return tuple(shard.model_copy(update={"arguments": {"grid": grid}}) for shard in shards)

    def _grid(self, profile: Profile, params: ClassificationParams) -> Grid:
        assert profile.roles.score is not None
        strata = 2 * max(_blocks(profile), 1)
        column = profile.test.column(profile.roles.score)
        rows = profile.test.rows
        return grid_for(rows, column, strata, exact_rows=params.exact_rows, bins=params.score_bins)

    def run(
        self, shard: ShardSpec, subject: SubjectProtocol, params: ClassificationParams, context: Context
    ) -> Partial:
        """Count the shard's rows by label, prediction (and block), and by score, label (and block)."""
        profile = subject.profile
        label, score, cluster = profile.roles.label, profile.roles.score, profile.roles.cluster
        assert label is not None
        classes, blocks = len(profile.signature.classes), _blocks(profile)
        confusion = np.zeros(max(blocks, 1) * classes * classes, np.int64)
        read = [label, *prediction_columns(profile)]
        read += [name for name in (score, cluster) if name is not None and name not in read]

        def batches() -> Iterator[tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]]:
            rows = max(1, shard.stop_row - shard.first_row)
            for batch in subject.dataset("test").batches(read, shard.first_row, shard.stop_row):
                actual = batch.codes(label).astype(np.int64)
                block = _block(batch, cluster, blocks)
                key = (block * classes + actual) * classes + predicted(batch, profile)
                np.add.at(confusion, key, 1)
                context.progress((batch.start + batch.rows - shard.first_row) / rows)
                yield (np.zeros(0) if score is None else batch.numbers(score)), block * 2 + (actual == 1)

        arrays: dict[str, npt.NDArray[Any]] = {}
        if shard.arguments["grid"] is not None:
            grid = Grid.from_json(shard.arguments["grid"])
            arrays = count_scores(batches(), 2 * max(blocks, 1), grid, _losses(profile))
        else:
            for _ in batches():
                pass
        return Partial(
            method=self.spec.id,
            stage=shard.stage,
            index=shard.index,
            arrays={"confusion": confusion, **arrays},
        )

    def merge(
        self,
        partials: Sequence[Partial],
        profile: Profile,
        params: ClassificationParams,
        context: MergeContext,
    ) -> MethodResult:
        classes = profile.signature.classes
        self._check(partials, profile, params)
        counts = _confusion(partials, len(classes), _blocks(profile))
        statistics = confusion_statistics(classes, _favourable(profile))
        found = counts.measure(statistics, params.level, params.replicates, context.rng("confusion"))
        measures = [_count_measure(one, params.level, context) for one in found]
        series = [*_confusion_series(counts.matrix, classes, self.spec.id)]
        notes: list[str] = []
        if _blocks(profile):
            notes.append(
                f'Rows of one "{profile.roles.cluster}" count as one draw: intervals allow for the clusters.'
            )
        if _scored(profile):
            sample = self._sample(partials, profile, params)
            probability = profile.signature.output == "probability"
            estimates = score_estimates(
                sample,
                probability=probability,
                level=params.level,
                replicates=params.score_replicates,
                bins=params.calibration_bins,
                rng=context.rng("scores"),
            )
            note = binning_note(sample)
            for name, one in estimates:
                if name == "performance.auc" and note and one.value is not None:
                    one = one._replace(note=note)
                measures.append(_score_measure(name, one, sample.rows, params.level, context))
            series += score_series(
                sample,
                self.spec.id,
                probability=probability,
                level=params.level,
                bins=params.calibration_bins,
            )
            notes += [note] if note else []
        return MethodResult(measures=tuple(measures), series=tuple(series), notes=tuple(notes))

    def _check(self, partials: Sequence[Partial], profile: Profile, params: ClassificationParams) -> None:
        rows, blocks = profile.test.rows, max(_blocks(profile), 1)
        wanted = {"confusion": counted(blocks * len(profile.signature.classes) ** 2, rows=rows)}
        if not _scored(profile):
            check_arrays(self.spec.id, partials, wanted)
            return
        grid, losses = self._grid(profile, params), _losses(profile) is not None
        check_scores(self.spec.id, partials, grid, 2 * blocks, rows, losses=losses, besides=wanted)

    def _sample(
        self, partials: Sequence[Partial], profile: Profile, params: ClassificationParams
    ) -> ScoreSample:
        cells = merge_scores(
            [partial.arrays for partial in partials], self._grid(profile, params), _losses(profile)
        )
        block = cells.stratum // 2 if _blocks(profile) else None
        return sample_of(cells, np.arange(cells.cell.size), _positive(cells.stratum), block)


def _scored(profile: Profile) -> bool:
    return profile.roles.score is not None and profile.signature.task == "binary"


def _blocks(profile: Profile) -> int:
    return block_count(profile, _BLOCK_CELLS // len(profile.signature.classes) ** 2)


def _block(batch: Batch, cluster: str | None, blocks: int) -> npt.NDArray[np.int64]:
    if cluster is None:
        return np.zeros(batch.rows, np.int64)
    return block_of(batch.codes(cluster), blocks)


def _favourable(profile: Profile) -> int | None:
    name = profile.signature.favourable
    return None if name is None else profile.signature.classes.index(name)


def _positive(stratum: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Strata are 2 x block + label, and label code 1 is favourable."""
    return np.asarray(stratum % 2 == 1)


def _losses(profile: Profile) -> Callable[[npt.NDArray[np.int64]], npt.NDArray[np.bool_]] | None:
    """What Brier score and log loss need to know of a stratum; None when scores are not probabilities."""
    return _positive if profile.signature.output == "probability" else None


def _confusion(partials: Sequence[Partial], classes: int, blocks: int) -> ConfusionCounts:
    total = np.sum([partial.arrays["confusion"] for partial in partials], axis=0, dtype=np.int64)
    split = total.reshape(max(blocks, 1), classes, classes)
    used = split[split.any(axis=(1, 2))]
    return ConfusionCounts(split.sum(axis=0), used if blocks else None)


def _confusion_series(
    matrix: npt.NDArray[np.int64], classes: tuple[str, ...], method: str
) -> tuple[Series, ...]:
    if len(classes) > _CONFUSION_CLASSES:
        return ()
    pairs = [(a, p) for a in range(len(classes)) for p in range(len(classes))]
    return (
        Series(
            id="performance.confusion",
            title="Rows by actual and predicted class",
            method=method,
            columns=(
                SeriesColumn(name="actual", unit="class", values=tuple(classes[a] for a, _ in pairs)),
                SeriesColumn(name="predicted", unit="class", values=tuple(classes[p] for _, p in pairs)),
                SeriesColumn(name="count", unit="count", values=tuple(int(matrix[pair]) for pair in pairs)),
            ),
        ),
    )


def _count_measure(found: Found, level: float, context: MergeContext) -> Measure:
    spec = _BINARY[found.statistic.id]
    missing = found.value is None
    return Measure(
        id=spec.id,
        at=found.statistic.at,
        value=found.value,
        low=found.low,
        high=found.high,
        level=None if missing else level,
        interval_method=found.interval_method,
        n=found.n,
        numerator=found.numerator,
        denominator=found.denominator,
        unit=spec.unit,
        direction=spec.direction,
        status="insufficient" if missing else "measured",
        grade=context.grade,
        note=f"no {found.statistic.missing}" if missing else None,
    )


def _score_measure(name: str, found: Estimated, rows: int, level: float, context: MergeContext) -> Measure:
    spec = _BINARY[name]
    return Measure(
        id=spec.id,
        value=found.value,
        low=found.low,
        high=found.high,
        level=None if found.low is None else level,
        interval_method=found.interval_method,
        n=rows,
        unit=spec.unit,
        direction=spec.direction,
        status="insufficient" if found.value is None else "measured",
        grade=context.grade,
        note=found.note,
    )


METHOD = Classification()
