"""The curves and notes of explainability.shapley: aggregates over the explained rows."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from assay.contracts import Profile, Series, SeriesColumn
from assay.methods.explainability.explained_output import output_in_words
from assay.methods.explainability.shapley_found import Found, Means, student
from assay.methods.explainability.shapley_params import ShapleyParams
from assay.methods.explainability.shapley_specs import PREFIX

__all__ = ["attribution_series", "deletion_series", "notes_on", "spread_series"]

Floats = npt.NDArray[np.float64]

_SHOWN = 30
"""Features in a series: those with the largest mean |phi|."""
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def _numbers(values: Floats) -> tuple[float | None, ...]:
    return tuple(float(v) if math.isfinite(v) else None for v in values)


def attribution_series(features: tuple[str, ...], means: Means, unit: str) -> Series:
    order = np.argsort(-means.value, kind="stable")[:_SHOWN]
    return Series(
        id=f"{PREFIX}.attribution",
        title="Mean absolute attribution by feature",
        method=PREFIX,
        columns=(
            SeriesColumn(name="feature", unit="feature", values=tuple(features[i] for i in order)),
            SeriesColumn(name="mean_absolute", unit=unit, values=_numbers(means.value[order])),
            SeriesColumn(name="low", unit=unit, values=_numbers(means.low[order])),
            SeriesColumn(name="high", unit=unit, values=_numbers(means.high[order])),
        ),
        note=None if len(features) <= _SHOWN else f"The {_SHOWN} strongest of {len(features):,} features.",
    )


def deletion_series(found: Found, level: float, unit: str) -> Series:
    columns = [SeriesColumn(name="removed", unit="share", values=(0.0, *found.steps))]
    for name, changes in (("change", found.changes), ("random_change", found.random_changes)):
        means = student(np.hstack([np.zeros((len(changes), 1)), changes]), level)
        for part, values in zip((name, f"{name}_low", f"{name}_high"), means, strict=True):
            columns.append(SeriesColumn(name=part, unit=unit, values=_numbers(values)))
    return Series(
        id=f"{PREFIX}.deletion",
        title="Change of the output while features are replaced",
        method=PREFIX,
        columns=tuple(columns),
        note="Features are replaced from background rows, strongest first or in random order.",
    )


def spread_series(found: Found, means: Means, unit: str) -> Series:
    order = np.argsort(-means.value, kind="stable")[:_SHOWN]
    quantiles = np.quantile(found.values[:, order], _QUANTILES, axis=0)
    return Series(
        id=f"{PREFIX}.spread",
        title="Quantiles of the attributions by feature",
        method=PREFIX,
        columns=(
            SeriesColumn(name="feature", unit="feature", values=tuple(found.features[i] for i in order)),
            *(
                SeriesColumn(name=f"q{round(100 * q):02d}", unit=unit, values=_numbers(row))
                for q, row in zip(_QUANTILES, quantiles, strict=True)
            ),
        ),
    )


def notes_on(found: Found, profile: Profile, params: ShapleyParams) -> Iterator[str]:
    signature = profile.model_signature
    assert signature is not None
    rows = len(found.values)
    what = output_in_words(signature, margin=found.trees)
    yield (
        f"Explained is {what}, for {rows:,} rows of the {profile.asked.rows:,}, against a background of "
        f"{found.background:,} rows of the {found.background_role} data. Intervals are over rows, for this "
        "background."
    )
    sampled = ~found.exact
    if found.walked:
        yield (
            "Trees were walked (interventional TreeSHAP): exact values. That of a category column is the sum "
            "over its indicators."
        )
    elif sampled.any():
        late = int((found.relative > params.relative_error).sum())
        missed = f" {late:,} rows stopped at the limit of evaluations before that." if late else ""
        yield (
            f"{int(found.exact.sum()):,} rows were explained exactly, {int(sampled.sum()):,} from samples of "
            f"coalitions until the relative standard error was at most {params.relative_error:g}.{missed}"
        )
    yield (
        "A feature is replaced independently of the others (interventional values): the numbers say what the "
        "model uses, not what causes the outcome, and a feature may still carry what a sensitive attribute "
        "tells."
    )
    if profile.roles.cluster is not None:
        yield f'Rows are taken as independent, though "{profile.roles.cluster}" groups them.'
