"""XGBoost and LightGBM models out of pickles: their own JSON and text."""

from __future__ import annotations

from typing import Any

from assay.conversion.request import ConvertRequest, Written

__all__ = ["is_trees", "write_trees"]


def is_trees(model: Any) -> bool:
    """Whether an object is a model of XGBoost or LightGBM, by the module of its class."""
    return any(kind.__module__.partition(".")[0] in ("xgboost", "lightgbm") for kind in type(model).__mro__)


def write_trees(model: Any, came_as: str, request: ConvertRequest) -> tuple[Written, tuple[str, ...]]:
    """Write the booster in its library's own format; returns the class names that the wrapper knew, too."""
    request.out.mkdir(parents=True, exist_ok=True)
    classes = tuple(str(name) for name in getattr(model, "classes_", ()))
    library = next(
        kind.__module__.partition(".")[0]
        for kind in type(model).__mro__
        if kind.__module__.partition(".")[0] in ("xgboost", "lightgbm")
    )
    if library == "xgboost":
        booster = model.get_booster() if hasattr(model, "get_booster") else model
        booster.save_model(str(request.out / "model.json"))
    else:
        booster = getattr(model, "booster_", model)
        booster.save_model(str(request.out / "model.txt"))
    return Written(request.out, f"{came_as} of {library}", None), classes
