"""What the API gives of an audit's series, figures, comparisons and single rows."""

from __future__ import annotations

from typing import Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field

from accounts.paging import Paging
from assay.contracts import Comparison, Pillar, Series, VerdictChange

__all__ = [
    "ComparisonOut",
    "ComparisonQuery",
    "FigureOut",
    "FiguresOut",
    "RowsOut",
    "SeriesOut",
]

Reading = Literal["better", "worse", "unchanged", "insufficient"]


def _example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [values]})


class SeriesOut(Schema):
    model_config = _example(
        count=1,
        items=[
            {
                "id": "performance.calibration",
                "slice": {},
                "title": "Calibration",
                "method": "performance.classification",
                "columns": [
                    {"name": "predicted", "unit": "probability", "values": [0.1, 0.3]},
                    {"name": "observed", "unit": "share", "values": [0.12, 0.27]},
                ],
                "note": None,
            }
        ],
    )
    count: int
    items: list[Series]


class FigureOut(Schema):
    model_config = _example(
        id="figure-3",
        chapter="fairness",
        caption="Selection rates by sex with their intervals",
        alt="Female 0.11, Male 0.31",
        columns=["Group", "Rate", "Interval", "n"],
        rows=[["Female", "0.11", "[0.10, 0.12]", "10,771"]],
        svg="/api/v1/audits/5f0c6d0e-7a52-4e0c-9a55-0d6a3b6f1c11/figures/figure-3.svg",
    )
    id: str
    chapter: str
    caption: str
    alt: str
    columns: list[str]
    rows: list[list[str]] = Field(description="As printed in the figure's table.")
    svg: str = Field(description="Address of the drawing.")


class FiguresOut(Schema):
    count: int
    items: list[FigureOut]


class ComparisonQuery(Paging):
    """Which of the compared measures."""

    reading: Reading | None = None
    pillar: Pillar | None = None


class ComparedOut(Comparison):
    """One measure in both audits; `change`, `low` and `high` are of after minus before."""

    decisive: bool = Field(description="Whether the gate looked at it.")
    n_before: int | None = Field(description="Rows behind the value before.")
    n_after: int | None = Field(description="Rows behind the value after.")


class ComparisonOut(Schema):
    model_config = _example(
        before="5f0c6d0e-7a52-4e0c-9a55-0d6a3b6f1c11",
        after="0d3d5a86-1d8a-4f3f-8b3c-2b0f1a6d2c22",
        exit_code=1,
        sentence="Not let through: 1 of 9 decisive quantities is worse beyond its tolerance.",
        reasons=["Balanced accuracy is worse: −0.021 [−0.030, −0.012]."],
        statements=["Both audits measured the same 16,281 rows, compared row by row."],
        counts={"better": 12, "worse": 1, "unchanged": 30, "insufficient": 6},
        verdict_changes=[
            {
                "rule": "impact_ratio",
                "title": "Impact ratio",
                "pillar": "fairness",
                "over": "sex",
                "before": "fail",
                "after": "pass",
            }
        ],
        count=1,
        items=[
            {
                "id": "performance.balanced_accuracy",
                "title": "Balanced accuracy",
                "pillar": "performance",
                "slice": {},
                "over": None,
                "at": {},
                "before": 0.781,
                "after": 0.76,
                "change": -0.021,
                "low": -0.03,
                "high": -0.012,
                "level": 0.95,
                "interval_method": "paired bootstrap 2,000",
                "tolerance": 0.01,
                "reading": "worse",
                "unit": "score",
                "note": None,
                "decisive": True,
                "n_before": 16281,
                "n_after": 16281,
            }
        ],
    )
    before: UUID
    after: UUID
    exit_code: Literal[0, 1, 2, 3] = Field(
        description="The gate's: 0 let through, 1 something was lost, 2 not comparable, 3 undecided."
    )
    sentence: str
    reasons: list[str]
    statements: list[str] = Field(description="What else differs, and how the rows were compared.")
    counts: dict[str, int] = Field(description="Reading -> measures, of all that both audits have.")
    verdict_changes: list[VerdictChange]
    count: int
    items: list[ComparedOut]


class RowOut(Schema):
    number: int = Field(description="Its place in the test data, from 1.")
    label: str | None
    prediction: str | None
    wrong: bool | None
    score: float | None
    groups: dict[str, str]
    counted: Literal[0, 1] | None = Field(description="How it counts; null where it does not.")


class CountedOut(Schema):
    key: str
    title: str


class RowsOut(Schema):
    """A page of 50 rows."""

    model_config = _example(
        total=212,
        of=600,
        page=1,
        pages=5,
        about="Impact ratio, sex: Female / Male",
        aside=False,
        measures=[{"key": "9f3c6a1be0f34f2f", "title": "Flips under noise, all rows"}],
        items=[
            {
                "number": 17,
                "label": "yes",
                "prediction": "no",
                "wrong": True,
                "score": 0.4312,
                "groups": {"sex": "Female"},
                "counted": 0,
            }
        ],
    )
    total: int = Field(description="Rows that were asked for.")
    of: int
    page: int
    pages: int
    about: str = Field(description="What `counted` is about; empty without one.")
    aside: bool = Field(description="About rows without labels: only how they counted is known.")
    measures: list[CountedOut] = Field(description="Measures of which it is kept how each row counted.")
    items: list[RowOut]
