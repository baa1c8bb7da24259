"""The trees inside an ONNX file: each node reached once, so that walking them ends."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["TREES", "BadTree", "check_trees"]

TREES = ("TreeEnsembleClassifier", "TreeEnsembleRegressor", "TreeEnsemble")
MAX_DEPTH = 1_000
"""The library builds and walks a tree by recursion."""
_MODES = (
    *(b"BRANCH_LEQ", b"BRANCH_LT", b"BRANCH_GTE", b"BRANCH_GT", b"BRANCH_EQ", b"BRANCH_NEQ"),
    *(b"BRANCH_MEMBER", b"LEAF"),
)

Ints = npt.NDArray[np.int64]


class BadTree(Exception):
    """What is wrong, as part of a sentence."""


def check_trees(operator: str, attributes: Mapping[str, Mapping[str, Any]]) -> None:
    """Check the attributes of one of `TREES`, name -> attribute as read.

    Raises BadTree: arrays of different lengths, children that are not there, a node with two parents, trees
    deeper than 1,000 levels, thresholds or weights that are NaN or infinite.
    """
    if operator == "TreeEnsemble":
        _check_newer(attributes)
        return
    trees, ids = _ints(attributes, "nodes_treeids"), _ints(attributes, "nodes_nodeids")
    modes = [bytes(mode[:20]) for mode in attributes.get("nodes_modes", {}).get("strings", ())]
    count = len(trees)
    if not count:
        raise BadTree("an ensemble has no trees")
    for key in ("nodes_nodeids", "nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids"):
        if len(_ints(attributes, key)) != count:
            raise BadTree(f"{key} is not one number for each of the {count:,} nodes")
    if len(modes) != count or not set(modes) <= set(_MODES):
        raise BadTree("a node is neither a comparison nor a leaf")
    _finite(attributes, "nodes_values")
    for key in ("class_weights", "target_weights", "base_values"):
        _finite(attributes, key)
    inner = np.array([mode != b"LEAF" for mode in modes])
    if (_ints(attributes, "nodes_featureids")[inner] < 0).any():
        raise BadTree("a split asks for a feature that is not there")
    order = np.lexsort((ids, trees))
    sorted_trees, sorted_ids = trees[order], ids[order]
    if ((np.diff(sorted_trees) == 0) & (np.diff(sorted_ids) == 0)).any():
        raise BadTree("two nodes of a tree have one number")
    groups, firsts = np.unique(sorted_trees, return_index=True)
    place = np.searchsorted(groups, trees)
    sizes = np.diff([*firsts, count])
    if not np.array_equal(sorted_ids, np.arange(count) - np.repeat(firsts, sizes)):
        raise BadTree("a tree's nodes are not numbered from 0")
    children = []
    for key in ("nodes_truenodeids", "nodes_falsenodeids"):
        child = _ints(attributes, key)
        if ((child < 0) | (child >= sizes[place]))[inner].any():
            raise BadTree("a child lies outside its tree")
        children.append(np.where(inner, order[np.where(inner, firsts[place] + child, 0)], -1))
    _walk(children[0], children[1], order[firsts])


def _check_newer(attributes: Mapping[str, Mapping[str, Any]]) -> None:
    """TreeEnsemble of ai.onnx.ml 5: nodes and leaves apart, children by place."""
    roots = _ints(attributes, "tree_roots")
    features = _ints(attributes, "nodes_featureids")
    leaves = len(_ints(attributes, "leaf_targetids"))
    count = len(features)
    if not count or not len(roots) or (roots < 0).any() or (roots >= count).any():
        raise BadTree("a root is not there")
    if (features < 0).any():
        raise BadTree("a split asks for a feature that is not there")
    children = []
    for side in ("true", "false"):
        leaf, child = _ints(attributes, f"nodes_{side}leafs"), _ints(attributes, f"nodes_{side}nodeids")
        if len(leaf) != count or len(child) != count:
            raise BadTree(f"nodes_{side}nodeids is not one number for each of the {count:,} nodes")
        if (child < 0).any() or (child >= np.where(leaf != 0, leaves, count)).any():
            raise BadTree("a child lies outside its tree")
        children.append(np.where(leaf != 0, -1, child))
    # a tree of one leaf is written as a node whose two children are that leaf
    _walk(children[0], children[1], roots)


def _walk(left: Ints, right: Ints, roots: Ints) -> None:
    """Level by level from the roots; every node at most once."""
    inner = (left != -1) | (right != -1)
    both = np.concatenate([left[left != -1], right[right != -1], roots])
    if len(np.unique(both)) != len(both):
        raise BadTree("a node has two parents, so it is no tree")
    level, depth = roots, 0
    while True:
        level = level[inner[level]]
        if not level.size:
            return
        depth += 1
        if depth > MAX_DEPTH:
            raise BadTree(f"a tree is deeper than {MAX_DEPTH:,} levels")
        level = np.concatenate([left[level], right[level]])
        level = level[level != -1]


def _ints(attributes: Mapping[str, Mapping[str, Any]], key: str) -> Ints:
    return np.asarray(attributes.get(key, {}).get("ints", ()), dtype=np.int64)


def _finite(attributes: Mapping[str, Mapping[str, Any]], key: str) -> None:
    if not np.isfinite(np.asarray(attributes.get(key, {}).get("floats", ()), dtype=np.float64)).all():
        raise BadTree(f"{key} holds NaN or an infinite number; training went wrong")
