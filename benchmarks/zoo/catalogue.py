"""Every model and data set of the zoo by name, built on first use."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from assay.contracts import DataRequest, DatasetRole, FileRequest, ModelRequest
from benchmarks.zoo import adult, adult_data, cache, digits, fashion, tweets
from benchmarks.zoo.recipe import Broken, Data, Given, Recipe

__all__ = ["DATA", "MODELS", "ZooModel", "data_files", "data_request", "model"]

_DATA_MODULES: tuple[ModuleType, ...] = (adult_data, digits, fashion, tweets)
_MODEL_MODULES: tuple[ModuleType, ...] = (adult, digits, fashion, tweets)
DATA: Mapping[str, Data] = {data.name: data for module in _DATA_MODULES for data in module.DATA}
MODELS: Mapping[str, Recipe] = {made.name: made for module in _MODEL_MODULES for made in module.MODELS}
_DATA_CODE = ("benchmarks.zoo.recipe", "benchmarks.zoo.images", "assay.demo")
_MODEL_CODE = (
    *("benchmarks.zoo.recipe", "benchmarks.zoo.images", "benchmarks.zoo.fitting"),
    *("assay.models.encoding", "assay.models.torch_folder"),
    *("assay.remedies.params", "assay.remedies.train", "assay.remedies.training"),
    *(f"assay.models.architectures.{name}" for name in ("mlp", "cnn", "recurrent", "lstm", "autoencoder")),
)
"""Modules beside the family's own whose code decides what comes out."""
_HOME = {
    **{data.name: module.__name__ for module in _DATA_MODULES for data in module.DATA},
    **{made.name: module.__name__ for module in _MODEL_MODULES for made in module.MODELS},
}


@dataclass(frozen=True)
class ZooModel:
    """A model on disk with the data that it was trained on and is audited on.

    Attributes:
        path: folder in the model's format; its name is the model's.
        data: role -> data file.
        request: fields of `DataRequest` that say what the columns mean (label, sensitive, favourable, text).
        broken: what was broken on purpose; None for a sound model.
    """

    name: str
    path: Path
    format: str
    says: str
    data: Mapping[DatasetRole, Path]
    request: Mapping[str, Any]
    source: str
    broken: Broken | None

    def data_request(self, *roles: DatasetRole, device: str = "cpu") -> DataRequest:
        """What an audit of this model is asked; `roles` (default all) are the files that come along."""
        wanted = {role: path for role, path in self.data.items() if not roles or role in (*roles, "test")}
        return DataRequest(
            **{role: FileRequest(path=str(path)) for role, path in wanted.items()},
            model=ModelRequest(path=str(self.path), device=device),
            **self.request,
        )

    def arguments(self, *roles: DatasetRole, with_model: bool = True) -> list[str]:
        """The same as arguments of `assay`; `roles` (default all) are the files that come along."""
        flags: Mapping[DatasetRole, str] = {"test": "--data", "training": "--train", "tuning": "--tuning"}
        found = ["--device", "cpu", *(("--model", str(self.path)) if with_model else ())]
        for role, path in self.data.items():
            if not roles or role in roles:
                found += [flags[role], str(path)]
        for field, value in self.request.items():
            found += [f"--{field}", value if isinstance(value, str) else ",".join(value)]
        return found


def model(name: str) -> ZooModel:
    """The model of that name; trained and written at the first call for this version of the code.

    Raises:
        NotHere: what it is trained on is not on this machine.
        KeyError: there is no such model.
    """
    if name not in MODELS:
        raise KeyError(f"The zoo has no model {name}; it has {', '.join(MODELS)}")
    made = MODELS[name]
    files = data_files(made.data)
    before = {other: model(other).path for other in made.after}

    def make(folder: Path) -> None:
        start = time.perf_counter()
        (folder / name).mkdir()
        made.make(Given(files, before), folder / name)
        (folder / "seconds").write_text(f"{time.perf_counter() - start:.2f}\n")

    key = cache.code_key([_HOME[name], *_MODEL_CODE], list(files.values()))
    path = cache.cached(f"model-{name}", key, make) / name
    data = DATA[made.data]
    return ZooModel(name, path, made.format, made.says, files, data.request, data.source, made.broken)


def data_files(name: str) -> dict[DatasetRole, Path]:
    """Role -> file of a data set, written at the first call. Raises NotHere."""
    data = DATA[name]
    folder = cache.cached(f"data-{name}", cache.code_key([_HOME[name], *_DATA_CODE]), data.make)
    return {role: folder / file for role, file in data.files.items()}


def data_request(name: str, *roles: DatasetRole, device: str = "cpu") -> DataRequest:
    """`model(name).data_request(...)`."""
    return model(name).data_request(*roles, device=device)
