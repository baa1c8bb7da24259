"""Options that say what files of data are and what their columns mean: of `audit`, `push` and `remedy`."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, Literal

from assay.contracts import FileRequest
from assay.errors import BadInput

__all__ = ["DataOptions", "RowOptions", "file_request"]

Kind = Literal["number", "category", "text"]
_KINDS: tuple[Kind, ...] = ("number", "category", "text")


@dataclass(frozen=True, kw_only=True)
class RowOptions:
    """Files of rows and the roles of their columns, as typed."""

    train: Path | None = None
    tuning: Path | None = None
    roles: str | None = None
    text: str | None = None
    label: str | None = None
    sensitive: tuple[str, ...] = ()
    favourable: str | None = None
    task: Literal["binary", "multiclass", "regression"] | None = None
    cluster: str | None = None
    identifier: str | None = None
    attributes: Path | None = None
    attributes_id: str | None = None
    bins: tuple[str, ...] = ()
    header: tuple[str, ...] | None = None
    missing: tuple[str, ...] | None = None
    allow_missing: bool = False

    def columns(self) -> dict[str, Any]:
        """What the columns mean, by the names of a DataRequest; files and their headers apart.

        Raises:
            BadInput: --bins cannot be read.
        """
        return {
            "label": self.label,
            "sensitive": self.sensitive,
            "favourable": self.favourable,
            "task": self.task,
            "text": self.text,
            "roles_column": self.roles,
            "cluster": self.cluster,
            "identifier": self.identifier,
            "attributes_id": self.attributes_id,
            "bins": _bins(self.bins),
            "missing": self.missing,
            "allow_missing": self.allow_missing,
        }

    def check_joins(self) -> None:
        """Raise BadInput where a file is to be joined and what for is not said, or the other way round."""
        self._refuse_without_id("--attributes", self.attributes)
        if self.attributes is None and self.attributes_id is not None:
            raise BadInput("--attributes-id belongs to --attributes, which is not given.")

    def _refuse_without_id(self, option: str, file: Path | None) -> None:
        if file is not None and self.identifier is None and self.cluster is None:
            raise BadInput(
                f"{option} is joined by id: name the data's column of ids with --id (or with --cluster, "
                "where several rows belong to one person)."
            )


@dataclass(frozen=True, kw_only=True)
class DataOptions(RowOptions):
    """The same of data to audit, with the predictions that may have come with it."""

    asked: Path | None = None
    predictions: str | None = None
    scores: str | None = None
    threshold: float | None = None
    predictions_file: Path | None = None
    predictions_id: str | None = None
    predictions_time: str | None = None
    ignore: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def columns(self) -> dict[str, Any]:
        """As of rows. Raises BadInput: --bins or --kind cannot be read."""
        return {
            **super().columns(),
            "predictions_id": self.predictions_id,
            "predictions_time": self.predictions_time,
            "ignored": self.ignore,
            "kinds": _read_kinds(self.kinds),
        }

    def check_joins(self) -> None:
        """As of rows; and a threshold is a number."""
        super().check_joins()
        self._refuse_without_id("--predictions-file", self.predictions_file)
        if self.predictions_file is None and (self.predictions_id or self.predictions_time):
            raise BadInput(
                "--predictions-id and --predictions-time belong to --predictions-file, which is not given."
            )
        if self.threshold is not None and not isfinite(self.threshold):
            raise BadInput(f"--threshold {self.threshold} is no finite number; write one such as 0.5.")


def file_request(path: Path, header: tuple[str, ...] | None) -> FileRequest:
    """A data file, or a folder of images, as named on the command line. Raises BadInput for others."""
    if not path.is_file() and not _may_hold_images(path):
        kind = "is a folder" if path.is_dir() else "is no regular file" if path.exists() else "does not exist"
        hint = " (A folder of images has a subfolder for each class, with PNG or JPEG files.)"
        raise BadInput(
            f"{path} {kind}; give a CSV, TSV, JSON Lines, Parquet, .npz or .zip file."
            f"{hint if path.is_dir() else ''}"
        )
    return FileRequest(path=str(path.resolve()), header=header)


def _may_hold_images(path: Path) -> bool:
    """Whether there are subfolders; the child looks at what is in them."""
    return path.is_dir() and any(member.is_dir() for member in path.iterdir())


def _bins(texts: tuple[str, ...]) -> dict[str, tuple[float, ...]]:
    """--bins as typed: column -> cut points. Raises BadInput."""
    found: dict[str, tuple[float, ...]] = {}
    for name, cuts in map(_cut_points, texts):
        if name in found:
            raise BadInput(
                f'--bins is given twice for "{name}"; write all its cuts in one, such as age=25,60.'
            )
        found[name] = cuts
    return found


def _read_kinds(texts: tuple[str, ...]) -> dict[str, Kind]:
    """--kind as typed: column -> kind. Raises BadInput."""
    found: dict[str, Kind] = {}
    for text in texts:
        name, _, said = text.rpartition("=")
        kind = next((known for known in _KINDS if known == said), None)
        if not name or kind is None:
            raise BadInput(
                f'--kind "{text}" cannot be read; write a column and number, category or text, such as '
                "postcode=category."
            )
        found[name] = kind
    return found


def _cut_points(text: str) -> tuple[str, tuple[float, ...]]:
    name, _, points = text.rpartition("=")
    try:
        cuts = tuple(float(point) for point in points.split(","))
    except ValueError:
        cuts = ()
    if not name or not cuts or not all(map(isfinite, cuts)) or list(cuts) != sorted(set(cuts)):
        raise BadInput(
            f'--bins "{text}" cannot be read; write a column and rising numbers, such as age=25,60.'
        )
    return name, cuts
