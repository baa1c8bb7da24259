"""Accuracy and changed decisions against the severity of each kind of noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from assay.contracts import Measure, Series, SeriesColumn

__all__ = ["noise_series"]

_CURVES = (
    ("robustness.noisy_accuracy", "accuracy", "robustness.unperturbed_accuracy"),
    ("robustness.changed_decisions", "changed", None),
)


def noise_series(
    method: str, kinds: Sequence[Mapping[str, Any]], measures: Sequence[Measure]
) -> tuple[Series, ...]:
    """One series a kind: severity (0 = no noise) and the curves with their limits."""
    by_setting = {(m.id, m.at.get("noise"), m.at.get("severity")): m for m in measures}
    found = []
    for kind in kinds:
        severities = [0.0, *kind["severities"]]
        columns = [SeriesColumn(name="severity", unit=kind["unit"], values=tuple(severities))]
        for measure_id, name, without in _CURVES:
            points = [by_setting.get((measure_id, kind["name"], severity)) for severity in severities[1:]]
            points = [by_setting.get((without, None, None)) if without else None, *points]
            if points[1] is None:
                continue
            columns += [
                SeriesColumn(name=name, unit="share", values=tuple(_of(p, "value", without) for p in points)),
                SeriesColumn(
                    name=f"{name}_low", unit="share", values=tuple(_of(p, "low", without) for p in points)
                ),
                SeriesColumn(
                    name=f"{name}_high", unit="share", values=tuple(_of(p, "high", without) for p in points)
                ),
            ]
        found.append(
            Series(
                id="robustness.noise_curve",
                slice={"noise": kind["name"]},
                title=f"Decisions under noise: {kind['name']}",
                method=method,
                columns=tuple(columns),
            )
        )
    return tuple(found)


def _of(measure: Measure | None, name: str, without: str | None) -> float | None:
    """A field of the measure; without noise nothing changes, exactly."""
    if measure is None:
        return None if without else 0.0
    value: float | None = getattr(measure, name)
    return value
