"""skops files of estimators whose parts do not fit: compiled code would read and write beyond them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from sklearn.ensemble import GradientBoostingClassifier, GradientBoostingRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, PolynomialFeatures
from sklearn.svm import SVR, OneClassSVM

from tests.hostile.case import Hostile

__all__ = ["CASES"]

_ROWS = np.random.default_rng(0).normal(size=(40, 3))
_LABEL = (_ROWS[:, 0] > 0).astype(int)
_THREE = _LABEL + (_ROWS[:, 1] > 0)


def _file(make: Callable[[], Any]) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = folder / "model.skops"
        skops.io.dump(make(), path)
        return path

    return write


def _with(estimator: Any, **attributes: Any) -> Any:
    for name, value in attributes.items():
        setattr(estimator, name, value)
    return estimator


def _boosting_of_more_outputs() -> Any:
    """64 trees a round, whose answers go to one column."""
    model = GradientBoostingRegressor(n_estimators=2, max_depth=2).fit(_ROWS, _ROWS[:, 0])
    return _with(model, estimators_=np.repeat(model.estimators_, 64, axis=1), n_trees_per_iteration_=64)


def _boosting_of_another_loss() -> Any:
    """Three trees a round; the first guess, of a model of two classes, has one column."""
    model = GradientBoostingClassifier(n_estimators=2, max_depth=2)
    other = GradientBoostingClassifier(n_estimators=2, max_depth=2)
    return _with(model.fit(_ROWS, _THREE), _loss=other.fit(_ROWS, _LABEL)._loss)


def _regression_that_classifies() -> Any:
    model = SVR().fit(_ROWS, _ROWS[:, 0])
    counts = np.zeros(20_000, dtype=np.int32)
    counts[0], counts[-1] = 10, len(model.support_vectors_) - 10
    return _with(model, _impl="c_svc", _n_support=counts)


def _outliers_that_classify() -> Any:
    return _with(OneClassSVM().fit(_ROWS), _impl="c_svc", _n_support=np.full(3000, 10**5, dtype=np.int32))


def _neighbours(**attributes: Any) -> Any:
    return _with(KNeighborsClassifier(3, algorithm="brute").fit(_ROWS, _LABEL), **attributes)


def _one_hot(**attributes: Any) -> Any:
    """A pipeline over 50 categories whose encoder is changed."""
    rows = np.arange(200.0).reshape(-1, 1) % 50
    rare = {"min_frequency": 5} if "_default_to_infrequent_mappings" in attributes else {}
    model = make_pipeline(OneHotEncoder(handle_unknown="ignore", **rare), LogisticRegression())
    model.fit(rows, rows[:, 0] > 20)
    _with(model[0], **attributes)
    if widths := attributes.get("_n_features_outs"):
        _with(model[1], coef_=np.ones((1, *widths)), n_features_in_=widths[0])
    return model


def _binned() -> Any:
    """Bins that are one-hot encoded inside."""
    model = make_pipeline(KBinsDiscretizer(3), LogisticRegression()).fit(_ROWS, _LABEL)
    _with(model[0]._encoder, _n_features_outs=[1, 1, 1])
    return model


def _more_products() -> Any:
    model = make_pipeline(PolynomialFeatures(2), LogisticRegression()).fit(_ROWS, _LABEL)
    _with(model[0], _n_out_full=500)
    return model


_CATEGORIES = "its categories, those left out and its columns do not fit"
CASES = tuple(
    Hostile(name, _file(make), says)
    for name, make, says in (
        ("boosting of more outputs than its first guess", _boosting_of_more_outputs, "of other outputs"),
        ("boosting with the loss of another", _boosting_of_another_loss, "of other outputs"),
        ("a regression that classifies", _regression_that_classifies, 'replaces "_impl"'),
        ("outliers that classify", _outliers_that_classify, 'replaces "_impl"'),
        (
            "neighbours of fewer columns",
            lambda: _neighbours(_fit_X=np.ascontiguousarray(_ROWS[:, :1])),
            "neighbours do not fit",
        ),
        (
            "neighbours with labels of no class",
            lambda: _neighbours(_y=np.full(40, 10**8)),
            "labels that are none of its classes",
        ),
        ("fewer columns than categories", lambda: _one_hot(_n_features_outs=[1]), _CATEGORIES),
        (
            "categories out of order",
            lambda: _one_hot(categories_=[np.append(np.arange(49.0), -1.0)]),
            _CATEGORIES,
        ),
        (
            "a category left out that is none",
            lambda: _one_hot(_drop_idx_after_grouping=np.array([-5], dtype=object)),
            _CATEGORIES,
        ),
        (
            "rare categories far outside",
            lambda: _one_hot(
                _infrequent_enabled=True,
                _infrequent_indices=[np.array([0])],
                _default_to_infrequent_mappings=[np.full(50, 10**7)],
            ),
            _CATEGORIES,
        ),
        ("bins of fewer columns", _binned, _CATEGORIES),
        ("more products than are made", _more_products, "its products are not as many"),
    )
)
