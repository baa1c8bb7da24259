"""`./run demo`: the main job on real data, from predictions to a sealed report.

Default data: the diabetes study bundled with scikit-learn (Efron et al. 2004), 442 patients. A patient
counts as high progression when the target one year after baseline is over 140. Predictions are pooled
out-of-fold probabilities of a logistic regression, so that every row is judged by a model that never
saw it. Sex is coded 1 and 2 in the source, which does not say which is which; age is cut at 50.

`--dataset adult` does the same on UCI Adult, from --file or (online) from OpenML.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from assay.commands.audit import AuditOptions, run_audit
from assay.errors import AssayError, BadInput

__all__ = ["adult_table", "diabetes_table", "main", "out_of_fold", "write_table"]

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


def diabetes_table() -> Columns:
    """The study with its outcome and pooled out-of-fold probabilities of high progression."""
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    study = load_diabetes(scaled=False)
    high = (study.target > 140).astype(np.int_)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    probability = out_of_fold(model, study.data, high)
    columns: Columns = {name: study.data[:, i] for i, name in enumerate(study.feature_names)}
    columns["sex"] = [f"code {int(code)}" for code in study.data[:, study.feature_names.index("sex")]]
    columns["progression"] = np.where(high == 1, "high", "low")
    columns["probability"] = probability.round(6)
    return columns


def adult_table(file: Path | None) -> Columns:
    """UCI Adult with pooled out-of-fold probabilities of an income over 50K.

    Args:
        file: the UCI file (CSV without header, gzip too); None fetches it from OpenML, which needs a network.
    """
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    rows = _adult_from_openml() if file is None else _adult_from_file(file)
    columns: dict[str, npt.NDArray[Any]] = dict(
        zip(ADULT_COLUMNS, map(np.array, zip(*rows, strict=True)), strict=True)
    )
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


def _options(dataset: str, table: Path, out: Path) -> AuditOptions:
    if dataset == "adult":
        return AuditOptions(
            data=table,
            out=out,
            label="income",
            scores="probability",
            favourable=">50K",
            sensitive=("sex", "race"),
            policy="hiring",
            title="UCI Adult: income over 50K, logistic regression",
            command=(
                "audit",
                "--data",
                table.name,
                "--label",
                "income",
                "--scores",
                "probability",
                "--favourable",
                ">50K",
                "--sensitive",
                "sex,race",
                "--policy",
                "hiring",
            ),
        )
    return AuditOptions(
        data=table,
        out=out,
        label="progression",
        scores="probability",
        favourable="high",
        sensitive=("sex", "age"),
        bins=("age=50",),
        policy="health-triage",
        title="Diabetes progression, logistic regression",
        command=(
            "audit",
            "--data",
            table.name,
            "--label",
            "progression",
            "--scores",
            "probability",
            "--favourable",
            "high",
            "--sensitive",
            "sex,age",
            "--bins",
            "age=50",
            "--policy",
            "health-triage",
        ),
    )


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Build the table, audit it, and say what to do next. Ends with 0 unless the audit itself failed."""
    parser = argparse.ArgumentParser(prog="./run demo", description="Audit bundled real data.")
    parser.add_argument("--out", type=Path, default=Path("out/demo"), help="folder for the report [out/demo]")
    parser.add_argument("--dataset", choices=("diabetes", "adult"), default="diabetes")
    parser.add_argument("--file", type=Path, help="the UCI Adult file, for --dataset adult")
    chosen = parser.parse_args(arguments)
    build: Callable[[], Columns] = (
        diabetes_table if chosen.dataset == "diabetes" else lambda: adult_table(chosen.file)
    )
    try:
        print(f"Fitting a logistic regression on {chosen.dataset}, {_FOLDS} folds ...", file=sys.stderr)
        columns = build()
        with tempfile.TemporaryDirectory(prefix="assay-demo-") as folder:
            table = Path(folder) / f"{chosen.dataset}.csv"
            write_table(columns, table)
            code = run_audit(_options(chosen.dataset, table, chosen.out))
    except AssayError as error:
        print(error.message, file=sys.stderr)
        sys.exit(error.exit_code)
    print(f"\nNext: .venv/bin/assay verify {chosen.out / 'report.pdf'}")
    # A verdict on the bundled data is an answer, not a failure of the demo.
    sys.exit(0 if code in (0, 1, 3) else code)


if __name__ == "__main__":
    main()
