"""Subjects as a remedy meets them: training (and tuning) rows, no test rows, perhaps a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from assay.contracts import DataRequest, DatasetRole, FileRequest, ModelRequest, Profile, SubjectProtocol
from assay.datasets.subject import Subject
from assay.loading import load_subject
from assay.models.base import Model
from tests.support import write_csv

__all__ = ["WithoutTest", "biased", "image_training", "training_subject"]


def training_subject(
    folder: Path,
    training: Mapping[str, Sequence[Any]],
    *,
    tuning: Mapping[str, Sequence[Any]] | None = None,
    model: Path | None = None,
    label: str | None = "label",
    **request: Any,
) -> Subject:
    """Write the columns as CSV files and take them in for a remedy."""
    folder.mkdir(parents=True, exist_ok=True)
    files = {"training": FileRequest(path=str(write_csv(folder / "train.csv", training)))}
    if tuning is not None:
        files["tuning"] = FileRequest(path=str(write_csv(folder / "tuning.csv", tuning)))
    asked = DataRequest(
        **files,
        label=label,
        model=ModelRequest(path=str(model), device="cpu") if model is not None else None,
        **request,
    )
    return load_subject(asked, folder).subject


def biased(rows: int, seed: int, gap: float = 1.0) -> dict[str, Any]:
    """Merit decides, and past decisions asked more of women; `proxy` tells the sex."""
    rng = np.random.default_rng(seed)
    female = rng.random(rows) < 0.5
    merit = rng.normal(size=rows)
    said = merit - gap * female + rng.normal(size=rows) * 1.5 > -gap / 2
    return {
        "merit": merit.round(4).tolist(),
        "proxy": (female + rng.normal(size=rows) * 0.2).round(4).tolist(),
        "sex": np.where(female, "f", "m").tolist(),
        "label": np.where(said, "yes", "no").tolist(),
    }


def image_training(folder: Path, rows: int, seed: int, *, model: Path | None = None) -> Subject:
    """6 x 6 grey images; a bright upper half is class "up", a bright lower half "down"."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, rows)
    images = rng.integers(0, 120, (rows, 1, 6, 6))
    for place, up in enumerate(label):
        images[place, 0, slice(0, 3) if up else slice(3, 6)] += 100
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "images.npz"
    np.savez(path, images=images[:, 0].astype(np.uint8), labels=np.where(label == 1, "up", "down"))
    asked = DataRequest(
        training=FileRequest(path=str(path)),
        label="label",
        favourable="up",
        model=ModelRequest(path=str(model), device="cpu") if model is not None else None,
    )
    return load_subject(asked, folder).subject


class WithoutTest:
    """A subject whose test rows must not be asked for: every way to them raises."""

    def __init__(self, subject: SubjectProtocol) -> None:
        self._subject = subject
        self.asked: set[str] = set()

    @property
    def profile(self) -> Profile:
        return self._subject.profile

    @property
    def model(self) -> Model:
        return self._subject.model

    def dataset(self, role: DatasetRole) -> Any:
        self._check(role)
        return self._subject.dataset(role)

    def with_model(self, profile: Profile, model: Model) -> WithoutTest:
        found = WithoutTest(self._subject.with_model(profile, model))
        found.asked = self.asked
        return found

    def inputs(self, role: DatasetRole, rows: npt.NDArray[np.int64]) -> Any:
        self._check(role)
        return self._subject.inputs(role, rows)

    def labels(self, role: DatasetRole, rows: npt.NDArray[np.int64]) -> Any:
        self._check(role)
        return self._subject.labels(role, rows)

    def _check(self, role: DatasetRole) -> None:
        self.asked.add(role)
        if role not in ("training", "tuning"):
            raise AssertionError(f"a remedy asked for {role} rows")
