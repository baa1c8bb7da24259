"""What a model of the zoo is: its data, how it is made, and, for a broken one, what an audit must find."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from assay.contracts import DatasetRole
from assay.rng import keyed_rng

__all__ = ["SEED", "Broken", "Data", "Given", "Recipe", "shuffled", "split"]

SEED = 20_261_128


class Given(NamedTuple):
    """What a recipe starts from: its data files by role, and the folders of the models named in `after`."""

    files: Mapping[DatasetRole, Path]
    models: Mapping[str, Path]


@dataclass(frozen=True)
class Data:
    """A data set that models are trained and audited on.

    Attributes:
        make: writes the files into the folder.
        files: role -> file name.
        source: where the rows come from and how they were split.
        request: fields of `DataRequest` that say what the columns mean.
    """

    name: str
    make: Callable[[Path], None]
    files: Mapping[DatasetRole, str]
    source: str
    request: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Broken:
    """What was broken on purpose, and who must find it.

    Attributes:
        what: the defect, as one sentence.
        found_by: id of the method that must find it.
        sign: the measure or note in which it shows.
        sound: the sibling on which the same method stays silent.
    """

    what: str
    found_by: str
    sign: str
    sound: str


@dataclass(frozen=True)
class Recipe:
    """A model and how it is made.

    Attributes:
        data: name of its data set.
        make: trains on what is given and writes the model into the (existing, empty) folder.
        says: what it is, in a few words.
        after: models that are made first, because this one is made from them.
    """

    name: str
    data: str
    format: str
    make: Callable[[Given, Path], None]
    says: str
    broken: Broken | None = None
    after: tuple[str, ...] = ()


def shuffled(name: str, rows: int) -> npt.NDArray[np.int64]:
    """A permutation of 0..rows-1 that hangs on `name` alone."""
    return keyed_rng(SEED, "zoo", name).permutation(rows)


def split(name: str, rows: int, tuning: float, test: float) -> dict[DatasetRole, npt.NDArray[np.int64]]:
    """Disjoint row numbers a role, each in file order; training takes what tuning and test leave."""
    order = shuffled(name, rows)
    first, second = round(rows * test), round(rows * (test + tuning))
    found: dict[DatasetRole, npt.NDArray[np.int64]] = {
        "training": np.sort(order[second:]),
        "tuning": np.sort(order[first:second]),
        "test": np.sort(order[:first]),
    }
    return {role: places for role, places in found.items() if len(places)}
