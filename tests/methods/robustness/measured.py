"""Reading results of the methods of robustness."""

from __future__ import annotations

from typing import Any

from assay.contracts import Measure, MethodResult
from assay.datasets.subject import Subject
from assay.execution import run_method
from assay.registry import METHODS

__all__ = ["measured", "one"]


def measured(
    method: str, subject: Subject, seed: int = 0, shard_rows: int | None = None, **params: Any
) -> MethodResult:
    return run_method(METHODS.get(method), subject, params, seed=seed, shard_rows=shard_rows)


def one(result: MethodResult, name: str, **at: Any) -> Measure:
    """The only measure of that name whose setting holds `at`."""
    (found,) = [
        m for m in result.measures if m.id == f"robustness.{name}" and at.items() <= dict(m.at).items()
    ]
    return found
