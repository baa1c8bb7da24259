"""What a fitted scikit-learn estimator tells of its inputs and outputs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from assay.contracts import InputColumn, ModelSignature
from assay.datasets.values import visible

__all__ = ["feature_names", "infer_signature"]

_KEEP_COLUMNS = ("SimpleImputer", "FunctionTransformer")
"""Steps behind which a column is still itself."""
_ENCODERS = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")


def feature_names(estimator: Any) -> tuple[str, ...] | None:
    """Names of the columns that it was fitted on; None where it was fitted on an array."""
    found = getattr(estimator, "feature_names_in_", None)
    return None if found is None else tuple(str(name) for name in found)


def infer_signature(estimator: Any) -> tuple[ModelSignature, str]:
    """A signature of a fitted estimator, and a sentence that says it.

    Columns are those that it was fitted on; a column that an encoder of it reads as words is a category of
    those words, the others are numbers. Classes come from `classes_`.

    Raises:
        ValueError: it does not say how many columns it reads. The message goes on from the file's name.
    """
    count = getattr(estimator, "n_features_in_", None)
    if count is None:
        raise ValueError(
            "does not say how many columns it reads (n_features_in_); put a signature.json beside it."
        )
    names = feature_names(estimator) or tuple(f"x{place}" for place in range(int(count)))
    words = _categories(estimator, names)
    columns = tuple(
        InputColumn(name=name, kind="category", encoding="value", categories=words[name])
        if name in words
        else InputColumn(name=name, kind="number", encoding="identity")
        for name in names
    )
    reads = f"its inputs are the columns that it was fitted on, {_listed(words)} as words"
    if not words:
        reads = "its inputs are the columns that it was fitted on, as plain numbers"
    classes = tuple(str(name) for name in getattr(estimator, "classes_", ()))
    if classes:
        task = "binary" if len(classes) == 2 else "multiclass"
        if hasattr(estimator, "predict_proba"):
            output, threshold = "probability", None
        elif task == "binary" and hasattr(estimator, "decision_function"):
            output, threshold = "score", 0.0
        else:
            output, threshold = "label", None
        said = (
            f"{reads}; its classes {', '.join(visible(name[:40]) for name in classes[:12])}, its output "
            f"{output}."
        )
    elif hasattr(estimator, "decision_function"):
        task, output, threshold, classes = "binary", "score", 0.0, ("normal", "anomaly")
        said = f"{reads}; it scores how unlike the others a row is, anomalies above 0."
    else:
        task, output, threshold = "regression", "score", None
        said = f"{reads}; it predicts a number."
    return ModelSignature.model_validate(
        {"task": task, "output": output, "classes": classes, "threshold": threshold, "columns": columns}
    ), said


def _categories(estimator: Any, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Column -> the words that an encoder was fitted on, for the columns that an encoder reads as words."""
    step = _first_step(estimator)
    if step is None:
        return {}
    if type(step).__name__ in _ENCODERS:
        return _words_of(step, list(names))
    found: dict[str, tuple[str, ...]] = {}
    for _, transformer, chosen in getattr(step, "transformers_", ()):
        encoder = _encoder_of(transformer)
        if encoder is not None:
            found |= _words_of(encoder, _chosen(chosen, names))
    return found


def _first_step(estimator: Any) -> Any:
    """The encoder or column transformer that sees the columns themselves."""
    while hasattr(estimator, "steps"):
        for _, step in estimator.steps:
            if type(step).__name__ not in _KEEP_COLUMNS and step != "passthrough":
                estimator = step
                break
        else:
            return None
    kinds = (*_ENCODERS, "ColumnTransformer")
    return estimator if type(estimator).__name__ in kinds else None


def _encoder_of(transformer: Any) -> Any:
    for step in [step for _, step in getattr(transformer, "steps", [("", transformer)])]:
        if type(step).__name__ in _ENCODERS:
            return step
        if type(step).__name__ not in _KEEP_COLUMNS:
            return None
    return None


def _chosen(chosen: Any, names: tuple[str, ...]) -> list[str]:
    """Names of the columns of a transformer, however they were said."""
    if isinstance(chosen, str):
        return [chosen]
    if isinstance(chosen, slice):
        return list(names[chosen])
    listed = list(chosen) if np.ndim(chosen) else [chosen]
    if listed and all(isinstance(one, bool | np.bool_) for one in listed):
        return [name for name, one in zip(names, listed, strict=True) if one]
    return [str(one) if isinstance(one, str) else names[int(one)] for one in listed]


def _words_of(encoder: Any, columns: list[str]) -> dict[str, tuple[str, ...]]:
    found: Mapping[str, Any] = dict(zip(columns, getattr(encoder, "categories_", ()), strict=False))
    return {
        column: tuple(value for value in values if isinstance(value, str))
        for column, values in found.items()
        if any(isinstance(value, str) for value in values)
    }


def _listed(words: Mapping[str, Any]) -> str:
    shown = ", ".join(f'"{visible(name[:40])}"' for name in list(words)[:6])
    return shown + (", …" if len(words) > 6 else "")
