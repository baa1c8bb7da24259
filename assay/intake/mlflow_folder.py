"""An MLflow model folder: which model its MLmodel file points to.

MLmodel names flavours, each with the place of its model inside the folder. Only what a flavour points to is
handed on: a sound model that lies beside another one, which MLflow would load, would be the wrong one to
audit. Nothing of MLflow's Python is used, and what a flavour points to passes the gate like any other model.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from assay.datasets.values import visible
from assay.errors import BadInput
from assay.intake.bounded_yaml import MAX_YAML, read_yaml

__all__ = ["MLMODEL", "InnerModel", "flavours_of", "is_mlflow", "model_inside", "read_mlmodel"]

MLMODEL = "MLmodel"
_KEYS = (
    *(
        "data",
        "model_binary",
        "pickled_model",
        "model_data",
        "model_path",
        "saved_model_dir",
        "artifact_path",
    ),
    *("model_file", "keras_model_path"),
)
"""Keys under which MLflow's flavours say where their model is."""
_PYTHON = "python_function"
_TOKENIZER = ("components", "tokenizer")


class InnerModel(NamedTuple):
    """The model of one flavour; `path` may also be of no format that Assay reads."""

    flavour: str
    path: Path
    signature: Path | None
    """A signature.json beside the MLmodel file."""


def is_mlflow(path: Path) -> bool:
    return path.is_dir() and (path / MLMODEL).is_file()


def read_mlmodel(folder: Path) -> Mapping[str, Any]:
    """The MLmodel file. Raises BadInput: no YAML within limits, no mapping, no flavours."""
    name = f"{visible(folder.name)}/{MLMODEL}"
    path = folder / MLMODEL
    try:
        with path.open("rb") as file:
            found = read_yaml(file.read(MAX_YAML + 1), name)
    except OSError as error:
        raise BadInput(f"{name} cannot be read: {error.strerror or error}.") from None
    if not isinstance(found, dict) or not isinstance(found.get("flavors"), dict) or not found["flavors"]:
        raise BadInput(f"{name} names no flavors, as MLflow writes them; save the model again with MLflow.")
    return found


def flavours_of(mlmodel: Mapping[str, Any]) -> list[str]:
    """Names of the flavours, the general python_function last."""
    names = [str(name) for name in mlmodel["flavors"]]
    return sorted(names, key=lambda name: name == _PYTHON)


def model_inside(folder: Path, readable: Callable[[Path], bool], scratch: Path | None) -> InnerModel:
    """What the MLmodel file points to: the first flavour's model that is `readable`, else the first one.

    Args:
        scratch: where a transformer's model and its tokenizer, which MLflow keeps apart, are put together.

    Raises:
        BadInput: an MLmodel file that cannot be read, places outside the folder, no model where it points.
    """
    name = visible(folder.name)
    own = folder / "signature.json"
    signature = own if own.is_file() else None
    places = list(_places(folder, read_mlmodel(folder), name))
    for flavour, path in places:
        whole = _with_tokenizer(folder, path, scratch) if flavour == "transformers" else path
        if readable(whole):
            has_own = whole.is_dir() and (whole / "signature.json").is_file()
            return InnerModel(flavour, whole, None if has_own else signature)
    if not places:
        flavours = ", ".join(visible(each[:40]) for each in flavours_of(read_mlmodel(folder))[:6])
        raise BadInput(
            f"{name} is an MLflow folder ({flavours}) whose MLmodel points to no model in it; save it again, "
            "or name the model itself."
        )
    return InnerModel(*places[0], signature)


def _places(folder: Path, mlmodel: Mapping[str, Any], name: str) -> Iterator[tuple[str, Path]]:
    for flavour in flavours_of(mlmodel):
        said = mlmodel["flavors"][flavour]
        for key in _KEYS if isinstance(said, dict) else ():
            place = said.get(key)
            if not isinstance(place, str):
                continue
            parts = PurePosixPath(place)
            if parts.is_absolute() or ".." in parts.parts or "\\" in place or not parts.parts:
                raise BadInput(
                    f'{name}/{MLMODEL}: {visible(flavour[:40])}.{key} is "{visible(place[:80])}", '
                    "which leads out of the folder."
                )
            path = folder / parts
            if path.exists():
                yield flavour, path


def _with_tokenizer(folder: Path, model: Path, scratch: Path | None) -> Path:
    """A transformer's folder with its tokenizer in it, as save_pretrained would have written it."""
    tokenizer = folder.joinpath(*_TOKENIZER)
    if scratch is None or not model.is_dir() or not tokenizer.is_dir():
        return model
    if any(model.glob("tokenizer*.json")):
        return model
    whole = scratch / "mlflow" / model.name
    shutil.rmtree(whole, ignore_errors=True)
    whole.mkdir(parents=True)
    for source in (tokenizer, model):
        for member in sorted(source.iterdir()):
            if member.is_file() and not member.is_symlink():
                target = whole / member.name
                target.unlink(missing_ok=True)
                try:
                    os.link(member, target)
                except OSError:  # another file system
                    shutil.copyfile(member, target)
    return whole
