"""XGBoost files whose trees lead astray, and other ways of writing them."""

from __future__ import annotations

import json
import re
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


def _begins(score: str) -> Callable[[dict[str, Any], list[dict[str, Any]]], None]:
    """What every answer begins at."""
    return lambda learner, _trees: learner["learner_model_param"].update(base_score=score)


def _category(_learner: dict[str, Any], trees: list[dict[str, Any]]) -> None:
    """A category code for which the library would hold a bit for each of 2^40 below it."""
    tree = trees[0]
    tree["split_type"][0] = 1
    tree.update(categories_nodes=[0], categories_segments=[0], categories_sizes=[1], categories=[2**40])


def _vast(_learner: dict[str, Any], trees: list[dict[str, Any]]) -> None:
    for tree in trees:
        tree["split_conditions"][tree["left_children"].index(-1)] = 3e38


def _twice(folder: Path) -> Path:
    path = folder / "model.json"
    content = bytes(_booster().save_raw("json"))
    path.write_bytes(content.replace(b'"num_nodes"', b'"num_nodes":"3","num_nodes"', 1))
    return path


def _long(number: int) -> bytes:
    return number.to_bytes(8, "big", signed=True)


def _binary(change: Callable[[bytes], bytes]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "model.ubj"
        path.write_bytes(change(bytes(_booster().save_raw("ubj"))))
        return path

    return write


def _claiming(count: int) -> Callable[[bytes], bytes]:
    """The first array of numbers says that it has so many."""
    return lambda raw: re.sub(
        rb"(?s)(base_weights\[\$d#L).{8}", lambda found: found[1] + _long(count), raw, count=1
    )


def _nothings(raw: bytes) -> bytes:
    """Values without a byte of their own, so that a few bytes claim any number of them."""
    return re.sub(
        rb"(?s)base_weights\[\$d#L.{8}", lambda _: b"base_weights[$Z#L" + _long(2**40), raw, count=1
    )


def _binary_twice(raw: bytes) -> bytes:
    key = b"L" + _long(9) + b"num_nodes"
    return raw.replace(key, key + b"SL" + _long(1) + b"3" + key, 1)


def _nested(raw: bytes) -> bytes:
    return raw[:18] + (b"L" + _long(1) + b"a{") * 5_000


def _astray(raw: bytes) -> bytes:
    return re.sub(
        rb"(?s)(left_children\[\$l#L.{8}).{4}",
        lambda found: found[1] + (10**9).to_bytes(4, "big"),
        raw,
        count=1,
    )


CASES = (
    Hostile("a child outside the tree", _set("left_children", 10**9), "outside the tree"),
    Hostile("a tree that is a cycle", _set("left_children", 0), "outside the tree"),
    Hostile("a feature that is not there", _set("split_indices", 10**6), "a feature that is not there"),
    Hostile("a split of infinity", _set("split_conditions", float("inf")), "infinite"),
    Hostile("a split beyond float32", _set("split_conditions", 1e300), "infinite"),
    Hostile("leaves that add up to infinity", _file(_vast), "add up to an infinite number"),
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
    Hostile(
        "two trees in one place",
        _file(lambda _learner, trees: trees[1].update(id=0)),
        "its id is not its place",
    ),
    Hostile(
        "leaves of fewer than no numbers",
        _file(lambda _learner, trees: trees[0]["tree_param"].update(size_leaf_vector="-1")),
        "its leaves hold vectors",
    ),
    Hostile(
        "category sets without splits",
        _file(lambda _learner, trees: trees[0].update(categories_sizes=[3, 3])),
        "category sets are malformed",
    ),
    Hostile(
        "category sets that are no list",
        _file(lambda _learner, trees: trees[0].update(categories_segments={"0": 0})),
        "no whole number",
    ),
    Hostile("a key twice", _twice, "stands twice"),
    Hostile("UBJSON cut short", _binary(lambda raw: raw[:-40]), "not whole UBJSON"),
    Hostile("UBJSON with more behind it", _binary(lambda raw: raw + b"{}"), "after its end"),
    Hostile("UBJSON of 2^62 numbers", _binary(_claiming(2**62)), "claims a length that is not there"),
    Hostile("UBJSON of fewer than no numbers", _binary(_claiming(-1)), "claims a length that is not there"),
    Hostile("UBJSON of 2^40 nothings", _binary(_nothings), "of a kind that XGBoost does not write"),
    Hostile("UBJSON with a key twice", _binary(_binary_twice), "stands twice"),
    Hostile(
        "UBJSON without end",
        _binary(lambda raw: raw[:18] + b"L" + _long(1) + b"a[#L" + _long(1)),
        "values that are not there",
    ),
    Hostile("UBJSON nested for ever", _binary(_nested), "nested deeper"),
    Hostile("UBJSON with a child outside the tree", _binary(_astray), "outside the tree"),
    Hostile("a probability above one", _file(_begins("2")), "cannot be loaded by XGBoost"),
    Hostile("a probability below none", _file(_begins("[-1]")), "cannot be loaded by XGBoost"),
    Hostile("JSON without end", lambda folder: _deep(folder), "is not whole JSON|no model"),
)


def _deep(folder: Path) -> Path:
    path = folder / "model.json"
    path.write_bytes(b'{"learner":{"a":' + b"[" * 200_000)
    return path
