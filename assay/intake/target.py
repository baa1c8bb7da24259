"""What is predicted: the task, the classes, the favourable one, and what the scores mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from assay.contracts import DataRequest, OutputKind, Signature
from assay.datasets.values import as_number, canonical_number, canonical_values, value_order
from assay.errors import BadInput
from assay.intake.cells import data_row
from assay.intake.columns import MAX_VALUE
from assay.intake.favourable import choose_favourable
from assay.intake.roles import ColumnRoles
from assay.intake.scan import ColumnScan

__all__ = ["Target", "decide_target"]

MAX_INFERRED_CLASSES = 20
MAX_CLASSES = 200

TableTask = Literal["binary", "multiclass", "regression"]


@dataclass(frozen=True)
class Target:
    """The signature, and how label and prediction spellings map onto its classes."""

    signature: Signature
    label: Mapping[str, str]
    prediction: Mapping[str, str]
    notes: tuple[str, ...]


def decide_target(
    file: str,
    request: DataRequest,
    roles: ColumnRoles,
    scans: Mapping[str, ColumnScan],
    other_labels: Iterable[str],
) -> Target:
    """Decide the signature from the columns of the test dataset.

    Args:
        file: the test file's name, for messages.
        request, roles: what was asked and which columns play which part.
        scans: the first pass over the test dataset.
        other_labels: label values that occur in training or tuning data.

    Raises:
        BadInput: a constant label, too many classes, predictions that are not classes of the label, scores
            without two classes or without a threshold, a favourable class that does not occur or cannot be
            told, non-numeric regression columns.
    """
    label = scans[roles.label] if roles.label is not None else None
    prediction = scans[roles.prediction] if roles.prediction is not None else None
    score = scans[roles.score] if roles.score is not None else None
    if label is not None:
        _refuse_one_class(file, label)
    task = request.task or _infer_task(file, label or prediction)
    if task == "regression":
        return _regression(file, label, prediction, score)
    label_map = _class_values(file, label, "label")
    prediction_map = _class_values(file, prediction, "predictions")
    notes: list[str] = []
    if label is not None and prediction is not None:
        prediction_map = _agree(file, label, label_map, prediction, prediction_map, notes)
    others = canonical_values(other_labels)
    known = set(label_map.values()) | set(prediction_map.values())
    classes = value_order(known | set(others.values()))
    if label is None and prediction is None:
        classes = ["0", "1"] if request.favourable is None else _two_sided(request.favourable)
    if request.task is None and task == "binary" and len(classes) > 2 and score is None:
        task = "multiclass"
    _check_class_count(file, task, classes, label, prediction, score, request.task is not None)
    favourable, inferred = choose_favourable(request.favourable, classes, task, file)
    if inferred:
        notes.append(
            f'"{favourable}" was taken as the favourable outcome of "{classes[0]}" and "{classes[1]}"; '
            "--favourable names the other."
        )
    if task == "binary" and favourable is not None:
        classes = [next(name for name in classes if name != favourable), favourable]
    output, threshold = _score_meaning(file, score, prediction, request.threshold, notes)
    signature = Signature(
        task=task,
        output=output,
        classes=tuple(classes),
        favourable=favourable,
        favourable_inferred=inferred,
        threshold=threshold,
    )
    return Target(signature, {**others, **label_map}, prediction_map, tuple(notes))


def _refuse_one_class(file: str, label: ColumnScan) -> None:
    if label.values is not None and len(set(canonical_values(label.values).values())) == 1:
        only = next(iter(label.values))
        raise BadInput(
            f'{file} column "{label.name}" (label) is a one-class label: every row says "{only[:40]}". '
            "Both outcomes must occur."
        )


def _infer_task(file: str, column: ColumnScan | None) -> TableTask:
    if column is None:
        return "binary"
    distinct = None if column.values is None else len(set(canonical_values(column.values).values()))
    if distinct is not None and distinct <= 2:
        return "binary"
    if column.numeric:
        few = distinct is not None and distinct <= MAX_INFERRED_CLASSES and column.integral
        return "multiclass" if few else "regression"
    if distinct is None or distinct > MAX_CLASSES:
        count = f"{distinct:,}" if distinct is not None else f"more than {column.limit:,}"
        raise BadInput(
            f'{file} column "{column.name}" has {count} different words; '
            f"a class label has at most {MAX_CLASSES}, a regression target is numeric."
        )
    return "multiclass"


def _regression(
    file: str, label: ColumnScan | None, prediction: ColumnScan | None, score: ColumnScan | None
) -> Target:
    if score is not None:
        raise BadInput(
            f'{file} column "{score.name}" (scores): the label is numeric, and scores belong to classes. '
            "Pass predicted numbers with --predictions."
        )
    for column, role in ((label, "label"), (prediction, "predictions")):
        if column is not None and not column.numeric:
            place, word = column.first_word or (0, "")
            raise BadInput(
                f'{file} column "{column.name}" ({role}) has "{word[:40]}" in {data_row(place)}; '
                "a regression needs numbers only."
            )
        if column is not None and column.first_infinite is not None:
            raise BadInput(
                f'{file} column "{column.name}" ({role}) is infinite in '
                f"{data_row(column.first_infinite)}; a regression needs finite numbers."
            )
    return Target(Signature(task="regression", output="score"), {}, {}, ())


def _class_values(file: str, column: ColumnScan | None, role: str) -> dict[str, str]:
    if column is None:
        return {}
    if column.values is None or len(column.values) > 10 * MAX_CLASSES:
        raise BadInput(
            f'{file} column "{column.name}" ({role}) has more than {10 * MAX_CLASSES:,} different values; '
            f"classes are at most {MAX_CLASSES}.{_score_hint(column, role)}"
        )
    if column.longest > MAX_VALUE:
        raise BadInput(
            f'{file} column "{column.name}" ({role}) has a value of {column.longest:,} characters; '
            f"a class name has at most {MAX_VALUE}."
        )
    return canonical_values(column.values)


def _agree(
    file: str,
    label: ColumnScan,
    label_map: Mapping[str, str],
    prediction: ColumnScan,
    prediction_map: Mapping[str, str],
    notes: list[str],
) -> dict[str, str]:
    """Predictions in the label's spelling. Raises BadInput when they are not its classes."""
    known = set(label_map.values())
    agreed = {raw: _as_known(value, known) for raw, value in prediction_map.items()}
    new = value_order(set(agreed.values()) - known)
    if not set(agreed.values()) & known:
        raise BadInput(
            f'{file}: predictions ("{prediction.name}": {_listed(agreed.values())}) and label '
            f'("{label.name}": {_listed(known)}) share no value; both must use the same class names.'
            f"{_score_hint(prediction, 'predictions')}"
        )
    if new and prediction.numeric and not prediction.integral:
        raise BadInput(
            f'{file} column "{prediction.name}" (predictions) holds numbers such as {new[0]}, which are no '
            f"classes of the label ({_listed(known)}).{_score_hint(prediction, 'predictions')}"
        )
    if new:
        notes.append(f'Column "{prediction.name}" predicts {_listed(new)}, which the label never has.')
    return agreed


def _as_known(value: str, known: set[str]) -> str:
    if value in known:
        return value
    number = as_number(value)
    spelt = value.lower() if number is None else canonical_number(number)
    return spelt if spelt in known else value


def _check_class_count(
    file: str,
    task: TableTask,
    classes: Sequence[str],
    label: ColumnScan | None,
    prediction: ColumnScan | None,
    score: ColumnScan | None,
    task_given: bool,
) -> None:
    column = label or prediction or score
    name = column.name if column is not None else ""
    if len(classes) < 2:
        raise BadInput(
            f'{file} column "{name}" has one value only ("{classes[0] if classes else ""}"); '
            "two classes cannot be told. Name the label column too (--label)."
        )
    if score is not None and len(classes) > 2:
        raise BadInput(
            f'{file} column "{score.name}" (scores) needs two classes; column "{name}" has {len(classes)}: '
            f"{_listed(classes)}. Pass predicted classes with --predictions."
        )
    if task == "binary" and len(classes) > 2:
        raise BadInput(
            f'{file} column "{name}" has {len(classes)} classes: {_listed(classes)}; a binary task has two.'
        )
    limit = MAX_CLASSES if task_given or (column is not None and not column.numeric) else MAX_INFERRED_CLASSES
    if len(classes) > limit:
        raise BadInput(
            f"{file}: label and predictions have {len(classes):,} classes together; {limit} are the most. "
            "Pass --task to say what is predicted."
        )


def _score_meaning(
    file: str,
    score: ColumnScan | None,
    prediction: ColumnScan | None,
    threshold: float | None,
    notes: list[str],
) -> tuple[OutputKind, float | None]:
    """Output kind, and the threshold where decisions must come from the scores."""
    if score is None:
        return "label", None
    if not score.numeric:
        place, word = score.first_word or (0, "")
        raise BadInput(
            f'{file} column "{score.name}" (scores) has "{word[:40]}" in {data_row(place)}; '
            "scores are numbers."
        )
    if score.first_infinite is not None:
        raise BadInput(
            f'{file} column "{score.name}" (scores) is infinite in {data_row(score.first_infinite)}; '
            "scores are finite numbers."
        )
    output: OutputKind = "probability" if score.minimum >= 0 and score.maximum <= 1 else "score"
    if prediction is not None:
        if threshold is not None:
            notes.append(f'The threshold {threshold:g} was not used: column "{prediction.name}" decides.')
        return output, None
    if threshold is None:
        if output == "score":
            raise BadInput(
                f'{file} column "{score.name}" (scores) reaches from {score.minimum:g} to {score.maximum:g}, '
                "so 0.5 does not decide. Give --threshold, or predicted classes with --predictions."
            )
        threshold = 0.5
        notes.append(
            f'Scores in "{score.name}" of 0.5 and more count as favourable; --threshold changes that.'
        )
    return output, threshold


def _two_sided(favourable: str) -> list[str]:
    return [f"not {favourable}", favourable]


def _score_hint(column: ColumnScan, role: str) -> str:
    if role == "predictions" and column.numeric and not column.integral:
        return f" If they are scores, pass them with --scores {column.name}."
    return ""


def _listed(values: Iterable[str]) -> str:
    ordered = value_order(values)
    shown = ", ".join(f'"{value[:40]}"' for value in ordered[:6])
    return f"{shown}, … ({len(ordered):,} in all)" if len(ordered) > 6 else shown
