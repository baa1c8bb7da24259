"""Small models that other libraries make of one table of words, numbers and a sensitive column."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assay.contracts import InputColumn, ModelSignature

__all__ = [
    "COLUMNS",
    "JOBS",
    "WORDS",
    "frame",
    "incomes",
    "pipeline",
    "save_lightgbm",
    "save_onnx_pipeline",
    "save_skops",
]

JOBS = ("clerk", "doctor", "farmer")
COLUMNS = ("age", "hours", "job")
WORDS = ModelSignature(
    task="binary",
    output="probability",
    classes=("less", "more"),
    columns=(
        InputColumn(name="job", kind="category", encoding="value", categories=JOBS),
        InputColumn(name="hours", kind="number", encoding="identity"),
        InputColumn(name="age", kind="number", encoding="identity"),
    ),
)
"""Of the pipeline, with its columns in another order than it was fitted on."""


def incomes(rows: int = 400, seed: int = 0) -> dict[str, Sequence[Any]]:
    """A table like Adult's: who earns more hangs on age, hours, job, and a little on sex."""
    rng = np.random.default_rng(seed)
    age, hours = rng.integers(18, 70, rows).astype(float), rng.integers(10, 60, rows).astype(float)
    job, sex = rng.choice(JOBS, rows), rng.choice(["f", "m"], rows)
    score = (age - 44) / 15 + (hours - 35) / 15 + 2.0 * (job == "doctor") + 0.5 * (sex == "m")
    earns = np.where(score + rng.normal(size=rows) > 0.5, "more", "less")
    return {"age": age, "hours": hours, "job": job, "sex": sex, "income": earns}


def frame(table: dict[str, Sequence[Any]]) -> Any:
    """The columns that models read, as the data frame that scikit-learn is fitted on."""
    import pandas

    return pandas.DataFrame({name: table[name] for name in COLUMNS})


def pipeline(table: dict[str, Sequence[Any]]) -> Any:
    """Scaled numbers and one-hot words into a logistic regression, fitted."""
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["age", "hours"]),
            ("words", OneHotEncoder(handle_unknown="ignore"), ["job"]),
        ]
    )
    return Pipeline([("columns", columns), ("model", LogisticRegression())]).fit(
        frame(table), table["income"]
    )


def save_skops(path: Path, table: dict[str, Sequence[Any]]) -> Any:
    """A pipeline in a skops file; returned as fitted."""
    import skops.io

    fitted = pipeline(table)
    skops.io.dump(fitted, path)
    return fitted


def save_onnx_pipeline(path: Path, fitted: Any) -> Path:
    """A fitted pipeline as skl2onnx converts it: one input a column, labels and a ZipMap of probabilities."""
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    made = convert_sklearn(
        fitted,
        initial_types=[
            ("age", FloatTensorType([None, 1])),
            ("hours", FloatTensorType([None, 1])),
            ("job", StringTensorType([None, 1])),
        ],
    )
    path.write_bytes(made.SerializeToString())
    return path


def save_lightgbm(path: Path, table: dict[str, Sequence[Any]]) -> Any:
    """A LightGBM model of a frame with a category; returned as trained."""
    import lightgbm
    import pandas

    rows = frame(table)
    rows["job"] = pandas.Categorical(rows["job"], categories=JOBS)
    label = (np.asarray(table["income"]) == "more").astype(int)
    options = {"objective": "binary", "num_leaves": 6, "verbosity": -1, "num_threads": 1, "seed": 0}
    trained = lightgbm.train({**options, "min_data_per_group": 5}, lightgbm.Dataset(rows, label), 8)
    trained.save_model(path)
    return trained
