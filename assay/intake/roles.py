"""Which column plays which part: what the user said, checked against the columns of the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from assay.contracts import DataRequest, DatasetRole
from assay.errors import BadInput
from assay.intake.column_names import missing_column

__all__ = ["MOST_INFERRED", "ColumnRoles", "dataset_role", "resolve_roles"]

MOST_INFERRED = 20
"""Columns that are taken as sensitive without being named: each pair of them is an intersection."""

_LABEL = ("label", "target", "y_true", "ground_truth", "actual", "outcome")
_PREDICTION = ("prediction", "predictions", "predicted", "predicted_label", "y_pred", "pred")
_SCORE = ("y_score", "predicted_probability", "prediction_score", "probability", "proba", "y_prob")
_SENSITIVE = ("sex", "gender", "race", "ethnicity", "age_group", "disability", "religion", "nationality")

_SPLITS: dict[str, DatasetRole] = {
    "train": "training",
    "training": "training",
    "val": "tuning",
    "valid": "tuning",
    "validation": "tuning",
    "tuning": "tuning",
    "dev": "tuning",
    "test": "test",
    "testing": "test",
}


class ColumnRoles(NamedTuple):
    """Column names by role, before any cell was read."""

    label: str | None
    prediction: str | None
    score: str | None
    sensitive: tuple[str, ...]
    sensitive_inferred: bool
    cluster: str | None
    identifier: str | None
    split: str | None
    text: str | None
    image: str | None
    features: tuple[str, ...]
    notes: tuple[str, ...]

    def of(self, column: str) -> str:
        """The role of a column, as messages name it."""
        named = {
            self.label: "label",
            self.prediction: "predictions",
            self.score: "scores",
            self.cluster: "cluster",
            self.identifier: "identifier",
            self.split: "roles",
            self.text: "text",
            self.image: "image",
        }
        return "sensitive" if column in self.sensitive else named.get(column, "feature")


def resolve_roles(
    request: DataRequest,
    columns: Sequence[str],
    file: str,
    image: str | None = None,
    *,
    outcomes: bool = True,
) -> ColumnRoles:
    """Roles from the request; those it leaves open are taken from conventional column names, with a note.

    `image` is the column that tells a row its picture, for image data. Without `outcomes` nothing is
    predicted (a language model is asked about texts alone), so that no column is a label.

    Raises BadInput for a column that the file does not have, one column in two roles (label and predictions
    may be the same column), a bin for a column that is not sensitive, and when nothing is left to audit.
    """
    asked: list[tuple[str, str]] = [
        (role, name)
        for role, name in (
            ("label", request.label),
            ("predictions", request.predictions),
            ("scores", request.scores),
            *(("sensitive", name) for name in request.sensitive),
            ("cluster", request.cluster),
            ("identifier", request.identifier),
            ("roles", request.roles_column),
            ("text", request.text),
        )
        if name is not None
    ]
    asked += [("image", image)] if image is not None else []
    taken: dict[str, str] = {}
    for role, name in asked:
        if name not in columns:
            raise missing_column(file, name, role, columns)
        before = taken.get(name)
        if before is not None and (before, role) != ("label", "predictions"):
            raise BadInput(
                f'{file} column "{name}" cannot be {before} and {role} at once; name another column for one.'
            )
        taken.setdefault(name, role)
    for name in request.bins:
        if name not in columns:
            raise missing_column(file, name, "bins", columns)
        if name not in request.sensitive:
            raise BadInput(f'Bins are given for "{name}", which is not among the sensitive columns.')

    for name in (*request.ignored, *request.kinds):
        if name not in columns:
            raise missing_column(file, name, "ignored" if name in request.ignored else "kind", columns)
    for name in request.ignored:
        if name in taken:
            raise BadInput(f'{file} column "{name}" cannot be {taken[name]} and ignored at once.')
        taken[name] = "ignored"
    notes: list[str] = []
    label, predictions, scores = request.label, request.predictions, request.scores
    if not outcomes:
        _refuse_outcomes(request)
    elif label is None and "label" not in request.without:
        label = _conventional(_LABEL, "label", columns, taken, notes)
    if predictions is None and scores is None and request.model is None:
        predictions = _conventional(_PREDICTION, "predictions", columns, taken, notes)
        scores = _conventional(_SCORE, "scores", columns, taken, notes)
    sensitive = request.sensitive
    if not sensitive and "sensitive" not in request.without:
        sensitive = tuple(
            name for name in columns if name not in taken and name.strip().lower() in _SENSITIVE
        )
        if len(sensitive) > MOST_INFERRED:
            raise BadInput(
                f"{file} has {len(sensitive):,} columns that are called like sensitive attributes "
                f'("{sensitive[0]}", "{sensitive[1]}", …); name those that are with --sensitive.'
            )
        for name in sensitive:
            taken[name] = "sensitive"
            notes.append(f'{file}: column "{name}" was taken as sensitive by its name.')
    if label is None and request.test is None:
        raise BadInput(f"{file}: training needs true outcomes; name their column with --label.")
    if label is None and predictions is None and scores is None and request.model is None:
        raise BadInput(
            f"{file}: nothing to audit. Name the column of true labels (--label) and that of "
            "predictions (--predictions) or scores (--scores)."
        )
    return ColumnRoles(
        label=label,
        prediction=predictions,
        score=scores,
        sensitive=sensitive,
        sensitive_inferred=not request.sensitive,
        cluster=request.cluster,
        identifier=request.identifier,
        split=request.roles_column,
        text=request.text,
        image=image,
        features=tuple(name for name in columns if name not in taken),
        notes=tuple(notes),
    )


def _refuse_outcomes(request: DataRequest) -> None:
    given = [
        f"--{option}"
        for option, value in (
            *(("label", request.label), ("predictions", request.predictions), ("scores", request.scores)),
            *(("favourable", request.favourable), ("threshold", request.threshold), ("task", request.task)),
        )
        if value is not None
    ]
    if given:
        raise BadInput(
            f"{' and '.join(given)} {'belongs' if len(given) == 1 else 'belong'} to models that predict an "
            "outcome; a language model is asked about the texts alone. Leave it out."
        )


def dataset_role(value: str) -> DatasetRole | None:
    """The dataset that a value of the roles column sends its row to; None when it means nothing."""
    return _SPLITS.get(value.lower())


def _conventional(
    known: Sequence[str], role: str, columns: Sequence[str], taken: dict[str, str], notes: list[str]
) -> str | None:
    """The one free column that bears a conventional name of `role`; None when there is none or several."""
    found = [name for name in columns if name not in taken and name.lower().replace(" ", "_") in known]
    if len(found) != 1:
        return None
    taken[found[0]] = role
    notes.append(f'The {role} were taken from column "{found[0]}" by its name; --{role} names another.')
    return found[0]
