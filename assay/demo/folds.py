"""Five folds, a network a fold, and predictions of every row by the network that never saw it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import DataRequest, FileRequest, ModelRequest
from assay.demo.tables import Columns, write_table
from assay.loading import load_model, load_subject
from assay.planning import make_params
from assay.registry import REMEDIES

__all__ = ["FOLDS", "Fold", "cut", "pooled", "repaired"]

FOLDS = 5
SEED = 7


@dataclass(frozen=True)
class Fold:
    """A fifth of the rows is sealed; of the rest three parts train and one tunes. Files lie in `folder`."""

    folder: Path
    sealed: npt.NDArray[np.int64]

    @property
    def training_file(self) -> Path:
        return self.folder / "training.csv"

    @property
    def tuning_file(self) -> Path:
        return self.folder / "tuning.csv"

    @property
    def sealed_file(self) -> Path:
        return self.folder / "sealed.csv"


@dataclass
class _Work:
    """The RemedyContext of one training in this process."""

    work: Path
    report: Callable[[float], None]
    device: str = "cpu"
    seed: int = SEED

    def progress(self, done: float, note: str = "") -> None:
        self.report(done)

    def cancelled(self) -> bool:
        return False


def cut(columns: Columns, label: str, folder: Path) -> list[Fold]:
    """Cut the rows into five folds, balanced by label, and write each fold's three files."""
    from sklearn.model_selection import StratifiedKFold

    target = np.asarray(columns[label])
    parts = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
    found = []
    for number, (rest, sealed) in enumerate(parts.split(target, target), 1):
        quarter = StratifiedKFold(4, shuffle=True, random_state=SEED + number)
        training, tuning = next(iter(quarter.split(rest, target[rest])))
        fold = Fold(folder / f"fold-{number}", sealed)
        fold.folder.mkdir(parents=True)
        for path, rows in (
            (fold.training_file, rest[training]),
            (fold.tuning_file, rest[tuning]),
            (fold.sealed_file, sealed),
        ):
            write_table({name: np.asarray(values)[rows] for name, values in columns.items()}, path)
        found.append(fold)
    return found


def repaired(
    folds: Sequence[Fold],
    remedy: str,
    params: Mapping[str, Any],
    request: Mapping[str, Any],
    name: str,
    progress: Callable[[float], None],
    models: Sequence[Path] | None = None,
) -> list[Path]:
    """Apply one remedy in every fold, to that fold's model where `models` gives it; returns the new folders.

    Args:
        request: fields of DataRequest besides files and model (label, sensitive, bins, ...).
        name: of the new folders, inside the folds' own.
    """
    chosen = REMEDIES.get(remedy)
    checked = make_params(chosen, params)
    made = []
    for place, fold in enumerate(folds):
        base, work = place / len(folds), fold.folder / f"{name}.work"
        work.mkdir()
        model = ModelRequest(path=str(models[place]), device="cpu") if models is not None else None
        asked = DataRequest(
            test=FileRequest(path=str(fold.tuning_file)),
            training=FileRequest(path=str(fold.training_file)),
            tuning=FileRequest(path=str(fold.tuning_file)),
            model=model,
            **request,
        )
        subject = load_subject(asked, work).subject
        step = _Work(work, lambda done, base=base: progress(base + done / len(folds)))  # type: ignore[misc]  # mypy cannot type the default
        artefact = chosen.apply(subject, checked, step)
        target = fold.folder / name
        shutil.move(artefact.path, target)
        made.append(target)
    progress(1.0)
    return made


def pooled(
    columns: Columns, folds: Sequence[Fold], models: Sequence[Path], request: Mapping[str, Any]
) -> Columns:
    """The columns, and for every row the probability that the network of its fold gives it."""
    rows = len(next(iter(columns.values())))
    found = np.zeros(rows)
    for fold, path in zip(folds, models, strict=True):
        asked = DataRequest(
            test=FileRequest(path=str(fold.sealed_file)),
            model=ModelRequest(path=str(path), device="cpu"),
            **request,
        )
        scratch = fold.folder / f"{path.name}.answers"
        scratch.mkdir()
        subject = load_subject(asked, scratch).subject
        inputs = subject.inputs("test", np.arange(len(fold.sealed)))
        found[fold.sealed] = subject.model.favourable_score(inputs)
    return {**columns, "probability": found.round(6)}


def size(path: Path) -> int:
    """Parameters of the network in a folder."""
    return load_model(ModelRequest(path=str(path), device="cpu")).facts.parameters
