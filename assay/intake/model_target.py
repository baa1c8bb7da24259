"""What is predicted when a model is audited: its own classes, to which labels must keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from assay.contracts import DataRequest, ModelSignature, OutputKind, Signature
from assay.datasets.values import canonical_value, canonical_values, same_values
from assay.errors import BadInput
from assay.intake.cells import data_row
from assay.intake.limits import MAX_OUTPUTS
from assay.intake.roles import ColumnRoles
from assay.intake.scan import ColumnScan
from assay.intake.target import Target

__all__ = ["decide_model_target"]


def decide_model_target(
    file: str,
    request: DataRequest,
    roles: ColumnRoles,
    scans: Mapping[str, ColumnScan],
    other_labels: Iterable[str],
    signature: ModelSignature,
) -> Target:
    """The profile's signature for an audit of a model.

    Raises:
        BadInput: a column that the model reads is missing from the file, a label that is none of the model's
            classes, a favourable class that the model does not count, a task that it is not for.
    """
    _columns_are_there(file, roles, scans, signature)
    if signature.task == "generation":
        return Target(Signature(task="generation", output="score"), {}, {}, ())
    if request.task is not None and request.task != signature.task:
        raise BadInput(f"--task {request.task} was given, but the model is {signature.task}.")
    label = scans[roles.label] if roles.label is not None else None
    if signature.task == "regression":
        if label is not None and (not label.numeric or label.first_infinite is not None):
            place = (label.first_word or (label.first_infinite or 0, ""))[0]
            raise BadInput(
                f'{file} column "{label.name}" (label) is no finite number in {data_row(place)}; the model '
                "predicts numbers."
            )
        return Target(Signature(task="regression", output="score"), {}, {}, ())
    if len(signature.classes) > MAX_OUTPUTS:
        raise BadInput(
            f"The model's signature names {len(signature.classes):,} classes; at most {MAX_OUTPUTS:,} are "
            "audited. Audit its predictions on the classes that matter (--predictions)."
        )
    favourable = request.favourable or signature.favourable
    if signature.task == "binary":
        favourable = _counted(request.favourable, signature)
    elif favourable is not None:
        asked, favourable = favourable, _spelt(favourable, signature)
        if favourable is None:
            raise BadInput(f'The favourable class "{asked}" is none of the model\'s: {_listed(signature)}.')
    label_map = _known(file, label, "label", signature)
    prediction = scans[roles.prediction] if roles.prediction is not None else None
    score = scans[roles.score] if roles.score is not None else None
    others = _mapped(canonical_values(other_labels), signature)
    notes: list[str] = []
    output, threshold = _supplied(file, score, prediction, signature, notes)
    found = Signature(
        task=signature.task,
        output=output,
        classes=signature.classes,
        favourable=favourable,
        threshold=threshold,
    )
    kept = {raw: value for raw, value in others.items() if value is not None}
    return Target(
        found, {**kept, **label_map}, _known(file, prediction, "predictions", signature), tuple(notes)
    )


def _columns_are_there(
    file: str, roles: ColumnRoles, scans: Mapping[str, ColumnScan], signature: ModelSignature
) -> None:
    from assay.intake.column_names import missing_column

    for column in signature.columns:
        if column.name not in scans:
            raise missing_column(
                file, column.name, "read by the model; a signature may name its inputs otherwise", list(scans)
            )
        scan = scans[column.name]
        if column.kind == "number" and scan.present and not scan.numeric:
            place, word = scan.first_word or (0, "")
            raise BadInput(
                f'{file} column "{column.name}" has "{word[:40]}" in {data_row(place)}; the model reads '
                "numbers there. Name words that mean missing with --missing."
            )
        if column.name == roles.label:
            raise BadInput(
                f'The model reads column "{column.name}", which is the label; it would be told the answer.'
            )


def _counted(asked: str | None, signature: ModelSignature) -> str:
    """Class 1 of a binary model."""
    counted = signature.classes[1]
    if asked is not None and _spelt(asked, signature) != counted:
        raise BadInput(
            f'--favourable "{asked}" is not what this model scores; its class 1 is "{counted}" of '
            f"{_listed(signature)}. Leave --favourable out, or change the order in signature.json."
        )
    return counted


def _known(file: str, column: ColumnScan | None, role: str, signature: ModelSignature) -> dict[str, str]:
    """Raw spelling -> class of the model. Raises BadInput for a value that is none."""
    if column is None:
        return {}
    if column.values is None:
        raise BadInput(
            f'{file} column "{column.name}" ({role}) has too many different values to be classes; the '
            f"model's are {_listed(signature)}."
        )
    found = _mapped(canonical_values(column.values), signature)
    foreign = [raw for raw, value in found.items() if value is None]
    if foreign:
        raise BadInput(
            f'{file} column "{column.name}" ({role}) has "{foreign[0][:40]}", which is none of the model\'s '
            f"classes: {_listed(signature)}. Rename the values, or the classes with --signature."
        )
    return {raw: value for raw, value in found.items() if value is not None}


def _mapped(values: Mapping[str, str], signature: ModelSignature) -> dict[str, str | None]:
    same = same_values(signature.classes)
    return {raw: _class_of(value, signature, same) for raw, value in values.items()}


def _spelt(value: str, signature: ModelSignature) -> str | None:
    return _class_of(value, signature, same_values(signature.classes))


def _class_of(value: str, signature: ModelSignature, same: Mapping[str, str]) -> str | None:
    """The class that `value` spells: exactly, by value ("1" is "1.0", "false" is "False"), in lower case."""
    if value in signature.classes:
        return value
    found = same.get(canonical_value(value))
    return value.lower() if found is None and value.lower() in signature.classes else found


def _supplied(
    file: str,
    score: ColumnScan | None,
    prediction: ColumnScan | None,
    signature: ModelSignature,
    notes: list[str],
) -> tuple[OutputKind, float | None]:
    """Output kind and threshold of predictions that came as a file beside the model."""
    if score is None and prediction is None:
        probability = signature.task == "binary" and signature.output in ("logit", "probability")
        plain = signature.task == "binary" and signature.output == "score"
        return ("probability" if probability else "score" if plain else "label"), None
    if score is None:
        return "label", None
    if not score.numeric or score.first_infinite is not None:
        raise BadInput(f'{file} column "{score.name}" (scores) must hold finite numbers.')
    notes.append(
        f'Performance and fairness are those of the scores in "{score.name}", which came with the file; the '
        "model itself was asked for the rest."
    )
    inside = score.minimum >= 0 and score.maximum <= 1
    threshold = signature.threshold if signature.threshold is not None else 0.5
    return ("probability" if inside else "score"), None if prediction is not None else threshold


def _listed(signature: ModelSignature) -> str:
    shown = ", ".join(f'"{name[:40]}"' for name in signature.classes[:6])
    return f"{shown}, … ({len(signature.classes)} in all)" if len(signature.classes) > 6 else shown
