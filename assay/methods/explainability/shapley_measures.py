"""From the attributions of many rows to measures."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from assay.contracts import Measure, MergeContext, MethodResult, Profile
from assay.methods.explainability.explained_output import output_unit
from assay.methods.explainability.quality import completeness_gap, deletion_area
from assay.methods.explainability.shapley_found import FEWEST_ROWS, Found, Means, student
from assay.methods.explainability.shapley_params import ShapleyParams
from assay.methods.explainability.shapley_series import (
    attribution_series,
    deletion_series,
    notes_on,
    spread_series,
)
from assay.methods.explainability.shapley_specs import PREFIX, SPECS
from assay.stats.bootstrap import cluster_bootstrap, percentile_interval
from assay.stats.intervals import normal_quantile

__all__ = ["shapley_result"]

Floats = npt.NDArray[np.float64]

_BY_ID = {spec.id: spec for spec in SPECS}


def shapley_result(
    found: Found, profile: Profile, params: ShapleyParams, context: MergeContext
) -> MethodResult:
    """Measures, series and notes."""
    assert profile.model_signature is not None
    unit = output_unit(profile.model_signature, margin=found.trees)
    size = np.abs(found.values)
    # |phi + error| is too large by at most |error|; all rows share their coalitions, so errors do not average
    # out over rows, and the lower ends are moved down by the largest that `level` allows
    noise = found.errors * float(normal_quantile(params.level))
    means = student(size, params.level)
    means = means._replace(low=np.maximum(means.low - noise.mean(axis=0), 0.0))
    gain = deletion_area(found.changes, found.steps) - deletion_area(found.random_changes, found.steps)
    shares = _Shares(size, noise, params.level, params.replicates, context.rng("shares"))
    build = _Builder(len(size), params.level, context)
    measures = [
        *_per_feature(build, found.features, means, unit),
        *_share_measures(build, shares, found.features, profile),
        _completeness(build, found),
        _precision(build, found),
        build.mean("deletion_gain", student(gain[:, None], params.level), 0, unit=unit),
        build.plain("evaluations", found.evaluations),
    ]
    series = [
        attribution_series(found.features, means, unit),
        deletion_series(found, params.level, unit),
    ]
    if len(size) >= FEWEST_ROWS:
        series.append(spread_series(found, means, unit))
    return MethodResult(
        measures=tuple(measures), series=tuple(series), notes=tuple(notes_on(found, profile, params))
    )


class _Shares:
    """Each feature's part of the sum of the mean |phi|, with intervals from a bootstrap of the rows.

    Sampling errors enlarge |phi|: the lower end takes `noise`, their largest size, off the feature's own,
    the upper end off those of all others.
    """

    def __init__(
        self, size: Floats, noise: Floats, level: float, replicates: int, rng: np.random.Generator
    ) -> None:
        total = float(size.sum())
        self.features = size.shape[1]
        self.known = total > 0 and len(size) >= FEWEST_ROWS
        self.why = "no feature moves the output" if total <= 0 else f"fewer than {FEWEST_ROWS} rows"
        if not self.known:
            return
        self.value = size.sum(axis=0) / total
        drawn = cluster_bootstrap(np.hstack([size, noise]), replicates, rng)
        sizes, noises = drawn[:, : self.features], drawn[:, self.features :]
        surely = np.maximum(sizes - noises, 0.0)
        whole = np.maximum(sizes.sum(axis=1, keepdims=True), np.finfo(float).tiny)
        others = surely.sum(axis=1, keepdims=True) - surely
        self.low = percentile_interval(surely / whole, level).low
        self.high = percentile_interval(sizes / np.maximum(sizes + others, whole * 1e-12), level).high


class _Builder:
    """Makes the measures of one result."""

    def __init__(self, rows: int, level: float, context: MergeContext) -> None:
        self.rows, self.level, self._grade = rows, level, context.grade
        self.few = f"{rows} rows were explained; at least {FEWEST_ROWS} are needed"

    def plain(
        self,
        name: str,
        value: float | None,
        *,
        low: float | None = None,
        high: float | None = None,
        method: str | None = "exact",
        at: dict[str, str] | None = None,
        unit: str | None = None,
        note: str | None = None,
        status: str | None = None,
        n: int | None = None,
    ) -> Measure:
        spec = _BY_ID[f"{PREFIX}.{name}"]
        return Measure.model_validate(
            {
                "id": spec.id,
                "at": at or {},
                "value": value,
                "low": low,
                "high": high,
                "level": None if low is None else self.level,
                "interval_method": None if value is None else method,
                "n": self.rows if n is None else n,
                "unit": unit or spec.unit,
                "direction": spec.direction,
                "status": status or ("insufficient" if value is None else "measured"),
                "grade": self._grade,
                "note": note,
            }
        )

    def mean(
        self,
        name: str,
        means: Means,
        column: int,
        *,
        at: dict[str, str] | None = None,
        unit: str | None = None,
        note: str | None = None,
    ) -> Measure:
        if self.rows < FEWEST_ROWS:
            return self.plain(name, None, at=at, unit=unit, note=self.few)
        value, low, high = (float(part[column]) for part in means)
        return self.plain(
            name, value, low=min(low, value), high=high, method="student", at=at, unit=unit, note=note
        )

    def share(
        self, name: str, shares: _Shares, column: int, at: dict[str, str] | None, note: str | None
    ) -> Measure:
        if not shares.known:
            return self.plain(name, None, at=at, note=shares.why)
        value = float(shares.value[column])
        low, high = min(float(shares.low[column]), value), max(float(shares.high[column]), value)
        return self.plain(name, value, low=low, high=high, method="row bootstrap", at=at, note=note)


def _per_feature(build: _Builder, features: tuple[str, ...], means: Means, unit: str) -> Iterator[Measure]:
    for column, feature in enumerate(features):
        yield build.mean("mean_absolute", means, column, at={"feature": feature}, unit=unit)


def _share_measures(
    build: _Builder, shares: _Shares, features: tuple[str, ...], profile: Profile
) -> Iterator[Measure]:
    strongest = int(np.argmax(shares.value)) if shares.known else 0
    yield build.share("largest_share", shares, strongest, None, features[strongest] if shares.known else None)
    for attribute in profile.roles.sensitive:
        at = {"attribute": attribute}
        if attribute in features:
            yield build.share("sensitive_share", shares, features.index(attribute), at, None)
        else:
            yield build.plain("sensitive_share", 0.0, at=at, note="the model does not read it")


def _completeness(build: _Builder, found: Found) -> Measure:
    """Of the rows whose values were not made to add up."""
    if not found.exact.any():
        return build.plain(
            "completeness_gap",
            None,
            status="not_applicable",
            note="sampled attributions add up by construction; see the relative standard error",
        )
    gap = completeness_gap(found.values, found.explained, found.expected)[found.exact]
    return build.plain(
        "completeness_gap", float(gap.mean()), n=len(gap), note=f"largest of any row: {gap.max():.1e}"
    )


def _precision(build: _Builder, found: Found) -> Measure:
    sampled = int((~found.exact).sum())
    if not sampled:
        return build.plain("standard_error", 0.0, note="every row was explained exactly")
    return build.mean(
        "standard_error",
        student(found.relative[:, None], build.level),
        0,
        note=f"{sampled:,} of {len(found.exact):,} rows were sampled",
    )
