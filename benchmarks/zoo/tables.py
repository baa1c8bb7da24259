"""Prediction tables: files with a probability column beside the real labels, for audits without a model.

| table | what | what an audit must find |
|---|---|---|
| diabetes | logistic regression, pooled out-of-fold probabilities | nothing beyond what 442 rows can show |
| adult | the same on UCI Adult's 32,561 training rows | unequal selection by sex, as published |
| adult_biased | the log-odds of women lowered by 1.5 | larger gaps in selection and true positive rate |
| adult_overconfident | log-odds times 3: same ranking, wrong probabilities | calibration slope near 1/3 |
| adult_leaking | a tenth of the rows stand twice | duplicates |
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from assay import demo
from benchmarks.zoo import cache

__all__ = ["TABLES", "build"]


def _adult() -> demo.Columns:
    return demo.adult_table(cache.real_file("adult", "adult.data.gz"))


def _with_log_odds(change: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> demo.Columns:
    columns = _read(build("adult"))
    probability = np.clip(np.array(columns["probability"], dtype=float), 1e-6, 1 - 1e-6)
    log_odds = change(np.log(probability / (1 - probability)), np.array(columns["sex"]))
    return {**columns, "probability": (1 / (1 + np.exp(-log_odds))).round(6)}


def _leaking() -> demo.Columns:
    columns = _read(build("adult"))
    rows = len(columns["sex"])
    repeated = np.random.default_rng(11).choice(rows, rows // 10, replace=False)
    return {name: [*values, *(values[i] for i in repeated)] for name, values in columns.items()}


TABLES: dict[str, Callable[[], demo.Columns]] = {
    "diabetes": demo.diabetes_table,
    "adult": _adult,
    "adult_biased": lambda: _with_log_odds(lambda z, sex: z - 1.5 * (sex == "Female")),
    "adult_overconfident": lambda: _with_log_odds(lambda z, sex: 3 * z),
    "adult_leaking": _leaking,
}


def _read(path: Path) -> dict[str, list[str]]:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    return {name: list(values) for name, *values in zip(*rows, strict=True)}


def build(name: str) -> Path:
    """The table's CSV; trained and written at the first call for this version of the code."""

    def make(folder: Path) -> None:
        demo.write_table(TABLES[name](), folder / f"{name}.csv")

    key = cache.code_key([__name__, "assay.demo"])
    return cache.cached(f"table-{name}", key, make) / f"{name}.csv"
