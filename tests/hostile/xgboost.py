"""XGBoost files whose trees lead astray, and other ways of writing them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from tests.hostile.case import Hostile

__all__ = ["CASES"]


@cache
def _booster() -> xgboost.Booster:
    rows = np.random.default_rng(0).normal(size=(100, 3))
    matrix = xgboost.DMatrix(rows, (rows[:, 0] > 0).astype(int))
    return xgboost.train({"objective": "binary:logistic", "max_depth": 3, "nthread": 1}, matrix, 2)


def _raw(kind: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "model.bin"
        path.write_bytes(bytes(_booster().save_raw(kind)))
        return path

    return write


def _file(change: Callable[[dict[str, Any], list[dict[str, Any]]], None]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        document = json.loads(bytes(_booster().save_raw("json")))
        change(document["learner"], document["learner"]["gradient_booster"]["model"]["trees"])
        path = folder / "model.json"
        path.write_text(json.dumps(document))
        return path

    return write


def _set(key: str, value: Any) -> Callable[[Path], Path]:
    return _file(lambda _learner, trees: trees[0][key].__setitem__(0, value))


def _category(_learner: dict[str, Any], trees: list[dict[str, Any]]) -> None:
    """A category code for which the library would hold a bit for each of 2^40 below it."""
    tree = trees[0]
    tree["split_type"][0] = 1
    tree.update(categories_nodes=[0], categories_segments=[0], categories_sizes=[1], categories=[2**40])


def _twice(folder: Path) -> Path:
    path = folder / "model.json"
    content = bytes(_booster().save_raw("json"))
    path.write_bytes(content.replace(b'"num_nodes"', b'"num_nodes":"3","num_nodes"', 1))
    return path


CASES = (
    Hostile("a child outside the tree", _set("left_children", 10**9), "outside the tree"),
    Hostile("a tree that is a cycle", _set("left_children", 0), "outside the tree"),
    Hostile("a feature that is not there", _set("split_indices", 10**6), "a feature that is not there"),
    Hostile("a split of infinity", _set("split_conditions", float("inf")), "infinite"),
    Hostile("a category of 2^40", _file(_category), "256 MB"),
    Hostile(
        "a billion nodes",
        _file(lambda _learner, trees: trees[0]["tree_param"].update(num_nodes="1000000000")),
        "is not one number for each",
    ),
    Hostile(
        "a billion features",
        _file(lambda learner, _trees: learner["learner_model_param"].update(num_feature="1000000000")),
        "claims",
    ),
    Hostile("a key twice", _twice, "stands twice"),
    Hostile("UBJSON", _raw("ubj"), "UBJSON"),
    Hostile("JSON without end", lambda folder: _deep(folder), "is not whole JSON|no model"),
)


def _deep(folder: Path) -> Path:
    path = folder / "model.json"
    path.write_bytes(b'{"learner":{"a":' + b"[" * 200_000)
    return path
