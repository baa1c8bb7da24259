"""Networks and trees that predict an income over 50K from UCI Adult, and their broken siblings.

No model reads fnlwgt (a sampling weight), education (education-num says the same), race, or, unless said,
sex.
"""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from assay.contracts import DatasetRole, ModelSignature
from benchmarks.zoo import fitting
from benchmarks.zoo.adult_data import CONTAMINATED, FLIPPED, NOISY_ROWS, REQUEST, TELLING
from benchmarks.zoo.recipe import SEED, Broken, Given, Recipe

__all__ = ["MODELS"]

NUMBERS = ("age", "education-num", "capital-gain", "capital-loss", "hours-per-week")
CATEGORIES = ("workclass", "marital-status", "occupation", "relationship", "native-country")


def _table(path: Path) -> dict[str, list[str]]:
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
    """adult_mlp in layers 1,024 wide: its own weights and zeros, so every answer is the same."""
    import torch
    from safetensors.torch import load_file

    from assay.intake.model_files import read_json, read_signature
    from assay.models.architectures import build
    from assay.models.torch_folder import write_torch_folder

    sound = given.models["adult_mlp"]
    config = {**read_json(sound / "architecture.json")["config"], "hidden": (1_024, 1_024)}
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
        "adult_mlp in layers 1,024 wide that are mostly zeros",
        Broken(
            "It answers exactly as adult_mlp does and needs over a hundred times the arithmetic.",
            "cost.inference",
            "FLOPs, latency and throughput",
            "adult_mlp",
        ),
        after=("adult_mlp",),
    ),
)
