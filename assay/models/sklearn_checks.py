"""Parts of a scikit-learn model that its own code reads by index without looking, held against each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

__all__ = ["Unsound", "check_estimators"]

_MAX_OBJECTS = 5_000_000


class Unsound(Exception):
    """What does not fit, as part of a sentence."""


def check_estimators(root: Any) -> None:
    """Check every estimator in `root`, and keep it from starting processes, printing and writing caches.

    Neighbours are searched by looking at every row: search trees are not read from files. Trees must read no
    more features than their estimator; support vectors must be as many as the counts say.

    Raises Unsound.
    """
    for found in _estimators(root):
        own = vars(found)
        for name, quiet in (("n_jobs", None), ("verbose", 0), ("memory", None)):
            if name in own:
                own[name] = quiet
        if own.get("_fit_method") in ("kd_tree", "ball_tree"):
            own["_fit_method"] = "brute"
        if "tree_" in own and own["tree_"].n_features != own.get("n_features_in_"):
            raise Unsound("a tree reads other features than its estimator")
        kind = type(found).__name__
        if kind == "IsolationForest":
            _check_isolation(own)
        elif "Forest" in kind or "ExtraTrees" in kind or kind.startswith("GradientBoosting"):
            _check_forest(own)
        if kind.startswith("GradientBoosting"):
            _check_boosting(own)
        if kind.startswith("HistGradientBoosting"):
            _check_histograms(own)
        if kind.startswith("KNeighbors"):
            _check_neighbours(own)
        if kind in ("SVC", "NuSVC", "SVR", "NuSVR", "OneClassSVM"):
            _check_support_vectors(own, kind)


def _estimators(root: Any) -> Iterator[Any]:
    """Every object with attributes below `root`, each once."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        found = waiting.pop()
        if id(found) in seen or isinstance(found, str | bytes | int | float | bool | None):
            continue
        seen.add(id(found))
        if len(seen) > _MAX_OBJECTS:
            raise Unsound("it holds too many objects")
        if isinstance(found, dict):
            waiting.extend(found.values())
        elif isinstance(found, list | tuple | set):
            waiting.extend(found)
        elif isinstance(found, np.ndarray):
            if found.dtype == object:
                waiting.extend(found.reshape(-1).tolist())
        elif hasattr(found, "__dict__"):
            yield found
            waiting.extend(vars(found).values())


def _check_forest(own: dict[str, Any]) -> None:
    features = own.get("n_features_in_")
    for tree in np.asarray(own.get("estimators_", ()), dtype=object).reshape(-1):
        if hasattr(tree, "tree_") and tree.tree_.n_features != features:
            raise Unsound("a tree of the ensemble reads other features than the ensemble")


def _check_boosting(own: dict[str, Any]) -> None:
    trees = np.asarray(own.get("estimators_", ()), dtype=object)
    width = own.get("n_trees_per_iteration_")
    if trees.ndim != 2 or trees.shape[1] != width or trees.shape[1] < 1:
        raise Unsound("its trees are not one for each output and round")
    if any(tree.tree_.n_outputs != 1 or tree.tree_.max_n_classes != 1 for tree in trees.reshape(-1)):
        raise Unsound("a tree of the boosting has several outputs")
    first = own.get("init_")
    classes = getattr(first, "n_classes_", None)
    if classes is not None and int(classes) != max(2, int(width or 0)):
        raise Unsound("its first guess is of other classes than its trees")


def _check_histograms(own: dict[str, Any]) -> None:
    features, width = own.get("n_features_in_"), own.get("n_trees_per_iteration_")
    if own.get("_preprocessor") is not None:
        raise Unsound("it turns its columns into others before its trees read them")
    bins = own.get("_bin_mapper")
    if bins is not None and len(vars(bins).get("bin_thresholds_", ())) != features:
        raise Unsound("its bins are of other features than it reads")
    for rounds in own.get("_predictors", ()):
        if len(rounds) != width:
            raise Unsound("its trees are not one for each output and round")
        for tree in rounds:
            inner = tree.nodes["is_leaf"] == 0
            if inner.any() and tree.nodes["feature_idx"][inner].max() >= (features or 0):
                raise Unsound("a tree of the boosting reads a feature that is not there")


def _check_isolation(own: dict[str, Any]) -> None:
    """Its trees read the rows as they come, or columns of them, without counting those."""
    features, trees, read = (
        own.get(name) for name in ("n_features_in_", "estimators_", "estimators_features_")
    )
    if not isinstance(trees, list) or not isinstance(read, list) or len(trees) != len(read):
        raise Unsound("its trees do not say which features they read")
    for tree, columns in zip(trees, read, strict=True):
        chosen = np.asarray(columns)
        fits = chosen.ndim == 1 and chosen.dtype.kind in "iu" and 0 < len(chosen) <= (features or 0)
        if not fits or chosen.min() < 0 or chosen.max() >= features:
            raise Unsound("its trees read features that are not there")
        if tree.tree_.n_features != len(chosen) or len(chosen) != own.get("_max_features"):
            raise Unsound("a tree of the ensemble reads other features than the ensemble")


def _check_neighbours(own: dict[str, Any]) -> None:
    """Neighbours' labels are looked up by their places among the rows."""
    rows, labels, wanted = own.get("_fit_X"), own.get("_y"), own.get("n_neighbors")
    if (
        not (isinstance(rows, np.ndarray) and isinstance(labels, np.ndarray) and rows.ndim == 2)
        or len(labels) != len(rows)
        or type(wanted) is not int
        or not 0 < wanted <= len(rows)
    ):
        raise Unsound("its rows, their labels and the number of neighbours do not fit each other")


def _check_support_vectors(own: dict[str, Any], kind: str) -> None:
    wanted = ("support_vectors_", "_n_support", "_dual_coef_", "_intercept_", "support_", "_probA", "_probB")
    if not all(isinstance(own.get(name), np.ndarray) for name in wanted):
        raise Unsound("its support vectors are missing")
    vectors, counts, weights, offsets = (own[name] for name in wanted[:4])
    classifies = kind in ("SVC", "NuSVC")
    classes = len(counts) if classifies else 2
    pairs = classes * (classes - 1) // 2
    fits = (
        own.get("_sparse") is False
        and own.get("kernel") in ("linear", "poly", "rbf", "sigmoid")
        and vectors.ndim == 2
        and vectors.dtype == np.float64
        and vectors.shape[1] == own.get("n_features_in_")
        and counts.dtype == np.int32
        and (counts >= 0).all()
        and len(own["support_"]) == len(vectors)
        and weights.shape == (classes - 1, len(vectors))
        and offsets.shape == (pairs,)
        and len(own["_probA"]) == len(own["_probB"])
        and len(own["_probA"]) in (0, pairs)
    )
    if classifies:
        fits = (
            fits and classes >= 2 and counts.sum() == len(vectors) and classes == len(own.get("classes_", ()))
        )
    if not fits:
        raise Unsound("its support vectors, counts and weights do not fit each other")
