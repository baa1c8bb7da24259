"""Finding measures in a result by what they are about."""

from __future__ import annotations

from assay.contracts import Measure, MethodResult


def all_of(result: MethodResult, name: str) -> list[Measure]:
    return [m for m in result.measures if m.id == f"fairness.{name}"]


def one(
    result: MethodResult, name: str, group: dict[str, str] | None = None, over: str | None = None, **at: str
) -> Measure:
    """The only measure of that name, group, attribute and setting (those that are named)."""
    found = [
        m
        for m in all_of(result, name)
        if (group is None or dict(m.slice) == group)
        and (over is None or m.over == over)
        and all(m.at.get(key) == value for key, value in at.items())
    ]
    assert len(found) == 1, [(dict(m.slice), m.over, dict(m.at)) for m in found]
    return found[0]
