"""An XGBoost model.json, checked before the library opens it.

The library trusts the indices in the file: a child outside the array reads foreign memory, a cycle never
ends, a huge category code allocates gigabytes. So each tree is proven to be one here, and what was checked,
serialised afresh, is what the library gets: two parsers cannot disagree about a key that stands twice.
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

__all__ = ["MAX_MODEL_JSON", "CheckedTrees", "check_xgboost", "looks_like_xgboost"]

MAX_TREES = 100_000
MAX_DEPTH = 1_000
"""The library measures depth by recursion."""
_MAX_CATEGORY_BYTES = 256 * 1024 * 1024
"""The library holds a bit for each category up to the largest of a node."""
_HEAD = 4_096
_ROOT_PARENT = 2_147_483_647
_NODE_ARRAYS = (
    *("left_children", "right_children", "parents", "split_indices", "split_conditions"),
    *("default_left", "base_weights", "loss_changes", "sum_hessian"),
)

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
    """Whether the file's first bytes are those of an XGBoost model.json."""
    try:
        with path.open("rb") as file:
            head = b"".join(file.read(_HEAD).split())
    except OSError:
        return False
    return head.startswith(b'{"learner":{') or (head.startswith(b'{"version":[') and b'"learner":{' in head)


def check_xgboost(path: Path, name: str) -> CheckedTrees:
    """Read and check the model in the file at `path`; `name` is how messages call it.

    Raises:
        BadInput: not JSON, truncated, not what XGBoost writes, trees whose indices are wrong, leaves that
            are no finite numbers, a linear booster, several targets.
    """
    try:
        size = path.stat().st_size
        if size > MAX_MODEL_JSON:
            raise BadInput(
                f"{name} has {size:,} bytes; Assay reads tree ensembles of at most {MAX_MODEL_JSON:,}."
            )
        document = json.loads(path.read_bytes(), object_pairs_hook=_unique)
    except OSError as error:
        raise BadInput(f"{name} cannot be read: {error.strerror or error}.") from None
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
    base = json.loads(sizes["base_score"])
    if not np.isfinite(np.asarray(base, dtype=np.float64)).all():
        raise _Malformed("its base score is no finite number")
    part = booster["gbtree"]["model"] if kind == "dart" else booster["model"]
    trees, groups = part["trees"], _ints(part, "tree_info")
    if not 1 <= len(trees) <= MAX_TREES or len(groups) != len(trees):
        raise _Malformed(f"it has {len(trees):,} trees and {len(groups):,} entries in tree_info")
    if len(trees) != int(part["gbtree_model_param"]["num_trees"]):
        raise _Malformed("num_trees does not count its trees")
    if groups.min() < 0 or groups.max() >= max(num_class, 1):
        raise _Malformed("a tree belongs to a class that is not there")
    _check_iterations(part, len(trees))
    if kind == "dart":
        weights = np.asarray(booster["weight_drop"], dtype=np.float64)
        if weights.shape != (len(trees),) or not np.isfinite(weights).all():
            raise _Malformed("weight_drop is not one finite number a tree")
    nodes = leaves = depth = category_bytes = 0
    categorical: set[int] = set()
    for place, tree in enumerate(trees):
        try:
            found = _check_tree(tree, num_feature)
        except _Malformed as error:
            raise _Malformed(f"tree {place:,}: {error}") from None
        nodes, leaves, depth = nodes + found.nodes, leaves + found.leaves, max(depth, found.depth)
        categorical |= found.categorical
        category_bytes += found.category_bytes
    if category_bytes > _MAX_CATEGORY_BYTES:
        raise _Malformed("its category codes would take more than 256 MB to hold")
    names = tuple(str(feature) for feature in learner.get("feature_names") or ())
    kinds = [str(feature) for feature in learner.get("feature_types") or ()]
    for listed, what in ((names, "names"), (kinds, "types")):
        if listed and len(listed) != num_feature:
            raise _Malformed(f"{len(listed):,} feature {what} for {num_feature:,} features")
    categorical |= {place for place, feature in enumerate(kinds) if feature == "c"}
    if "cats" in part:
        # Names of a data frame's categories: codes come from the signature here.
        part["cats"] = {"enc": [], "feature_segments": [], "sorted_idx": []}
    attributes = {str(key): str(value) for key, value in (learner.get("attributes") or {}).items()}
    return CheckedTrees(
        content=json.dumps(document).encode(),
        objective=str(learner["objective"]["name"]),
        booster=kind,
        num_class=num_class,
        num_feature=num_feature,
        feature_names=names,
        categorical=tuple(sorted(categorical)),
        attributes=attributes,
        trees=len(trees),
        nodes=nodes,
        leaves=leaves,
        depth=depth,
    )


def _check_iterations(part: Mapping[str, Any], trees: int) -> None:
    if int(part["gbtree_model_param"].get("num_parallel_tree", "1")) < 1:
        raise _Malformed("num_parallel_tree is below 1")
    if "iteration_indptr" not in part:
        return
    starts = _ints(part, "iteration_indptr")
    if not len(starts) or starts[0] != 0 or starts[-1] != trees or (np.diff(starts) <= 0).any():
        raise _Malformed("iteration_indptr does not rise from 0 to the number of trees")


class _Tree(NamedTuple):
    nodes: int
    leaves: int
    depth: int
    categorical: set[int]
    category_bytes: int


def _check_tree(tree: Mapping[str, Any], num_feature: int) -> _Tree:
    """Every array has one entry a node, children are nodes, and each is reached from the root once."""
    parameters = tree["tree_param"]
    nodes = int(parameters["num_nodes"])
    if int(parameters.get("size_leaf_vector", "1")) > 1:
        raise _Malformed("its leaves hold vectors")
    arrays = {key: np.asarray(tree[key]) for key in _NODE_ARRAYS}
    if "split_type" in tree:
        arrays["split_type"] = np.asarray(tree["split_type"])
    for key, array in arrays.items():
        if array.shape != (nodes,) or array.dtype.kind not in "iufb":
            raise _Malformed(f"{key} is not one number for each of its {nodes:,} nodes")
    if nodes < 1:
        raise _Malformed("it has no nodes")
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
    features = _ints(tree, "split_indices")[inner]
    if features.size and (features.min() < 0 or features.max() >= num_feature):
        raise _Malformed("a split asks for a feature that is not there")
    if not np.isfinite(arrays["split_conditions"][reached].astype(np.float64)).all():
        raise _Malformed("a split or leaf holds NaN or an infinite number; training went wrong")
    by_category = inner & (arrays["split_type"] == 1) if "split_type" in arrays else np.zeros(nodes, bool)
    size = _check_categories(tree, by_category)
    used = {int(feature) for feature in _ints(tree, "split_indices")[by_category]}
    return _Tree(nodes, int((reached & ~inner).sum()), depth, used, size)


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


def _check_categories(tree: Mapping[str, Any], by_category: npt.NDArray[np.bool_]) -> int:
    """Bytes that the category sets of a tree take in the library."""
    nodes = _ints(tree, "categories_nodes") if "categories_nodes" in tree else np.zeros(0, np.int64)
    if not np.array_equal(nodes, np.flatnonzero(by_category)):
        raise _Malformed("its category sets do not belong to its category splits")
    if not nodes.size:
        return 0
    values = _ints(tree, "categories")
    starts, sizes = _ints(tree, "categories_segments"), _ints(tree, "categories_sizes")
    ends = np.cumsum(sizes)
    whole = len(starts) == len(sizes) == len(nodes) and sizes.min() >= 1 and ends[-1] == len(values)
    if not whole or not np.array_equal(starts, ends - sizes) or values.min() < 0:
        raise _Malformed("its category sets are malformed")
    return int((np.maximum.reduceat(values, starts) // 8 + 4).sum())


def _ints(part: Mapping[str, Any], key: str) -> Ints:
    found = np.asarray(part[key])
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        raise _Malformed(f"{key} holds something that is no whole number")
    return found.astype(np.int64)
