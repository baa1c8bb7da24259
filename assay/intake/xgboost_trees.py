"""An XGBoost model.json or model.ubj, checked before the library opens it.

The library trusts the indices in the file: a child outside the array reads foreign memory, a cycle never
ends, a huge category code allocates gigabytes. So each tree is proven to be one here, and what was checked,
written anew as JSON, is what the library gets: two parsers cannot disagree about a key that stands twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.column_names import MAX_COLUMNS
from assay.intake.limits import MAX_MODEL_JSON
from assay.intake.ubjson import MalformedUbjson, read_ubjson

__all__ = ["MAX_MODEL_JSON", "CheckedTrees", "check_xgboost", "looks_like_xgboost"]

MAX_TREES = 100_000
MAX_DEPTH = 1_000
"""The library measures depth by recursion."""
_MAX_CATEGORY_BYTES = 256 * 1024 * 1024
"""The library holds a bit for each category up to the largest of a node."""
_HEAD = 4_096
_BINARY_HEADS = tuple(
    b"{L" + len(key).to_bytes(8, "big") + key + opening
    for key, opening in ((b"learner", b"{"), (b"version", b"["))
)
_ROOT_PARENT = 2_147_483_647
_DELETED = 2**32 - 1
"""What a node that pruning deleted asks for."""
_NODE_ARRAYS = {
    **dict.fromkeys(("left_children", "right_children", "parents", "split_indices", "split_type"), "int64"),
    "default_left": "int8",
    **dict.fromkeys(("split_conditions", "base_weights", "loss_changes", "sum_hessian"), "float64"),
}
"""What a tree says of each node, as the library reads it."""
_CATEGORY_ARRAYS = ("categories", "categories_nodes", "categories_segments", "categories_sizes")

Ints = npt.NDArray[np.int64]


class CheckedTrees(NamedTuple):
    """A checked model: `content` is what the library may load."""

    content: bytes
    objective: str
    booster: str
    """`gbtree` or `dart`."""
    num_class: int
    """0 for binary and regression objectives."""
    num_feature: int
    feature_names: tuple[str, ...]
    """Empty where the model has none."""
    categorical: tuple[int, ...]
    """Features that trees split by category."""
    attributes: Mapping[str, str]
    trees: int
    nodes: int
    leaves: int
    depth: int


class _Malformed(Exception):
    """A part of the document that no XGBoost writes."""


def looks_like_xgboost(path: Path) -> bool:
    """Whether the file's first bytes are those of an XGBoost model.json or model.ubj."""
    try:
        with path.open("rb") as file:
            start = file.read(_HEAD)
    except OSError:
        return False
    if start.startswith(_BINARY_HEADS):
        return True
    head = b"".join(start.split())
    return head.startswith(b'{"learner":{') or (head.startswith(b'{"version":[') and b'"learner":{' in head)


def check_xgboost(path: Path, name: str) -> CheckedTrees:
    """Read and check the model in the file at `path`; `name` is how messages call it.

    Raises:
        BadInput: neither JSON nor UBJSON, truncated, not what XGBoost writes, trees whose indices are wrong,
            leaves that are no finite numbers, a linear booster, several targets.
    """
    try:
        size = path.stat().st_size
        if size > MAX_MODEL_JSON:
            raise BadInput(
                f"{name} has {size:,} bytes; Assay reads tree ensembles of at most {MAX_MODEL_JSON:,}."
            )
        content = path.read_bytes()
        if content.startswith(_BINARY_HEADS):
            document = read_ubjson(content)
        else:
            document = json.loads(content, object_pairs_hook=_unique)
    except OSError as error:
        raise BadInput(f"{name} cannot be read: {error.strerror or error}.") from None
    except MalformedUbjson as error:
        raise BadInput(f"{name} is not whole UBJSON: {error}.") from None
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name} is not whole JSON: {visible(str(error)[:160])}.") from None
    except _Malformed as error:
        raise BadInput(f"{name} is no sound XGBoost model: {error}.") from None
    try:
        return _checked(document, name)
    except _Malformed as error:
        raise BadInput(f"{name} is no sound XGBoost model: {error}.") from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        what = f"{type(error).__name__} {visible(str(error)[:80])}"
        raise BadInput(
            f"{name} is no sound XGBoost model: a part is missing or malformed ({what})."
        ) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _Malformed("a key stands twice in one object")
    return found


def _checked(document: Any, name: str) -> CheckedTrees:
    learner = document["learner"]
    booster = learner["gradient_booster"]
    kind = str(booster["name"])
    if kind not in ("gbtree", "dart"):
        raise BadInput(
            f'{name} is an XGBoost model of booster "{visible(kind[:40])}"; Assay reads tree ensembles '
            "(gbtree, dart)."
        )
    sizes = learner["learner_model_param"]
    num_class, num_feature = int(sizes["num_class"]), int(sizes["num_feature"])
    if not 0 <= num_class <= 10_000 or not 1 <= num_feature <= MAX_COLUMNS:
        raise _Malformed(f"it claims {num_class:,} classes and {num_feature:,} features")
    if int(sizes.get("num_target", "1")) > 1:
        raise BadInput(f"{name} predicts several targets at once; Assay audits one.")
    part = booster["gbtree"]["model"] if kind == "dart" else booster["model"]
    forest = _check_forest(part, num_class, num_feature)
    if kind == "dart":
        weights = np.asarray(booster["weight_drop"], dtype=np.float64)
        if weights.shape != (len(forest.trees),) or not np.isfinite(weights).all():
            raise _Malformed("weight_drop is not one finite number a tree")
        shape = {"name": kind, "gbtree": {"name": "gbtree", "model": forest.model}}
        shape["weight_drop"] = weights.tolist()
    else:
        shape = {"name": kind, "model": forest.model}
    names = tuple(str(feature) for feature in learner.get("feature_names") or ())
    kinds = [str(feature) for feature in learner.get("feature_types") or ()]
    for listed, what in ((names, "names"), (kinds, "types")):
        if listed and len(listed) != num_feature:
            raise _Malformed(f"{len(listed):,} feature {what} for {num_feature:,} features")
    categorical = {feature for tree in forest.trees for feature in tree.categorical}
    categorical |= {place for place, feature in enumerate(kinds) if feature == "c"}
    attributes = _words(learner.get("attributes") or {})
    anew = {
        "attributes": attributes,
        "feature_names": names,
        "feature_types": kinds,
        "gradient_booster": shape,
        "learner_model_param": {
            "base_score": _base_score(sizes["base_score"], num_class),
            "boost_from_average": str(int(sizes.get("boost_from_average", "1"))),
            "num_class": str(num_class),
            "num_feature": str(num_feature),
            "num_target": "1",
        },
        "objective": {
            key: value if key == "name" else _words(value) for key, value in learner["objective"].items()
        },
    }
    version = _ints(document, "version")
    if len(version) != 3:
        raise _Malformed("its version is not three numbers")
    return CheckedTrees(
        content=json.dumps({"learner": anew, "version": version.tolist()}).encode(),
        objective=str(learner["objective"]["name"]),
        booster=kind,
        num_class=num_class,
        num_feature=num_feature,
        feature_names=names,
        categorical=tuple(sorted(categorical)),
        attributes=attributes,
        trees=len(forest.trees),
        nodes=sum(tree.nodes for tree in forest.trees),
        leaves=sum(tree.leaves for tree in forest.trees),
        depth=max(tree.depth for tree in forest.trees),
    )


def _words(said: Mapping[str, Any]) -> dict[str, str]:
    return {str(key): str(value) for key, value in said.items()}


def _base_score(said: Any, num_class: int) -> str:
    """One number, or one a class, in brackets since XGBoost 3.1."""
    found = np.asarray(json.loads(said), dtype=np.float64)
    if not np.isfinite(found).all():
        raise _Malformed("its base score is no finite number")
    if found.ndim > 1 or found.size not in (1, num_class):
        raise _Malformed("its base score is not one number, or one a class")
    return str(said)


class _Forest(NamedTuple):
    """`model` is what the library reads, of checked values alone."""

    trees: list[_Tree]
    model: dict[str, Any]


def _check_forest(part: Mapping[str, Any], num_class: int, num_feature: int) -> _Forest:
    """Each tree by itself, and how they belong to rounds and classes."""
    trees, groups = part["trees"], _ints(part, "tree_info")
    if not 1 <= len(trees) <= MAX_TREES or len(groups) != len(trees):
        raise _Malformed(f"it has {len(trees):,} trees and {len(groups):,} entries in tree_info")
    if len(trees) != int(part["gbtree_model_param"]["num_trees"]):
        raise _Malformed("num_trees does not count its trees")
    if groups.min() < 0 or groups.max() >= max(num_class, 1):
        raise _Malformed("a tree belongs to a class that is not there")
    parallel = int(part["gbtree_model_param"].get("num_parallel_tree", "1"))
    if not 1 <= parallel <= len(trees):
        raise _Malformed(f"num_parallel_tree is {parallel:,}")
    found: list[_Tree] = []
    for place, tree in enumerate(trees):
        try:
            if int(tree.get("id", place)) != place:  # where the library puts it: elsewhere leaves a hole
                raise _Malformed("its id is not its place")
            with np.errstate(invalid="ignore", over="ignore"):  # NaN that signal, numbers beyond float32
                found.append(_check_tree(tree, place, num_feature))
        except _Malformed as error:
            raise _Malformed(f"tree {place:,}: {error}") from None
    if sum(tree.category_bytes for tree in found) > _MAX_CATEGORY_BYTES:
        raise _Malformed("its category codes would take more than 256 MB to hold")
    if sum(tree.largest for tree in found) > float(np.finfo(np.float32).max):
        raise _Malformed("its leaves may add up to an infinite number")
    model = {
        "gbtree_model_param": {"num_trees": str(len(trees)), "num_parallel_tree": str(parallel)},
        "tree_info": groups.tolist(),
        "trees": [tree.anew for tree in found],
    }
    if "iteration_indptr" in part:
        starts = _ints(part, "iteration_indptr")
        if not len(starts) or starts[0] != 0 or starts[-1] != len(trees) or (np.diff(starts) <= 0).any():
            raise _Malformed("iteration_indptr does not rise from 0 to the number of trees")
        model["iteration_indptr"] = starts.tolist()
    if "cats" in part:
        # Names of a data frame's categories: codes come from the signature here.
        model["cats"] = {"enc": [], "feature_segments": [], "sorted_idx": []}
    return _Forest(found, model)


class _Tree(NamedTuple):
    nodes: int
    leaves: int
    depth: int
    categorical: set[int]
    category_bytes: int
    largest: float
    """Absolute value of its largest leaf."""
    anew: dict[str, Any]
    """The tree as the library gets it, of checked values alone."""


def _check_tree(tree: Mapping[str, Any], place: int, num_feature: int) -> _Tree:
    """Every array has one entry a node, children are nodes, and each is reached from the root once."""
    parameters = tree["tree_param"]
    nodes = int(parameters["num_nodes"])
    if int(parameters.get("size_leaf_vector", "1")) not in (0, 1):
        raise _Malformed("its leaves hold vectors")
    deleted = int(parameters.get("num_deleted", "0"))
    if "split_type" not in tree:
        tree = {**tree, "split_type": [0] * len(tree["left_children"])}
    arrays = {key: np.asarray(tree[key]) for key in _NODE_ARRAYS}
    for key, array in arrays.items():
        if array.shape != (nodes,) or array.dtype.kind not in "iufb":
            raise _Malformed(f"{key} is not one number for each of its {nodes:,} nodes")
        if array.size and array.dtype.kind == "f" and _NODE_ARRAYS[key] != "float64":
            raise _Malformed(f"{key} holds something that is no whole number")
    if nodes < 1 or not 0 <= deleted < nodes:
        raise _Malformed("it has no nodes")
    if not np.isin(arrays["split_type"], (0, 1)).all():
        raise _Malformed("a split is neither by number nor by category")
    left, right = _ints(tree, "left_children"), _ints(tree, "right_children")
    inner = left != -1
    if ((right != -1) != inner).any():
        raise _Malformed("a node has one child only")
    children = np.concatenate([left[inner], right[inner]])
    if children.size and (children.min() < 1 or children.max() >= nodes):
        raise _Malformed("a child lies outside the tree")
    if len(np.unique(children)) != len(children):
        raise _Malformed("a node has two parents, so it is no tree")
    parents = _ints(tree, "parents")
    owners = np.flatnonzero(inner)
    if parents[0] != _ROOT_PARENT or (parents[children] != np.concatenate([owners, owners])).any():
        raise _Malformed("a node does not name its parent")
    depth, reached = _depth(left, right)
    if inner[~reached].any():
        raise _Malformed("some of its splits cannot be reached from the root")
    asked = _ints(tree, "split_indices")
    if asked.min() < 0 or asked.max() > _DELETED:
        raise _Malformed("a split asks for a feature that is not there")
    features = asked[inner]
    if features.size and (features.min() < 0 or features.max() >= num_feature):
        raise _Malformed("a split asks for a feature that is not there")
    conditions = arrays["split_conditions"].astype(np.float32)  # as the library holds them
    if not np.isfinite(conditions[reached]).all():
        raise _Malformed("a split or leaf holds NaN or an infinite number; training went wrong")
    largest_leaf = float(np.abs(conditions[reached & ~inner]).max())
    by_category = inner & (arrays["split_type"] == 1)
    sets = _check_categories(tree, by_category)
    anew: dict[str, Any] = {key: arrays[key].astype(kind).tolist() for key, kind in _NODE_ARRAYS.items()}
    anew |= {key: found.tolist() for key, found in sets.items()}
    anew["id"] = place
    anew["tree_param"] = {
        "num_deleted": str(deleted),
        "num_feature": str(num_feature),
        "num_nodes": str(nodes),
        "size_leaf_vector": str(int(parameters.get("size_leaf_vector", "1"))),
    }
    size = 0
    if len(sets["categories_nodes"]):
        largest = np.maximum.reduceat(sets["categories"], sets["categories_segments"])
        size = int((largest // 8 + 4).sum())
    used = {int(feature) for feature in asked[by_category]}
    return _Tree(nodes, int((reached & ~inner).sum()), depth, used, size, largest_leaf, anew)


def _depth(left: Ints, right: Ints) -> tuple[int, npt.NDArray[np.bool_]]:
    """Levels below the root, and which nodes it reaches; each node has at most one parent here."""
    reached = np.zeros(len(left), dtype=bool)
    level = np.array([0])
    depth = 0
    while True:
        reached[level] = True
        level = level[left[level] != -1]
        if not level.size:
            return depth, reached
        depth += 1
        if depth > MAX_DEPTH:
            raise _Malformed(f"it is deeper than {MAX_DEPTH:,} levels")
        level = np.concatenate([left[level], right[level]])


def _check_categories(tree: Mapping[str, Any], by_category: npt.NDArray[np.bool_]) -> dict[str, Ints]:
    """The category sets of a tree, one for each split by category."""
    sets = {key: _ints(tree, key) if key in tree else np.zeros(0, np.int64) for key in _CATEGORY_ARRAYS}
    nodes, values = sets["categories_nodes"], sets["categories"]
    starts, sizes = sets["categories_segments"], sets["categories_sizes"]
    if not np.array_equal(nodes, np.flatnonzero(by_category)):
        raise _Malformed("its category sets do not belong to its category splits")
    ends = np.cumsum(sizes)
    whole = len(starts) == len(sizes) == len(nodes) and (not len(nodes) or sizes.min() >= 1)
    if not whole or not np.array_equal(starts, ends - sizes) or len(values) != (ends[-1] if len(ends) else 0):
        raise _Malformed("its category sets are malformed")
    if len(values) and values.min() < 0:
        raise _Malformed("its category sets are malformed")
    return sets


def _ints(part: Mapping[str, Any], key: str) -> Ints:
    found = np.asarray(part[key])
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise _Malformed(f"{key} holds something that is no whole number")
    return found.astype(np.int64)
