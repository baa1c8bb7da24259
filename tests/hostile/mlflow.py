"""MLflow folders that want to run code, leave their folder, or exhaust the reader of their MLmodel."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hostile.case import Hostile

__all__ = ["CASES"]


class _Runs:
    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return (Path.touch, (self.place,))


def _mlmodel(text: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        model = folder / "model"
        model.mkdir()
        (model / "MLmodel").write_text(text.replace("RAN", str(folder / "RAN")))
        return model

    return make


def _pickled(folder: Path) -> Path:
    model = _mlmodel("flavors: {sklearn: {pickled_model: model.pkl}}")(folder)
    (model / "model.pkl").write_bytes(pickle.dumps(_Runs(folder / "RAN")))
    return model


def _code(folder: Path) -> Path:
    model = _mlmodel("flavors: {python_function: {loader_module: evil, code: code, data: data}}")(folder)
    (model / "code").mkdir()
    (model / "code" / "evil.py").write_text(f"open({str(folder / 'RAN')!r}, 'w')\n")
    return model


_LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]\n"
    for below, name in zip("abcdefgh", "bcdefghi", strict=True)
)

CASES: tuple[Hostile, ...] = (
    Hostile("mlflow_pickle", _pickled, r"Assay never opens pickles"),
    Hostile("mlflow_code", _code, r"holds code \(code/evil\.py\)"),
    Hostile("mlflow_yaml_bomb", _mlmodel(_LAUGHS), r"anchors or aliases"),
    Hostile(
        "mlflow_yaml_object",
        _mlmodel("flavors: !!python/object/apply:pathlib.Path.touch [RAN]"),
        r"uses a YAML tag",
    ),
    Hostile("mlflow_deep_yaml", _mlmodel("flavors: " + "[" * 50_000), r"nested deeper|is not YAML"),
    Hostile("mlflow_huge_yaml", _mlmodel("a: 1\n" * 200_000), r"bytes of YAML"),
    Hostile("mlflow_outside", _mlmodel("flavors: {xgboost: {data: ../../x}}"), r"leads out of the folder"),
    Hostile("mlflow_absolute", _mlmodel("flavors: {xgboost: {data: /etc/passwd}}"), r"leads out of the"),
)
