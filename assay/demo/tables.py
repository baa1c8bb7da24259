"""Real data of the demo and the zoo, as columns, and tables of out-of-fold predictions of plain regressions.

The diabetes study is bundled with scikit-learn (Efron et al. 2004): 442 patients. A patient counts as high
progression when the target one year after baseline is over 140. Sex is coded 1 and 2 in the source, which
does not say which is which. UCI Adult comes from a file or (online) from OpenML.
"""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.errors import BadInput

__all__ = [
    "ADULT_COLUMNS",
    "Columns",
    "adult_columns",
    "adult_table",
    "diabetes_columns",
    "diabetes_table",
    "out_of_fold",
    "write_table",
]

Columns = dict[str, Any]
"""Column name -> sequence of values, all of one length."""

ADULT_COLUMNS = (
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
)
_ADULT_NUMBERS = ("age", "fnlwgt", "education-num", "capital-gain", "capital-loss", "hours-per-week")
_FOLDS = 5
_SEED = 7


def out_of_fold(model: Any, features: Any, target: npt.NDArray[np.int_]) -> npt.NDArray[np.float64]:
    """Probability of class 1 for every row, each from a model fitted on the other folds (5, stratified)."""
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=_SEED)
    probabilities = cross_val_predict(model, features, target, cv=folds, method="predict_proba")
    return np.asarray(probabilities[:, 1], dtype=np.float64)


def diabetes_columns() -> Columns:
    """The study's ten features and its outcome."""
    from sklearn.datasets import load_diabetes

    study = load_diabetes(scaled=False)
    columns: Columns = {name: study.data[:, i] for i, name in enumerate(study.feature_names)}
    columns["sex"] = [f"code {int(code)}" for code in study.data[:, study.feature_names.index("sex")]]
    columns["progression"] = np.where(study.target > 140, "high", "low")
    return columns


def diabetes_table() -> Columns:
    """The study with pooled out-of-fold probabilities of high progression from a logistic regression."""
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    columns = diabetes_columns()
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    high = (columns["progression"] == "high").astype(np.int_)
    probability = out_of_fold(model, load_diabetes(scaled=False).data, high)
    return {**columns, "probability": probability.round(6)}


def adult_columns(file: Path | None) -> Columns:
    """UCI Adult as it stands.

    Args:
        file: the UCI file (CSV without header, gzip too); None fetches it from OpenML, which needs a network.
    """
    rows = _adult_from_openml() if file is None else _adult_from_file(file)
    return dict(zip(ADULT_COLUMNS, map(np.array, zip(*rows, strict=True)), strict=True))


def adult_table(file: Path | None) -> Columns:
    """UCI Adult with pooled out-of-fold probabilities of an income over 50K from a logistic regression."""
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns = adult_columns(file)
    target = (columns["income"] == ">50K").astype(np.int_)
    numbers = np.stack([columns[name].astype(np.float64) for name in _ADULT_NUMBERS], axis=1)
    words = [name for name in ADULT_COLUMNS if name not in (*_ADULT_NUMBERS, "income")]
    features = np.concatenate([numbers.astype(object), np.stack([columns[w] for w in words], axis=1)], axis=1)
    count = len(_ADULT_NUMBERS)
    encode = make_column_transformer(
        (StandardScaler(), list(range(count))),
        (OneHotEncoder(handle_unknown="ignore"), list(range(count, features.shape[1]))),
    )
    probability = out_of_fold(make_pipeline(encode, LogisticRegression(max_iter=500)), features, target)
    return {**columns, "probability": probability.round(6)}


def _adult_from_file(file: Path) -> list[list[str]]:
    try:
        content = file.read_bytes()
        text = (gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content).decode()
    except OSError as error:
        raise BadInput(f"{file} cannot be read: {error.strerror or error}.") from error
    except (EOFError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{file} is not the UCI Adult file: give adult.data as UCI has it, plain or gzipped CSV."
        ) from error
    rows = [[word.strip() for word in row] for row in csv.reader(io.StringIO(text)) if row]
    if rows and rows[0][0] == "age":
        rows = rows[1:]
    if not rows or {len(row) for row in rows} != {len(ADULT_COLUMNS)}:
        raise BadInput(f"{file} is not the UCI Adult file: its rows must have {len(ADULT_COLUMNS)} columns.")
    return rows


def _adult_from_openml() -> list[list[str]]:
    from sklearn.datasets import fetch_openml

    try:
        bunch = fetch_openml("adult", version=2, as_frame=False, parser="liac-arff")
    except OSError as error:
        raise BadInput(
            f"UCI Adult could not be fetched from OpenML ({error}); give it with --file."
        ) from error

    def words(name: str, codes: npt.NDArray[np.float64]) -> list[str]:
        values = bunch.categories.get(name)
        if values is None:
            return [f"{code:g}" for code in codes]
        return ["?" if np.isnan(code) else values[int(code)] for code in codes]

    columns = [words(name, bunch.data[:, i]) for i, name in enumerate(bunch.feature_names)]
    return [list(row) for row in zip(*columns, [str(value) for value in bunch.target], strict=True)]


def write_table(columns: Columns, path: Path) -> None:
    """Write columns as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
