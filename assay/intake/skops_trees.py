"""Trees of scikit-learn inside a skops file. scikit-learn follows their indices without looking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.intake.skops_types import TREE_FIELDS

__all__ = ["BadTree", "check_predictor", "check_tree"]

MAX_DEPTH = 10_000
_MAX_FEATURES = 1_000_000

Array = npt.NDArray[Any]


class BadTree(Exception):
    """What is wrong, as part of a sentence."""


def check_tree(
    *,
    features: Any,
    classes: Array | None,
    outputs: Any,
    max_depth: Any,
    count: Any,
    nodes: Array | None,
    values: Array | None,
) -> None:
    """Check the parts of a `sklearn.tree._tree.Tree`.

    Raises BadTree: counts that the arrays do not have, children outside the tree or with two parents,
    features that are not there, values of another shape.
    """
    if type(features) is not int or not 0 < features <= _MAX_FEATURES:
        raise BadTree("a tree has no number of features")
    if type(outputs) is not int or classes is None or classes.dtype != np.int64:
        raise BadTree("a tree does not say its outputs")
    if classes.ndim != 1 or len(classes) != outputs or not len(classes) or (classes < 1).any():
        raise BadTree("a tree does not say its outputs")
    if nodes is None or nodes.ndim != 1 or nodes.dtype.names != TREE_FIELDS:
        raise BadTree("a tree's nodes are none that scikit-learn writes since 1.3")
    if type(count) is not int or count != len(nodes) or count < 1 or type(max_depth) is not int:
        raise BadTree("a tree has another number of nodes than it says")
    if values is None or values.dtype != np.float64 or values.shape != (count, outputs, int(classes.max())):
        raise BadTree("a tree's values do not fit its nodes and classes")
    if not np.isfinite(values).all():
        raise BadTree("a leaf holds NaN or an infinite number; training went wrong")
    left, right = nodes["left_child"].astype(np.int64), nodes["right_child"].astype(np.int64)
    inner = left != -1
    feature = nodes["feature"][inner]
    if feature.size and (feature.min() < 0 or feature.max() >= features):
        raise BadTree("a split asks for a feature that is not there")
    _walk(left, right, inner)


def check_predictor(parts: Mapping[str, Array | None]) -> None:
    """Check the parts of a `TreePredictor` of histogram gradient boosting. Raises BadTree as `check_tree`."""
    nodes = parts.get("nodes")
    if nodes is None or nodes.ndim != 1 or not len(nodes) or "feature_idx" not in (nodes.dtype.names or ()):
        raise BadTree("a tree's nodes are none that scikit-learn writes")
    if nodes["is_categorical"].any():
        raise BadTree(
            "it splits by category inside a histogram tree, which is not read; encode the categories before"
        )
    if not np.isfinite(nodes["value"]).all():
        raise BadTree("a leaf holds NaN or an infinite number; training went wrong")
    inner = nodes["is_leaf"] == 0
    feature = nodes["feature_idx"][inner]
    if feature.size and (feature.min() < 0 or feature.max() >= _MAX_FEATURES):
        raise BadTree("a split asks for a feature that is not there")
    left = np.where(inner, nodes["left"].astype(np.int64), -1)
    _walk(left, np.where(inner, nodes["right"].astype(np.int64), -1), inner)


def _walk(left: npt.NDArray[np.int64], right: npt.NDArray[np.int64], inner: npt.NDArray[np.bool_]) -> None:
    children = np.concatenate([left[inner], right[inner]])
    if children.size and (children.min() < 1 or children.max() >= len(left)):
        raise BadTree("a child lies outside its tree")
    if len(np.unique(children)) != len(children):
        raise BadTree("a node has two parents, so it is no tree")
    level, depth = np.array([0]), 0
    while (level := level[inner[level]]).size:
        depth += 1
        if depth > MAX_DEPTH:
            raise BadTree(f"a tree is deeper than {MAX_DEPTH:,} levels")
        level = np.concatenate([left[level], right[level]])
