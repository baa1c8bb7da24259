"""A LightGBM model as text, checked before the library opens it.

The library trusts the indices in the file and reads parameters from it. So each tree is proven to be one
here, and what was checked, written anew, is what the library gets: header, trees, nothing else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.column_names import MAX_COLUMNS
from assay.intake.limits import MAX_MODEL_JSON

__all__ = ["CheckedLightGBM", "check_lightgbm", "looks_like_lightgbm"]

MAX_TREES = 100_000
MAX_DEPTH = 1_000
"""The library measures depth by recursion."""
_HEAD = b"tree\nversion=v"
_END = "end of trees"
_NUMBERS = re.compile(r"[-+0-9.eE ]*")
_WHOLE = re.compile(r"[-0-9 ]*")
_OBJECTIVE = re.compile(r"[a-z0-9_]+( [a-z_]+(:[-+]?[0-9]{1,20}(\.[0-9]{0,20})?([eE][-+]?[0-9]{1,2})?)?)*")
_HEADER = ("version", "num_class", "num_tree_per_iteration", "label_index", "max_feature_idx", "objective")
_SPLITS = ("split_feature", "threshold", "decision_type", "left_child", "right_child")
_SHOWN = ("internal_value", "internal_weight", "internal_count", "split_gain")
"""Of splits too; explanations read them, answers do not."""
_LEAVES = ("leaf_value", "leaf_weight", "leaf_count")
_REAL = ("threshold", "leaf_value", "leaf_weight", "internal_value", "internal_weight", "split_gain")

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class CheckedLightGBM(NamedTuple):
    """A checked model: `content` is what the library may load."""

    content: str
    objective: str
    """With its parameters, as the file writes it: `binary sigmoid:1`."""
    num_class: int
    feature_names: tuple[str, ...]
    categorical: tuple[int, ...]
    """Features that trees split by category."""
    categories: Mapping[int, tuple[str, ...]]
    """Feature -> its categories in the order of their codes, where it was trained on a frame that said so."""
    leaf_depths: tuple[npt.NDArray[np.int64], ...]
    """Comparisons on the way to each leaf, one array a tree."""
    nodes: int
    leaves: int


class _Malformed(Exception):
    """A part of the text that no LightGBM writes."""


def looks_like_lightgbm(path: Path) -> bool:
    """Whether the file's first bytes are those of a LightGBM model as text."""
    try:
        with path.open("rb") as file:
            return file.read(len(_HEAD)) == _HEAD
    except OSError:
        return False


def check_lightgbm(path: Path, name: str) -> CheckedLightGBM:
    """Read and check the model in the file at `path`; `name` is how messages call it.

    Raises:
        BadInput: truncated, not what LightGBM writes, trees whose indices are wrong, leaves that are no
            finite numbers, linear trees.
    """
    try:
        size = path.stat().st_size
        if size > MAX_MODEL_JSON:
            raise BadInput(
                f"{name} has {size:,} bytes; tree ensembles of at most {MAX_MODEL_JSON:,} are read."
            )
        text = path.read_bytes().decode()
    except OSError as error:
        raise BadInput(f"{name} cannot be read: {error.strerror or error}.") from None
    except UnicodeDecodeError:
        raise BadInput(f"{name} is no sound LightGBM model: it is not UTF-8.") from None
    try:
        return _checked(text)
    except _Malformed as error:
        raise BadInput(f"{name} is no sound LightGBM model: {visible(str(error)[:300])}.") from None
    except (KeyError, ValueError, IndexError, OverflowError, RecursionError) as error:
        what = f"{type(error).__name__} {visible(str(error)[:80])}"
        raise BadInput(
            f"{name} is no sound LightGBM model: a part is missing or malformed ({what})."
        ) from None


def _checked(text: str) -> CheckedLightGBM:
    head, *blocks = re.split(r"^Tree=", text, flags=re.MULTILINE)
    if not blocks:
        raise _Malformed("it holds no trees")
    if len(blocks) > MAX_TREES:
        raise _Malformed(f"it holds more than {MAX_TREES:,} trees")
    last, end, after = blocks[-1].partition(f"\n{_END}")
    if not end:
        raise _Malformed("it was cut before the end of its trees")
    blocks[-1] = last
    header = _pairs(head.partition("\n")[2])
    names, infos = header["feature_names"].split(" "), header["feature_infos"].split(" ")
    features = _count(header["max_feature_idx"]) + 1
    if not 1 <= features <= MAX_COLUMNS or len(names) != features or len(infos) != features:
        raise _Malformed(f"it names {len(names):,} features and says that it has {features:,}")
    if len(set(names)) != features or not all(names):
        raise _Malformed("two features have one name")
    objective = header.get("objective", "")
    if not _OBJECTIVE.fullmatch(objective):
        raise _Malformed("it does not say its objective")
    width = _count(header["num_tree_per_iteration"])
    classes = _count(header["num_class"])
    if not 1 <= classes <= 10_000 or width not in (1, classes) or len(blocks) % max(width, 1):
        raise _Malformed(f"it has {len(blocks):,} trees for {classes:,} classes")
    _check_classes(objective, classes, width)
    written = ["tree"]
    written += [f"{key}={_line(header[key])}" for key in _HEADER]
    if "average_output" in header:
        written.append("average_output")
    written += [f"feature_names={' '.join(names)}", f"feature_infos={' '.join(map(_line, infos))}", ""]
    depths, categorical = [], set[int]()
    nodes = leaves = 0
    for place, block in enumerate(blocks):
        try:
            number, _, body = block.partition("\n")
            if _count(number.strip()) != place:
                raise _Malformed("it is not numbered in order")
            tree = _pairs(body)
            found, by_category = _tree(tree, features)
        except _Malformed as error:
            raise _Malformed(f"tree {place:,}: {error}") from None
        except KeyError as error:
            raise _Malformed(f"tree {place:,} has no {error.args[0]}") from None
        depths.append(found)
        categorical |= by_category
        nodes, leaves = nodes + 2 * len(found) - 1, leaves + len(found)
        kept = ("num_leaves", "num_cat", *_SPLITS, *_SHOWN, *_LEAVES, "cat_boundaries", "cat_threshold")
        written += [f"Tree={place}", *(f"{key}={tree[key]}" for key in kept if key in tree)]
        written += ["is_linear=0", f"shrinkage={_one(tree.get('shrinkage', '1'))}", ""]
    written += [_END, ""]
    return CheckedLightGBM(
        content="\n".join(written),
        objective=objective,
        num_class=classes,
        feature_names=tuple(names),
        categorical=tuple(sorted(categorical)),
        categories=_categories(after, infos),
        leaf_depths=tuple(depths),
        nodes=nodes,
        leaves=leaves,
    )


def _check_classes(objective: str, classes: int, width: int) -> None:
    """The library has room for the header's classes, and writes as many a row as the objective says."""
    name, _, said = objective.partition(" ")
    pairs = [part.partition(":")[::2] for part in said.split()]
    told = dict(pairs)
    many = name in ("multiclass", "multiclassova")
    if len(told) != len(pairs) or ("num_class" in told) != many:
        raise _Malformed("its objective has parameters that are not its own")
    if (told["num_class"] if many else "1") != str(classes) or width != classes:
        raise _Malformed(f"its objective is not of the {classes:,} classes that it has")


def _pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.split("\n"):
        if not line.strip():
            continue
        key, _, value = line.rstrip("\r").partition("=")
        if key in found:
            raise _Malformed(f"{key[:40]} stands twice")
        found[key] = value
    return found


def _count(text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", text):
        raise _Malformed(f'"{text[:20]}" is no count')
    return int(text)


def _one(text: str) -> str:
    if not np.isfinite(float(text)) or not _NUMBERS.fullmatch(text):
        raise _Malformed("a tree's shrinkage is no number")
    return text


def _line(text: str) -> str:
    """A value of the header, which the library keeps as it is."""
    if len(text) > 100_000 or any(ord(letter) < 32 for letter in text):
        raise _Malformed("a line of its header is no plain text")
    return text


def _tree(tree: Mapping[str, str], features: int) -> tuple[Ints, set[int]]:
    """Comparisons on the way to each leaf, and the features split by category."""
    leaves, sets = _count(tree["num_leaves"]), _count(tree.get("num_cat", "0"))
    if leaves < 1:
        raise _Malformed("it has no leaves")
    if tree.get("is_linear", "0") != "0":
        raise _Malformed("its leaves hold linear models (linear_tree), which are not read")
    for key, count in [(key, leaves - 1) for key in (*_SPLITS, *_SHOWN)] + [(key, leaves) for key in _LEAVES]:
        optional = key not in (*_SPLITS, "leaf_value") or leaves == 1
        if (key not in tree and optional and key != "leaf_value") or (leaves == 1 and key != "leaf_value"):
            continue
        if len(_numbers(tree, key)) != count:
            raise _Malformed(f"{key} is not one number for each of {count:,}")
    if leaves == 1:
        return np.zeros(1, dtype=np.int64), set()
    feature, kind = _ints(tree, "split_feature"), _ints(tree, "decision_type")
    if feature.min() < 0 or feature.max() >= features:
        raise _Malformed("a split asks for a feature that is not there")
    if kind.min() < 0 or kind.max() > 15 or (kind >> 2 == 3).any():
        raise _Malformed("a split is of an unknown kind")
    by_category = (kind & 1) == 1
    _check_sets(tree, sets, _numbers(tree, "threshold")[by_category])
    left, right = _ints(tree, "left_child"), _ints(tree, "right_child")
    children = np.concatenate([left, right])
    inner, ends = children[children >= 0], -1 - children[children < 0]
    if (inner < 1).any() or (inner >= leaves - 1).any() or (ends >= leaves).any():
        raise _Malformed("a child lies outside the tree")
    if len(np.unique(inner)) != leaves - 2 or len(inner) != leaves - 2 or len(np.unique(ends)) != leaves:
        raise _Malformed("a node has two parents or none, so it is no tree")
    return _depths(left, right, leaves), {int(one) for one in feature[by_category]}


def _depths(left: Ints, right: Ints, leaves: int) -> Ints:
    found = np.zeros(leaves, dtype=np.int64)
    level, depth, reached = np.array([0]), 0, 0
    while level.size:
        depth, reached = depth + 1, reached + len(level)
        if depth > MAX_DEPTH:
            raise _Malformed(f"it is deeper than {MAX_DEPTH:,} levels")
        children = np.concatenate([left[level], right[level]])
        found[-1 - children[children < 0]] = depth
        level = children[children >= 0]
    if reached != len(left):
        raise _Malformed("some of its splits cannot be reached from the root")
    return found


def _check_sets(tree: Mapping[str, str], sets: int, chosen: Floats) -> None:
    if not sets and not chosen.size:
        return
    starts, words = _ints(tree, "cat_boundaries"), _ints(tree, "cat_threshold")
    whole = len(starts) == sets + 1 and starts[0] == 0 and (np.diff(starts) >= 1).all()
    if not whole or starts[-1] != len(words) or words.min() < 0 or words.max() >= 2**32:
        raise _Malformed("its category sets are malformed")
    if (chosen != chosen.astype(np.int64)).any() or chosen.min() < 0 or chosen.max() >= sets:
        raise _Malformed("a split by category asks for a set that is not there")


def _numbers(tree: Mapping[str, str], key: str) -> Floats:
    text = tree[key]
    if not (_NUMBERS if key in _REAL else _WHOLE).fullmatch(text):
        raise _Malformed(f"{key} holds something that is no finite number")
    found = np.array(text.split(), dtype=np.float64)
    if not np.isfinite(found).all():
        raise _Malformed(f"{key} holds something that is no finite number")
    return found


def _ints(tree: Mapping[str, str], key: str) -> Ints:
    if not _WHOLE.fullmatch(tree[key]):
        raise _Malformed(f"{key} holds something that is no whole number")
    return np.array(tree[key].split(), dtype=np.int64)


def _categories(after: str, infos: list[str]) -> dict[int, tuple[str, ...]]:
    """Of the features that a data frame gave as categories, where the file says them."""
    said = re.search(r"^pandas_categorical:(.*)$", after, flags=re.MULTILINE)
    listed = json.loads(said.group(1)) if said is not None else None
    places = [place for place, info in enumerate(infos) if not info.startswith("[") and info != "none"]
    if not isinstance(listed, list) or len(listed) != len(places):
        return {}
    return {
        place: tuple(str(value) for value in values)
        for place, values in zip(places, listed, strict=True)
        if isinstance(values, list)
    }
