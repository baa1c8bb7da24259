"""`./run zoo`: prediction tables of models really trained on real data, and deliberately broken siblings.

Cached in .cache/zoo, never committed. Tests, benchmarks and proofs audit them. Tables on UCI Adult are built
where ASSAY_REAL_DATA names the folder of real data.

| table | what | what an audit must find |
|---|---|---|
| diabetes | logistic regression, pooled out-of-fold probabilities | nothing beyond what 442 rows can show |
| adult | the same on UCI Adult's 32,561 training rows | unequal selection by sex, as published |
| adult_biased | the log-odds of women lowered by 1.5 | larger gaps in selection and true positive rate |
| adult_overconfident | log-odds times 3: same ranking, wrong probabilities | calibration slope near 1/3 |
| adult_leaking | a tenth of the rows stand twice | duplicates |
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from assay import demo

__all__ = ["TABLES", "build", "real_data"]

CACHE = Path(__file__).parents[1] / ".cache" / "zoo"


def real_data() -> Path | None:
    """The folder of real data, where ASSAY_REAL_DATA names one."""
    folder = os.environ.get("ASSAY_REAL_DATA")
    return Path(folder) if folder else None


def _adult() -> demo.Columns:
    folder = real_data()
    if folder is None:
        raise LookupError("UCI Adult is not here: set ASSAY_REAL_DATA to the folder of real data.")
    return demo.adult_table(folder / "adult" / "adult.data.gz")


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
    import csv

    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    return {name: list(values) for name, *values in zip(*rows, strict=True)}


def build(name: str) -> Path:
    """The table's CSV; trained and written at the first call for this version of the code."""
    code = Path(__file__).read_bytes() + Path(demo.__file__).read_bytes()
    path = CACHE / hashlib.sha256(code).hexdigest()[:16] / f"{name}.csv"
    if not path.exists():
        columns = TABLES[name]()
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        demo.write_table(columns, temporary)
        temporary.replace(path)
    return path


def main() -> None:
    """Build every table that can be built here."""
    for name in TABLES:
        try:
            path = build(name)
        except LookupError as error:
            print(f"{name:<20} skipped: {error}", file=sys.stderr)
        else:
            print(f"{name:<20} {path.relative_to(CACHE.parents[1])}  {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
