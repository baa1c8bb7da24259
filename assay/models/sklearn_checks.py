"""Parts of a scikit-learn model that its own code reads by index without looking, held against each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from inspect import signature
from typing import Any

import numpy as np

__all__ = ["Unsound", "check_estimators", "fitted"]

_MAX_OBJECTS = 5_000_000
_SETTINGS = frozenset({"_metadata_request", "_sklearn_output_config"})
"""What may be set beside parameters before anything is fitted."""
_KNOWN: dict[type, frozenset[str]] = {}


class Unsound(Exception):
    """What does not fit, as part of a sentence."""


def check_estimators(root: Any) -> None:
    """Check every estimator in `root`, and keep it from starting processes, printing and writing caches.

    Neighbours are searched by looking at every row: search trees are not read from files. Trees must read no
    more features than their estimator; support vectors must be as many as the counts say; what sparse columns
    are made from must lie among them.

    Raises Unsound.
    """
    boosted = []
    for found in _estimators(root):
        own = vars(found)
        if hidden := _hidden(found):
            raise Unsound(f'it replaces "{hidden}", which belongs to the code of {type(found).__name__}')
        for name, quiet in (("n_jobs", None), ("verbose", 0), ("memory", None)):
            if name in own:
                own[name] = quiet
        if own.get("_fit_method") in ("kd_tree", "ball_tree"):
            own["_fit_method"] = "brute"
        if _is_unfitted(found):
            continue
        if "tree_" in own and own["tree_"].n_features != own.get("n_features_in_"):
            raise Unsound("a tree reads other features than its estimator")
        kind = type(found).__name__
        if kind == "IsolationForest":
            _check_isolation(own)
        elif "Forest" in kind or "ExtraTrees" in kind or kind.startswith("GradientBoosting"):
            _check_forest(own)
        if kind.startswith("GradientBoosting"):
            _check_boosting(own)
            boosted.append(found)
        if kind.startswith("HistGradientBoosting"):
            _check_histograms(own)
        if kind.startswith("KNeighbors"):
            _check_neighbours(own, classifies=kind == "KNeighborsClassifier")
        if kind in ("SVC", "NuSVC", "SVR", "NuSVR", "OneClassSVM"):
            _check_support_vectors(own, kind)
        if kind == "OneHotEncoder":
            _check_one_hot(own)
        if kind == "PolynomialFeatures":
            _check_polynomial(found)
    for found in boosted:  # asks an estimator inside, so all of them are checked before
        _check_first_guess(found)


def fitted(root: Any) -> list[str]:
    """Classes of the fitted estimators in `root`, in their order; not of copies that were never fitted."""
    return [
        type(found).__name__
        for found in _estimators(root)
        if hasattr(found, "get_params") and not _is_unfitted(found)
    ]


def _estimators(root: Any) -> Iterator[Any]:
    """Every object with attributes below `root`, each once, in the order of their attributes."""
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
            waiting.extend(reversed(found.values()))
        elif isinstance(found, list | tuple | set):
            waiting.extend(reversed(list(found)))
        elif isinstance(found, np.ndarray):
            if found.dtype == object:
                waiting.extend(reversed(found.reshape(-1).tolist()))
        elif hasattr(found, "__dict__") and not isinstance(found, type | np.ufunc):
            yield found
            waiting.extend(reversed(vars(found).values()))


def _is_unfitted(found: object) -> bool:
    """Whether it has its parameters alone, as those have that an ensemble was given to copy."""
    return vars(found).keys() <= _parameters(type(found)) | _SETTINGS


def _hidden(found: object) -> str | None:
    """An attribute that stands before one of the class, which the class's code relies on. Parameters may:
    LassoLars has `positive` in either place."""
    for name in vars(found):
        if hasattr(type(found), name) and name not in _parameters(type(found)):
            return name
    return None


def _parameters(kind: type) -> frozenset[str]:
    """What a class and those that it is made from are constructed with."""
    if kind not in _KNOWN:
        found: set[str] = set()
        for each in kind.__mro__:
            with suppress(TypeError, ValueError):  # compiled ones have no signature
                found |= signature(each).parameters.keys()
        _KNOWN[kind] = frozenset(found)
    return _KNOWN[kind]


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


def _check_first_guess(boosting: Any) -> None:
    """What the trees answer is added, unlooked, to as many columns as the first guess has."""
    width, rows = boosting.n_trees_per_iteration_, np.zeros((2, boosting.n_features_in_), np.float32)
    try:
        guessed = boosting._raw_predict_init(rows).shape
    except Exception:
        guessed = None
    if guessed != (len(rows), width):
        raise Unsound("its first guess is of other outputs than its trees")


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


def _check_neighbours(own: dict[str, Any], *, classifies: bool) -> None:
    """Labels are looked up by their places among the rows, votes counted at labels' places among classes."""
    rows, labels, wanted = own.get("_fit_X"), own.get("_y"), own.get("n_neighbors")
    if (
        not (isinstance(rows, np.ndarray) and isinstance(labels, np.ndarray) and rows.ndim == 2)
        or len(labels) != len(rows)
        or type(wanted) is not int
        or not 0 < wanted <= len(rows)
        or rows.shape[1] != own.get("n_features_in_")
    ):
        raise Unsound("its rows, their labels and the number of neighbours do not fit each other")
    if not classifies:
        return
    classes = own.get("classes_")
    lists = classes if isinstance(classes, list) else [classes]
    columns = labels.reshape(len(labels), -1)
    if (
        labels.dtype.kind not in "iu"
        or columns.shape[1] != len(lists)
        or not all(isinstance(each, np.ndarray) for each in lists)
        or (columns < 0).any()
        or any(columns[:, place].max() >= len(each) for place, each in enumerate(lists))
    ):
        raise Unsound("its rows have labels that are none of its classes")


def _check_one_hot(own: dict[str, Any]) -> None:
    """Every value's place among the columns is computed from these, and written to unlooked."""
    categories, widths = own.get("categories_"), own.get("_n_features_outs")
    dropped, grouped = own.get("_drop_idx_after_grouping"), own.get("_infrequent_enabled")
    count = own.get("n_features_in_")
    if not isinstance(categories, list) or not isinstance(widths, list) or len(categories) != count:
        raise Unsound("its categories are not those of its columns")
    none = [None] * len(categories)
    mappings: Any = own.get("_default_to_infrequent_mappings") if grouped else none
    rare: Any = own.get("_infrequent_indices") if grouped else none
    drops: Any = none if dropped is None else dropped
    try:
        every = list(zip(categories, mappings, rare, drops, widths, strict=True))
    except (TypeError, ValueError):
        raise Unsound("its categories are not those of its columns") from None
    for values, mapping, few, drop, width in every:
        if not _in_order(values) or not _columns_fit(len(values), mapping, few, drop, width):
            raise Unsound("its categories, those left out and its columns do not fit each other")


def _in_order(values: Any) -> bool:
    """Whether a search finds each category at its own place: numbers rise, with NaN last at most; words are
    looked up one by one."""
    if not isinstance(values, np.ndarray) or values.ndim != 1 or not len(values):
        return False
    if values.dtype.kind in "OU":
        return True
    inner = values[:-1] if values.dtype.kind == "f" and np.isnan(values[-1]) else values
    return values.dtype.kind in "iufb" and bool((inner[:-1] < inner[1:]).all())


def _columns_fit(count: int, mapping: Any, few: Any, drop: Any, width: Any) -> bool:
    """Whether each of `count` categories has one of `width` columns, rare ones together, one left out."""
    places = np.arange(count)
    if (mapping is None) != (few is None):
        return False
    if mapping is not None:
        arrays = isinstance(mapping, np.ndarray) and isinstance(few, np.ndarray)
        if not arrays or mapping.shape != (count,) or not {mapping.dtype.kind, few.dtype.kind} <= {"i", "u"}:
            return False
        if few.ndim != 1 or not len(few) or few.min() < 0 or few.max() >= count:
            return False
        places = mapping
    if drop is not None:
        if not isinstance(drop, int | np.integer) or isinstance(drop, bool):
            return False
        places = places[places != drop]
        places = places - (places > drop)
    wanted = len(np.unique(places))
    return type(width) is int and width == wanted and not ((places < 0) | (places >= width)).any()


def _check_polynomial(found: Any) -> None:
    """Columns that no product fills would hold whatever lay in memory."""
    try:
        whole = found._num_combinations(
            n_features=found.n_features_in_,
            min_degree=0,
            max_degree=found._max_degree,
            interaction_only=found.interaction_only,
            include_bias=found.include_bias,
        )
    except Exception:
        whole = None
    if whole is None or found._n_out_full != whole:
        raise Unsound("its products are not as many as it says")


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
