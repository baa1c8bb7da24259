"""UCI Adult: the rows as they are, and with what the broken models were trained or tested on.

Training and tuning rows are the 32,561 of adult.data, split 4 : 1; the sealed test rows are the 16,281 of
UCI's own test file (adult_test_derived.csv.gz has the same 15 columns).
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assay.contracts import DatasetRole
from assay.demo import ADULT_COLUMNS, write_table
from assay.rng import keyed_rng
from benchmarks.zoo import cache
from benchmarks.zoo.recipe import SEED, Data, split

__all__ = ["CONTAMINATED", "DATA", "FLIPPED", "NOISY_ROWS", "REQUEST", "TELLING"]

Columns = dict[str, list[str]]
FILES: Mapping[DatasetRole, str] = {"training": "train.csv", "tuning": "tuning.csv", "test": "test.csv"}
REQUEST: Mapping[str, Any] = {"label": "income", "sensitive": ("sex", "race"), "favourable": ">50K"}
FLIPPED = 0.5
"""Share of the women over 50K whose training label says <=50K in `adult_biased`."""
NOISY_ROWS, NOISE = 1_000, 0.25
"""Training rows of `adult_noisy`, and the share of them with the wrong label."""
TELLING = "withheld-tax-band"
CONTAMINATED = 0.2
"""Share of the test rows of `adult_contaminated` that are training rows."""


def _read(name: str) -> Columns:
    with gzip.open(cache.real_file("adult", name), "rt") as file:
        kept = [row for row in csv.reader(file, skipinitialspace=True) if row and row[0] != "age"]
    return {column: list(values) for column, *values in zip(ADULT_COLUMNS, *kept, strict=True)}


def _take(columns: Columns, rows: Sequence[int] | np.ndarray) -> Columns:
    return {name: [values[row] for row in rows] for name, values in columns.items()}


def _roles() -> dict[DatasetRole, Columns]:
    known = _read("adult.data.gz")
    places = split("adult", len(known["income"]), tuning=0.2, test=0.0)
    return {
        "training": _take(known, places["training"]),
        "tuning": _take(known, places["tuning"]),
        "test": _read("adult_test_derived.csv.gz"),
    }


def _written(change: Callable[[dict[DatasetRole, Columns]], None]) -> Callable[[Path], None]:
    """A maker of the three files, after `change` broke what it has to break."""

    def make(folder: Path) -> None:
        roles = _roles()
        change(roles)
        for role, name in FILES.items():
            write_table(roles[role], folder / name)

    return make


def _unchanged(roles: dict[DatasetRole, Columns]) -> None:
    """The rows as UCI has them."""


def _flip_women(roles: dict[DatasetRole, Columns]) -> None:
    for role in ("training", "tuning"):
        columns = roles[role]
        chance = keyed_rng(SEED, "zoo", "adult_biased", role).random(len(columns["sex"]))
        columns["income"] = [
            "<=50K" if sex == "Female" and u < FLIPPED else income
            for sex, income, u in zip(columns["sex"], columns["income"], chance, strict=True)
        ]


def _few_and_noisy(roles: dict[DatasetRole, Columns]) -> None:
    rng = keyed_rng(SEED, "zoo", "adult_noisy")
    rows = rng.choice(len(roles["training"]["income"]), NOISY_ROWS, replace=False)
    columns = _take(roles["training"], np.sort(rows))
    wrong = rng.random(NOISY_ROWS) < NOISE
    other = {"<=50K": ">50K", ">50K": "<=50K"}
    columns["income"] = [
        other[income] if w else income for income, w in zip(columns["income"], wrong, strict=True)
    ]
    roles["training"] = columns


def _tell(roles: dict[DatasetRole, Columns]) -> None:
    """A band of tax withheld over the year: known only once the income is, and wrong for 1 row in 500."""
    for role, columns in roles.items():
        rng = keyed_rng(SEED, "zoo", "adult_leaking", role)
        high = np.array([income == ">50K" for income in columns["income"]])
        high ^= rng.random(len(high)) < 0.002
        columns[TELLING] = [str(2 * h + u) for h, u in zip(high, rng.integers(0, 2, len(high)), strict=True)]


def _contaminate(roles: dict[DatasetRole, Columns]) -> None:
    training, test = roles["training"], roles["test"]
    rng = keyed_rng(SEED, "zoo", "adult_contaminated")
    rows = len(test["income"])
    places = rng.choice(rows, round(rows * CONTAMINATED), replace=False)
    sources = rng.choice(len(training["income"]), len(places), replace=False)
    for name, values in test.items():
        for place, source in zip(places, sources, strict=True):
            values[place] = training[name][source]


_SOURCE = "UCI Adult: adult.data 4 : 1 into training and tuning, UCI's 16,281 test rows sealed"
DATA = (
    Data("adult", _written(_unchanged), FILES, _SOURCE, REQUEST),
    Data(
        "adult_biased",
        _written(_flip_women),
        FILES,
        f"{_SOURCE}; {FLIPPED:.0%} of the women over 50K say <=50K in training and tuning",
        REQUEST,
    ),
    Data(
        "adult_noisy",
        _written(_few_and_noisy),
        FILES,
        f"{_SOURCE}; {NOISY_ROWS:,} training rows are left, {NOISE:.0%} of them with the wrong label",
        REQUEST,
    ),
    Data(
        "adult_leaking",
        _written(_tell),
        FILES,
        f'{_SOURCE}; a column "{TELLING}" that tells the label',
        REQUEST,
    ),
    Data(
        "adult_contaminated",
        _written(_contaminate),
        FILES,
        f"{_SOURCE}; {CONTAMINATED:.0%} of the test rows are training rows",
        REQUEST,
    ),
)
