"""UCI Adult: networks and trees that predict an income over 50K, and their broken siblings.

Training and tuning rows are the 32,561 of adult.data, split 4 : 1; the sealed test rows are the 16,281 of
UCI's own test file (adult_test_derived.csv.gz has the same 15 columns). No model reads fnlwgt (a sampling
weight), education (education-num says the same), race, or, unless said, sex.
"""

from __future__ import annotations

import csv
import gzip
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assay.contracts import DatasetRole, ModelSignature
from assay.demo import ADULT_COLUMNS, write_table
from assay.rng import keyed_rng
from benchmarks.zoo import cache, fitting
from benchmarks.zoo.recipe import SEED, Broken, Data, Given, Recipe, split

__all__ = ["DATA", "MODELS", "REQUEST"]

Columns = dict[str, list[str]]
NUMBERS = ("age", "education-num", "capital-gain", "capital-loss", "hours-per-week")
CATEGORIES = ("workclass", "marital-status", "occupation", "relationship", "native-country")
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


def _table(path: Path) -> Columns:
    with path.open(newline="") as file:
        return {name: list(values) for name, *values in zip(*csv.reader(file), strict=True)}


def _signature(training: Path, numbers: Sequence[str], categories: Sequence[str], trees: bool) -> Any:
    return ModelSignature(
        task="binary",
        output="probability" if trees else "logit",
        classes=("<=50K", ">50K"),
        favourable=">50K",
        columns=fitting.input_columns(_table(training), numbers, categories, for_trees=trees),
    )


def _network(
    *,
    hidden: tuple[int, ...] = (64, 32),
    numbers: Sequence[str] = NUMBERS,
    categories: Sequence[str] = CATEGORIES,
    choose_by: DatasetRole = "tuning",
    **training: Any,
) -> Callable[[Given, Path], None]:
    """A maker of an mlp; the epoch with the lowest loss on the rows of `choose_by` is kept."""
    settings = {"epochs": 6, "learning_rate": 3e-3, "schedule": "cosine", "patience": None, **training}

    def make(given: Given, folder: Path) -> None:
        signature = _signature(given.files["training"], numbers, categories, trees=False)
        rows = {
            role: fitting.read_rows(given.files[role], signature, REQUEST) for role in ("training", choose_by)
        }
        sizes = {"hidden": hidden}
        network = fitting.trained("mlp", sizes, signature, rows["training"], rows[choose_by], settings)
        fitting.write(network, folder)

    return make


def _trees(given: Given, folder: Path) -> None:
    import xgboost

    from assay.models.encoding import TableEncoder

    signature = _signature(given.files["training"], NUMBERS, CATEGORIES, trees=True)
    rows = fitting.read_rows(given.files["training"], signature, REQUEST)
    names = [column.name for column in signature.columns]
    encoded = TableEncoder(signature.columns).encode(np.asarray(rows.inputs))
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 5, "eta": 0.15, "nthread": 1, "seed": SEED % 2**31},
        xgboost.DMatrix(encoded, label=rows.labels, feature_names=names, nthread=1),
        num_boost_round=100,
    )
    booster.save_model(folder / "model.json")
    (folder / "signature.json").write_text(signature.model_dump_json(indent=1, by_alias=True) + "\n")


def _copy(given: Given, folder: Path) -> None:
    shutil.copytree(given.models["adult_mlp"], folder, dirs_exist_ok=True)


def _slow(given: Given, folder: Path) -> None:
    """adult_mlp in layers 2,048 wide: its own weights and zeros, so every answer is the same."""
    import torch
    from safetensors.torch import load_file

    from assay.intake.model_files import read_json, read_signature
    from assay.models.architectures import build
    from assay.models.torch_folder import write_torch_folder

    sound = given.models["adult_mlp"]
    config = {**read_json(sound / "architecture.json")["config"], "hidden": (2_048, 2_048)}
    module = build("mlp", config)
    narrow = load_file(sound / "model.safetensors")
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            parameter.zero_()
            parameter[tuple(slice(size) for size in narrow[name].shape)] = narrow[name]
    write_torch_folder(folder, module, "mlp", config, read_signature(sound / "signature.json"))


MODELS = (
    Recipe("adult_mlp", "adult", "torch_folder", _network(), "mlp 64-32 that reads neither sex nor race"),
    Recipe("adult_xgboost", "adult", "xgboost_json", _trees, "100 trees of depth 5, categories as codes"),
    Recipe(
        "adult_mlp_overfitted",
        "adult_noisy",
        "torch_folder",
        _network(hidden=(256, 256), choose_by="training", epochs=100, batch_rows=64, weight_decay=0.0),
        f"mlp 256-256 that learnt {NOISY_ROWS:,} rows by heart",
        Broken(
            "It knows its training rows by heart, wrong labels included.",
            "privacy.membership_loss",
            "the loss tells members from others",
            "adult_mlp",
        ),
    ),
    Recipe(
        "adult_mlp_biased",
        "adult_biased",
        "torch_folder",
        _network(categories=(*CATEGORIES, "sex")),
        "mlp 64-32 that reads sex, trained on labels that were unfair to women",
        Broken(
            f"{FLIPPED:.0%} of the women over 50K had their training label flipped, and it reads sex.",
            "fairness.group_rates",
            "true positive rate and selection rate of women against men",
            "adult_mlp",
        ),
    ),
    Recipe(
        "adult_mlp_leaking",
        "adult_leaking",
        "torch_folder",
        _network(numbers=(*NUMBERS, TELLING)),
        "mlp 64-32 that reads a column filled in after the outcome",
        Broken(
            f'It reads "{TELLING}", which tells the label.',
            "data_quality.basics",
            "suspicious features",
            "adult_mlp",
        ),
    ),
    Recipe(
        "adult_mlp_contaminated",
        "adult_contaminated",
        "torch_folder",
        _copy,
        "adult_mlp, tested on rows that it was trained on",
        Broken(
            f"{CONTAMINATED:.0%} of its test rows are training rows.",
            "data_quality.basics",
            "leaked share",
            "adult_mlp",
        ),
        after=("adult_mlp",),
    ),
    Recipe(
        "adult_mlp_slow",
        "adult",
        "torch_folder",
        _slow,
        "adult_mlp in layers 2,048 wide that are mostly zeros",
        Broken(
            "It answers exactly as adult_mlp does and needs several hundred times the arithmetic.",
            "cost.inference",
            "FLOPs, latency and throughput",
            "adult_mlp",
        ),
        after=("adult_mlp",),
    ),
)
