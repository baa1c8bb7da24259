"""Options of commands that name data and what its columns mean, declared once."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from assay.errors import BadInput

__all__ = [
    "AllowMissing",
    "Asked",
    "Attributes",
    "AttributesId",
    "Bins",
    "Cluster",
    "Device",
    "Favourable",
    "Header",
    "Identifier",
    "Ignore",
    "Kinds",
    "Label",
    "Missing",
    "Predictions",
    "PredictionsFile",
    "PredictionsId",
    "PredictionsTime",
    "Roles",
    "Scores",
    "Sensitive",
    "Signature",
    "Task",
    "Text",
    "Threshold",
    "Train",
    "Tuning",
    "named_columns",
    "names",
]

_DATA, _MODEL = "Data", "Model"


def _option(*flags: str, panel: str = _DATA, **more: Any) -> Any:
    return typer.Option(*flags, rich_help_panel=panel, **more)


Label = Annotated[str | None, _option(metavar="COLUMN", help="Column of true outcomes.")]
Train = Annotated[
    Path | None, _option(metavar="FILE", help="Training rows: to learn from, and for leakage checks.")
]
Tuning = Annotated[
    Path | None, _option(metavar="FILE", help="Tuning rows: to choose by, and for leakage checks.")
]
Roles = Annotated[
    str | None,
    _option(metavar="COLUMN", help="Column saying train, tuning or test, when one file holds all."),
]
Sensitive = Annotated[
    list[str] | None,
    _option(
        metavar="COLUMN,...",
        help="Columns of sensitive attributes, joined by commas; may be repeated. "
        "A name with a comma stands in double quotes.",
    ),
]
Favourable = Annotated[
    str | None, _option(metavar="VALUE", help="The outcome people would want (or that is counted).")
]
Task = Annotated[
    Literal["binary", "multiclass", "regression"] | None, _option(help="Read off the label when not given.")
]
Cluster = Annotated[
    str | None,
    _option(
        metavar="COLUMN", help="Column of units whose rows belong together (patients, sites); no feature."
    ),
]
Identifier = Annotated[
    str | None, _option("--id", metavar="COLUMN", help="Column of row ids; must be unique; no feature.")
]
Attributes = Annotated[
    Path | None,
    _option(
        metavar="FILE",
        help="Table of sensitive attributes that are kept apart, joined by --id (or by --cluster, where "
        "several rows belong to one person).",
    ),
]
AttributesId = Annotated[str | None, _option(metavar="COLUMN", help="The id's column in --attributes.")]
Predictions = Annotated[str | None, _option(metavar="COLUMN", help="Column of predicted outcomes.")]
Scores = Annotated[
    str | None,
    _option(
        metavar="COLUMN",
        help="Column of scores or probabilities of the favourable outcome; may join --predictions.",
    ),
]
Threshold = Annotated[
    float | None,
    _option(metavar="NUMBER", help="Scores at or above it predict the favourable outcome (default 0.5)."),
]
PredictionsFile = Annotated[
    Path | None, _option(metavar="FILE", help="Log that holds --predictions or --scores, joined by --id.")
]
PredictionsId = Annotated[
    str | None, _option(metavar="COLUMN", help="The id's column in --predictions-file.")
]
PredictionsTime = Annotated[
    str | None,
    _option(
        metavar="COLUMN",
        help="Column of --predictions-file that says when; of an id's predictions the latest counts.",
    ),
]
Bins = Annotated[
    list[str] | None,
    _option(metavar="COLUMN=CUTS", help="Cut a number into groups: age=25,60 gives < 25, 25 to < 60, >= 60."),
]
Ignore = Annotated[
    list[str] | None, _option(metavar="COLUMN,...", help="Columns that are not read; may be repeated.")
]
Kinds = Annotated[
    list[str] | None,
    _option(
        "--kind",
        metavar="COLUMN=KIND",
        help="What a feature is where its values mislead: number, category or text.",
    ),
]
Header = Annotated[
    str | None, _option(metavar="NAME,...", help="Column names, joined by commas, of a headerless file.")
]
Missing = Annotated[
    str | None, _option(metavar="TOKEN,...", help="Tokens that mean missing, joined by commas.")
]
AllowMissing = Annotated[
    bool,
    _option(
        "--allow-missing",
        help="Set rows without label or prediction aside (counted) instead of refusing the file.",
    ),
]
Text = Annotated[str | None, _option(panel=_MODEL, metavar="COLUMN", help="Column that a text model reads.")]
Asked = Annotated[
    Path | None,
    _option(
        panel=_MODEL,
        metavar="FILE",
        help="Rows to ask the model about, where --scores of the data came from several models (folds).",
    ),
]
Signature = Annotated[
    Path | None,
    _option(
        panel=_MODEL,
        metavar="FILE",
        help="A signature.json that replaces the model's own or the inferred one.",
    ),
]
Device = Annotated[str, _option(panel=_MODEL, metavar="NAME", help="auto, cpu, cuda or cuda:N.")]


def named_columns(
    sensitive: list[str] | None, bins: list[str] | None, header: str | None, missing: str | None
) -> dict[str, Any]:
    """What was typed, by the names of RowOptions. Raises BadInput for names that name nothing."""
    return {
        "sensitive": names("sensitive", sensitive) or (),
        "bins": tuple(bins or ()),
        "header": names("header", None if header is None else [header]),
        "missing": tuple(missing.split(",")) if missing is not None else None,
    }


def names(option: str, texts: list[str] | None) -> tuple[str, ...] | None:
    """Names joined by commas, in one or more uses of an option; double quotes hold a comma together."""
    if texts is None:
        return None
    try:
        cells = [cell for text in texts for row in csv.reader([text], skipinitialspace=True) for cell in row]
    except csv.Error:
        cells = []
    names = tuple(name for name in map(str.strip, cells) if name)
    if not names:
        raise BadInput(
            f"--{option} names nothing; write one or more names joined by commas, or leave it out. "
            "Nothing was written."
        )
    return names
