"""XGBoost models whose trees are no trees: cycles, places outside, chains, numbers that are none."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from tests.hostile.case import Hostile

__all__ = ["CASES"]


@cache
def _trained() -> bytes:
    import numpy as np
    import xgboost

    data = xgboost.DMatrix(np.arange(40.0)[:, None] % 7, np.arange(40) % 2)
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1, "max_depth": 3}, data, 2)
    return bytes(booster.save_raw("json"))


def _written(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Path]:
    """A trained model whose document `change` may change in place."""

    def make(folder: Path) -> Path:
        document = json.loads(_trained())
        change(document)
        path = folder / "model.json"
        path.write_text(json.dumps(document))
        return path

    return make


def _tree(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Path]:
    return _written(lambda d: change(d["learner"]["gradient_booster"]["model"]["trees"][0]))


def _set(key: str, place: int, value: Any) -> Callable[[Path], Path]:
    return _tree(lambda tree: tree[key].__setitem__(place, value))


def _chain(tree: dict[str, Any]) -> None:
    """100,000 nodes, each the left child of the one before."""
    levels = 50_000
    nodes = 2 * levels + 1
    left, right, parents = [-1] * nodes, [-1] * nodes, [2_147_483_647] + [0] * (nodes - 1)
    for level in range(levels):
        node = 2 * level - 1 if level else 0
        left[node], right[node] = 2 * level + 1, 2 * level + 2
        parents[2 * level + 1] = parents[2 * level + 2] = node
    tree["tree_param"]["num_nodes"] = str(nodes)
    tree.update(left_children=left, right_children=right, parents=parents)
    for key in ("split_indices", "split_conditions", "default_left", "base_weights", "loss_changes"):
        tree[key] = [0] * nodes
    tree["sum_hessian"] = [1.0] * nodes
    tree["split_type"] = [0] * nodes


def _param(**more: str) -> Callable[[Path], Path]:
    return _written(lambda d: d["learner"]["learner_model_param"].update(more))


def _text(content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / "model.json").write_bytes(content)
        return folder / "model.json"

    return make


_UNSOUND = "no sound XGBoost model"

CASES = (
    Hostile("a cycle", _set("left_children", 1, 1), "two parents|does not name its parent|outside"),
    Hostile("its own root as a child", _set("left_children", 0, 0), "child lies outside"),
    Hostile("a child outside", _set("right_children", 0, 2**31 - 1), "child lies outside"),
    Hostile("a child before the first", _set("right_children", 0, -7), _UNSOUND),
    Hostile("a feature outside", _set("split_indices", 0, 10**6), "feature that is not there"),
    Hostile("a feature before the first", _set("split_indices", 0, -1), "feature that is not there"),
    Hostile("a chain of 100,000 nodes", _tree(_chain), "deeper than"),
    Hostile(
        "a leaf of NaN",
        _tree(lambda t: t.update(split_conditions=[float("nan")] * len(t["split_conditions"]))),
        "NaN",
    ),
    Hostile("a leaf beyond all numbers", _set("split_conditions", 0, float("inf")), "NaN or an infinite"),
    Hostile("a leaf of words", _set("split_conditions", 0, "os.system"), _UNSOUND),
    Hostile(
        "more nodes than it has",
        _tree(lambda t: t["tree_param"].update(num_nodes=str(10**9))),
        "one number for each",
    ),
    Hostile("fewer nodes than none", _tree(lambda t: t["tree_param"].update(num_nodes="-1")), _UNSOUND),
    Hostile("a number too large", _set("left_children", 0, 10**30), _UNSOUND),
    Hostile("a million features", _param(num_feature="1000000"), "features"),
    Hostile("a million classes", _param(num_class="1000000"), "classes"),
    Hostile("many targets", _param(num_target="1000000"), "several targets"),
    Hostile("a base score of NaN", _param(base_score="NaN"), "base score"),
    Hostile("a base score of code", _param(base_score="__import__('os')"), _UNSOUND),
    Hostile(
        "an objective of its own",
        _written(lambda d: d["learner"]["objective"].update(name="custom:evil")),
        "objective",
    ),
    Hostile(
        "a linear booster",
        _written(lambda d: d["learner"]["gradient_booster"].update(name="gblinear")),
        "gblinear",
    ),
    Hostile("a key twice", _text(b'{"learner":{"learner":1},"learner":{}}'), "twice"),
    Hostile("nested deep", _text(b'{"learner":{"a":' + b"[" * 1_000_000), "not whole JSON"),
    Hostile("cut off", _text(b'{"learner":{"attributes":{'), "not whole JSON"),
    Hostile(
        "no trees", _written(lambda d: d["learner"]["gradient_booster"]["model"].update(trees=[])), "0 trees"
    ),
    Hostile(
        "categories of gigabytes",
        _tree(
            lambda t: (
                t["split_type"].__setitem__(0, 1),
                t.update(
                    categories_nodes=[0], categories=[2**40], categories_segments=[0], categories_sizes=[1]
                ),
            )
        ),
        "category",
    ),
)
