"""LightGBM texts whose trees lead astray."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import lightgbm
import numpy as np

from tests.hostile.case import Hostile

__all__ = ["CASES"]


@cache
def _saved() -> str:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(200, 3))
    code = rng.integers(0, 6, 200)
    rows[:, 2] = code
    label = (np.isin(code, (1, 4)) ^ (rows[:, 0] > 0)).astype(int)
    options = {"objective": "binary", "num_leaves": 6, "verbosity": -1, "num_threads": 1, "seed": 0}
    options |= {"min_data_per_group": 1, "cat_smooth": 1.0, "max_cat_to_onehot": 1}
    data = lightgbm.Dataset(rows, label, categorical_feature=[2])
    text: str = lightgbm.train(options, data, 3).model_to_string()
    assert "cat_boundaries" in text
    return text


def _file(change: Callable[[str], str]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "model.txt"
        changed = change(_saved())
        assert changed != _saved()
        path.write_text(changed)
        return path

    return write


def _first(key: str, value: str) -> Callable[[str], str]:
    """The first number of `key` in the first tree becomes `value`."""
    return lambda text: re.sub(rf"^{key}=[^ \n]+", f"{key}={value}", text, count=1, flags=re.MULTILINE)


def _line(key: str, value: str) -> Callable[[str], str]:
    return lambda text: re.sub(rf"^{key}=.*$", f"{key}={value}", text, count=1, flags=re.MULTILINE)


def _chain(_text: str) -> str:
    """One tree of 50,000 levels."""
    leaves = 50_001
    splits = range(leaves - 1)
    lines = {
        "num_leaves": str(leaves),
        "num_cat": "0",
        "split_feature": " ".join("0" for _ in splits),
        "threshold": " ".join("0.5" for _ in splits),
        "decision_type": " ".join("2" for _ in splits),
        "left_child": " ".join(str(one + 1 if one + 2 < leaves else -leaves) for one in splits),
        "right_child": " ".join(str(-1 - one) for one in splits),
        "leaf_value": " ".join("0.1" for _ in range(leaves)),
    }
    head = _saved().split("Tree=")[0].replace("tree_sizes=", "sizes=")
    return (
        f"{head}Tree=0\n" + "\n".join(f"{key}={value}" for key, value in lines.items()) + "\n\nend of trees\n"
    )


CASES = (
    Hostile("a child outside the tree", _file(_first("left_child", "99999999")), "outside the tree"),
    Hostile("a leaf outside the tree", _file(_first("left_child", "-99999999")), "outside the tree"),
    Hostile("a tree that is a cycle", _file(_first("left_child", "0")), "outside the tree"),
    Hostile("a feature that is not there", _file(_first("split_feature", "70000")), "feature that is not"),
    Hostile("a feature below none", _file(_first("split_feature", "-3")), "feature that is not there"),
    Hostile("a split of an unknown kind", _file(_first("decision_type", "77")), "unknown kind"),
    Hostile("leaves of NaN", _file(_first("leaf_value", "nan")), "no finite number"),
    Hostile("leaves of infinity", _file(_first("leaf_value", "1e999")), "no finite number"),
    Hostile("a billion leaves", _file(_first("num_leaves", "999999999")), "is not one number for each"),
    Hostile("more leaves than a number holds", _file(_first("num_leaves", "9" * 40)), "is no count"),
    Hostile("category sets out of order", _file(_first("cat_boundaries", "7")), "category sets"),
    Hostile("category sets beyond the end", _file(_line("cat_boundaries", "0 1 900")), "category sets"),
    Hostile("a billion classes", _file(_line("num_class", "999999999")), "999,999,999 classes"),
    Hostile(
        "a billion features", _file(_line("max_feature_idx", "999999998")), "says that it has 999,999,999"
    ),
    Hostile(
        "an objective of more classes than there is room for",
        _file(_line("objective", "multiclass num_class:100000")),
        "objective is not of the 1 classes",
    ),
    Hostile(
        "an objective's word twice", _file(_line("objective", "binary sigmoid:1 sigmoid:2")), "objective"
    ),
    Hostile("a slope that is none", _file(_line("objective", "binary sigmoid:1-1")), "its objective"),
    Hostile("a slope of infinity", _file(_line("objective", "binary sigmoid:1e400")), "its objective"),
    Hostile("an objective that is none", _file(_line("objective", "binary `touch RAN`")), "its objective"),
    Hostile(
        "a line twice", _file(lambda text: text.replace("num_cat=", "num_leaves=4\nnum_cat=", 1)), "twice"
    ),
    Hostile("a chain of 50,000 levels", _file(_chain), "deeper than 1,000"),
    Hostile("cut in the middle", _file(lambda text: text[: len(text) // 3]), "cut before the end|missing"),
    Hostile("linear leaves", _file(_line("is_linear", "1")), "linear models"),
)
