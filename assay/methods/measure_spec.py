"""How a method's specs are written down: the prefix once, then a line or two a measure."""

from __future__ import annotations

from assay.contracts import Direction, Judging, MeasureSpec

__all__ = ["measure_spec"]


def measure_spec(
    prefix: str,
    name: str,
    title: str,
    unit: str,
    direction: Direction,
    description: str,
    judging: Judging = "single",
) -> MeasureSpec:
    """The spec of `prefix.name`; fix the prefix with `functools.partial`."""
    return MeasureSpec(
        id=f"{prefix}.{name}",
        title=title,
        unit=unit,
        direction=direction,
        judging=judging,
        description=description,
    )
