"""What a user may set of explainability.shapley."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from assay.contracts import Params, Tier

__all__ = ["ShapleyParams"]


class ShapleyParams(Params):
    rows: Annotated[int, Field(ge=2, le=100_000)] = Field(200, description="Rows to explain, at random.")
    background: Annotated[int, Field(ge=1, le=10_000)] = Field(
        100, description="Rows that stand for a feature's absence, at random from training, else test rows."
    )
    relative_error: Annotated[float, Field(gt=0, le=1)] = Field(
        0.03, description="A row is sampled until ||standard errors|| / ||attributions|| is at most this."
    )
    exact_evaluations: Annotated[int, Field(ge=0, le=100_000_000)] = Field(
        65_536, description="A row is explained exactly where that takes at most so many model evaluations."
    )
    most_evaluations: Annotated[int, Field(ge=0, le=1_000_000_000)] = Field(
        131_072, description="No sample of a row is made larger than this, whatever its standard error."
    )
    level: Annotated[float, Field(ge=0.5, le=0.9999)] = Field(0.95, description="Confidence level.")
    replicates: Annotated[int, Field(ge=200, le=100_000)] = Field(
        2_000, description="Bootstrap replicates of the rows, for shares."
    )

    @classmethod
    def tier_defaults(cls, tier: Tier) -> dict[str, Any]:
        """Fewer rows and coarser values when quick, more and finer when deep."""
        quick = {
            "rows": 50,
            "background": 50,
            "relative_error": 0.05,
            "exact_evaluations": 8_192,
            "most_evaluations": 16_384,
        }
        deep = {
            "rows": 1_000,
            "background": 200,
            "relative_error": 0.01,
            "exact_evaluations": 262_144,
            "most_evaluations": 1_048_576,
        }
        return {"quick": quick, "deep": deep}.get(tier, {})
