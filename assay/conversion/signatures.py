"""What a converted model reads and answers, from a data file, where its own file does not say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from assay.contracts import ColumnSummary, DataRequest, FileRequest, ImageInput, InputColumn, ModelSignature
from assay.conversion.request import ConvertRequest
from assay.datasets.values import canonical_number
from assay.errors import BadInput

__all__ = ["columns_of", "from_request", "with_data"]


def columns_of(data: Path, label: str | None, scratch: Path) -> dict[str, ColumnSummary]:
    """Name -> what a table's column holds, read by the intake that audits use."""
    from assay.intake.describe import describe_data

    report = describe_data(DataRequest(test=FileRequest(path=str(data)), label=label), scratch)
    found = {column.name: column for column in report.datasets[0].columns}
    if label is not None and label not in found:
        raise BadInput(f'{data.name} has no column "{label}" (--label); it has {", ".join(list(found)[:8])}.')
    return found


def from_request(request: ConvertRequest, outputs: int, scratch: Path) -> tuple[ModelSignature, list[str]]:
    """A network's signature: as given, or of plain numbers (--data) or pixels (--shape).

    Raises BadInput: nothing tells what the network reads.
    """
    if request.signature is not None:
        return request.signature, []
    told: dict[str, Any] = {"output": "logit"}
    notes = []
    if request.data is not None:
        columns = columns_of(request.data, request.label, scratch)
        told["columns"] = [_number(columns[name]) for name in columns if name != request.label]
        classes = _classes(columns.get(request.label or ""), outputs)
        notes.append(f"Its columns are those of {request.data.name}, in that order, as plain numbers.")
    elif request.shape is not None and len(request.shape) == 3:
        channels, height, width = request.shape
        told["image"] = ImageInput(channels=channels, height=height, width=width)
        classes = tuple(str(place) for place in range(outputs))
        notes.append(
            "Its images are pixels in [0, 1], neither centred nor scaled; correct signature.json if not."
        )
    elif request.shape is not None and len(request.shape) == 1:
        told["columns"] = [
            InputColumn(name=f"f{place}", kind="number", encoding="identity")
            for place in range(request.shape[0])
        ]
        classes = tuple(str(place) for place in range(outputs))
        notes.append("Its columns are called f0, f1, …; correct signature.json to the names in your data.")
    else:
        raise BadInput(
            "Nothing tells what this network reads: give --data FILE --label COL (plain numbers), --shape "
            "3x32x32 "
            "(images) or --signature FILE (docs/models.md)."
        )
    if outputs == 1:
        told.update(task="regression", output="score")
        notes.append("It has one output and is taken for a regression.")
    else:
        told.update(task="binary" if outputs == 2 else "multiclass", classes=classes)
        if request.favourable is not None:
            told["favourable"] = request.favourable
        notes.append(
            "Its outputs are taken for logits; correct signature.json if a softmax is in the network."
        )
    return ModelSignature.model_validate(told), notes


def with_data(
    signature: ModelSignature, request: ConvertRequest, scratch: Path
) -> tuple[ModelSignature, list[str]]:
    """The signature with the ranges that its columns have in --data, and with the favourable class; and what
    an audit would have to say of the label."""
    update: dict[str, Any] = {}
    notes: list[str] = []
    if request.favourable is not None:
        if request.favourable not in signature.classes:
            raise BadInput(
                f'"{request.favourable}" (--favourable) is none of its classes: '
                f"{', '.join(signature.classes)}."
            )
        update["favourable"] = request.favourable
    if request.data is not None and signature.columns:
        columns = columns_of(request.data, request.label, scratch)
        lacking = [column.name for column in signature.columns if column.name not in columns]
        if lacking:
            raise BadInput(f'{request.data.name} has no column "{lacking[0]}", which the model reads.')
        update["columns"] = tuple(_ranged(column, columns[column.name]) for column in signature.columns)
        if request.label is not None and signature.classes:
            notes = _other_words(request.data.name, columns[request.label], signature.classes)
    return signature.model_copy(update=update), notes


def _other_words(file: str, label: ColumnSummary, classes: tuple[str, ...]) -> list[str]:
    """A sentence where the label has words that are none of the model's classes, which an audit refuses."""
    words = label.categories
    if (
        label.kind == "number"
        and label.distinct == 2
        and label.minimum is not None
        and label.maximum is not None
    ):
        words = (canonical_number(label.minimum), canonical_number(label.maximum))
    if all(word in classes or word.lower() in classes for word in words):
        return []
    told = (
        f'Column "{label.name}" of {file} says {_listed(words)}, and the model\'s classes are '
        f"{_listed(classes)}: an audit refuses words that are none of these."
    )
    if len(words) != len(classes):
        return [f"{told} Name the classes by the label's words in signature.json, in the model's order."]
    pairs = ", ".join(f'{number} means "{word}"' for number, word in zip(classes, words, strict=True))
    named = ", ".join(f'"{word}"' for word in words)
    return [f'{told} If {pairs}: write "classes": [{named}] into signature.json.']


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:6]) + (f", … ({len(words)} in all)" if len(words) > 6 else "")


def _number(column: ColumnSummary) -> InputColumn:
    if column.kind != "number":
        raise BadInput(
            f'Column "{column.name}" holds words, and how the network reads them is not known: write a '
            "signature.json with its encoding (docs/models.md) and pass --signature."
        )
    return _ranged(InputColumn(name=column.name, kind="number", encoding="identity"), column)


def _ranged(column: InputColumn, found: ColumnSummary) -> InputColumn:
    if column.kind != "number" or found.kind != "number":
        return column
    return column.model_copy(update={"minimum": found.minimum, "maximum": found.maximum})


def _classes(label: ColumnSummary | None, outputs: int) -> tuple[str, ...]:
    """Names of the outputs: the label's values, sorted as scikit-learn's LabelEncoder sorts them."""
    names: Sequence[str] = sorted(label.categories) if label is not None else ()
    return tuple(names) if len(names) == outputs else tuple(str(place) for place in range(outputs))
