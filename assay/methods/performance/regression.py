"""How far are predicted numbers from the true ones?

One pass keeps the means and covariances of (error, |error|, error^2, label, label^2); every measure is a
smooth function of the means, so its interval follows by the delta method.
User's page: docs/methods/performance.regression.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import stdtrit

from assay.contracts import (
    Citation,
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
)
from assay.errors import ChildFailed
from assay.methods.checked_arrays import check_arrays, floats
from assay.methods.cluster_blocks import block_count, block_of
from assay.methods.performance.regression_errors import (
    ERROR,
    SPECS,
    SQUARED,
    clustered_covariance,
    error_columns,
    error_estimates,
    residual_series,
)
from assay.methods.score_cells import Grid
from assay.methods.sharding import row_shards
from assay.stats.calibration import weighted_counts
from assay.stats.moments import Moments

__all__ = ["METHOD", "Regression"]

Floats = npt.NDArray[np.float64]

_FINE_BINS = 4_096


class RegressionParams(Params):
    level: Annotated[float, Field(ge=0.5, le=0.9999)] = Field(0.95, description="Confidence level.")
    residual_bins: Annotated[int, Field(ge=2, le=100)] = Field(
        10, description="Bins of about equal rows, by prediction, in the residual curve."
    )


_BY_ID = {spec.id: spec for spec in SPECS}


class Regression:
    """MAE, RMSE, R squared and mean error with delta-method intervals, and errors along the prediction."""

    spec = MethodSpec(
        id="performance.regression",
        version="1.0",
        title="Regression performance",
        pillar="performance",
        summary="How far predictions lie from the labels, how much of the labels' spread they explain, and "
        "whether they err to one side.",
        needs=("predictions", "labels"),
        tasks=("regression",),
        measures=SPECS,
        deterministic=True,
        citations=(
            Citation(text="Chan, Golub & LeVeque 1983, Algorithms for computing the sample variance"),
            Citation(text="van der Vaart 1998, Asymptotic Statistics, chapter 3 (delta method)"),
            Citation(text="Liang & Zeger 1986 (clustered rows)"),
        ),
    )
    Params = RegressionParams

    def estimate(self, profile: Profile, params: RegressionParams) -> Estimate:
        seconds = round(0.05 + profile.test.rows * 2e-7, 3)
        return Estimate(evaluations=0, seconds=seconds, memory_bytes=100_000_000)

    def plan(
        self, profile: Profile, params: RegressionParams, stage: int, earlier: Sequence[Partial]
    ) -> Sequence[ShardSpec]:
        return row_shards(self.spec.id, profile.test.rows) if stage == 0 else ()

    def run(
        self, shard: ShardSpec, subject: SubjectProtocol, params: RegressionParams, context: Context
    ) -> Partial:
        """Moments of the shard's rows, sums by block of clusters, and sums by bin of the prediction."""
        profile = subject.profile
        label, prediction, cluster = _columns(profile)
        centre, grid, blocks = _centre(profile), _grid(profile), block_count(profile)
        moments = Moments.of(np.zeros((0, 5)))
        by_block = np.zeros((max(blocks, 1), 6))
        by_bin = np.zeros((4, _FINE_BINS))
        names = [label, prediction] if cluster is None else [label, prediction, cluster]
        rows = max(1, shard.stop_row - shard.first_row)
        for batch in subject.dataset("test").batches(names, shard.first_row, shard.stop_row):
            actual, forecast = batch.numbers(label), batch.numbers(prediction)
            columns = error_columns(actual, forecast, centre)
            error = columns[:, ERROR]
            moments = moments + Moments.of(columns)
            place = grid.place(forecast)
            for row, weight in enumerate((np.ones(batch.rows), error, columns[:, SQUARED], forecast)):
                by_bin[row] += weighted_counts(place, weight, _FINE_BINS)
            if cluster is not None:
                block = block_of(batch.codes(cluster), blocks)
                by_block[:, 0] += weighted_counts(block, np.ones(batch.rows), blocks)
                for column in range(5):
                    by_block[:, column + 1] += weighted_counts(block, columns[:, column], blocks)
            context.progress((batch.start + batch.rows - shard.first_row) / rows)
        return Partial(
            method=self.spec.id,
            stage=shard.stage,
            index=shard.index,
            data={"n": moments.n},
            arrays={
                "mean": moments.mean,
                "comoment": moments.comoment,
                "blocks": by_block,
                "bins": by_bin,
            },
        )

    def merge(
        self,
        partials: Sequence[Partial],
        profile: Profile,
        params: RegressionParams,
        context: MergeContext,
    ) -> MethodResult:
        blocks = max(block_count(profile), 1)
        wanted = {"mean": floats(5), "comoment": floats(5, 5), "blocks": floats(blocks, 6)}
        check_arrays(self.spec.id, partials, {**wanted, "bins": floats(4, _FINE_BINS)})
        moments = Moments.of(np.zeros((0, 5)))
        for partial in partials:
            part = Moments(int(partial.data["n"]), partial.arrays["mean"], partial.arrays["comoment"])
            moments = moments + part
        if moments.n != profile.test.rows:
            raise ChildFailed(f"The child counted {moments.n:,} of {profile.test.rows:,} rows.")
        notes: list[str] = []
        covariance, freedom = moments.covariance_of_mean, moments.n - 1
        if profile.roles.cluster is not None:
            by_block = np.sum([partial.arrays["blocks"] for partial in partials], axis=0)
            covariance, freedom = clustered_covariance(moments, by_block)
            notes.append(
                f'Rows of one "{profile.roles.cluster}" count as one draw: intervals allow for the clusters.'
            )
        quantile = float(stdtrit(freedom, (1 + params.level) / 2)) if freedom > 0 else math.nan
        method = "delta method, clusters" if profile.roles.cluster is not None else "delta method"
        measures = tuple(
            _measure(name, value, low, high, method, moments.n, params.level, context)
            for name, value, low, high in error_estimates(moments, covariance, quantile)
        )
        bins = np.sum([partial.arrays["bins"] for partial in partials], axis=0)
        series = residual_series(
            bins,
            params.residual_bins,
            params.level,
            self.spec.id,
            clustered=profile.roles.cluster is not None,
        )
        return MethodResult(measures=measures, series=(series,), notes=tuple(notes))


def _columns(profile: Profile) -> tuple[str, str, str | None]:
    label, prediction = profile.roles.label, profile.roles.prediction or profile.roles.score
    assert label is not None
    assert prediction is not None
    return label, prediction, profile.roles.cluster


def _centre(profile: Profile) -> float:
    """A number near the mean label, so that squares of the shifted label keep their digits."""
    return profile.test.column(_columns(profile)[0]).mean or 0.0


def _grid(profile: Profile) -> Grid:
    column = profile.test.column(_columns(profile)[1])
    return Grid(_FINE_BINS, column.minimum or 0.0, column.maximum or 0.0)


def _measure(
    name: str,
    value: float | None,
    low: float | None,
    high: float | None,
    method: str,
    rows: int,
    level: float,
    context: MergeContext,
) -> Measure:
    spec = _BY_ID[name]
    note = None
    if value is None:
        note = "all labels are equal, so there is no spread to explain"
    elif low is None:
        note = "too few rows, or errors that do not vary: no interval can be estimated"
    return Measure(
        id=name,
        value=value,
        low=low,
        high=high,
        level=None if low is None else level,
        interval_method=None if low is None else method,
        n=rows,
        unit=spec.unit,
        direction=spec.direction,
        status="insufficient" if value is None else "measured",
        grade=context.grade,
        note=note,
    )


METHOD = Regression()
