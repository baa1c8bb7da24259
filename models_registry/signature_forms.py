"""The form that corrects a signature: a row of fields a column, errors beside the field they are about."""

from __future__ import annotations

from typing import Any, NamedTuple

from django import forms
from django.forms import BoundField

from assay.contracts import InputColumn, ModelSignature
from assay.datasets.values import canonical_number
from models_registry.forms import Registering
from models_registry.signature_checks import problems_of

__all__ = ["MOST_COLUMNS", "SignatureForm"]

MOST_COLUMNS = 80
"""Columns that the form shows; wider tables are corrected as JSON. (Django takes 1,000 fields a form.)"""
_TASKS = (
    ("binary", "Two classes"),
    ("multiclass", "More classes"),
    ("multilabel", "Several labels at once"),
    ("regression", "A number"),
    ("ranking", "A ranking"),
    ("anomaly", "An anomaly score"),
    ("generation", "Text"),
)
_OUTPUTS = (
    ("probability", "Probabilities: each row sums to 1"),
    ("logit", "Logits: a softmax turns them into probabilities"),
    ("score", "One number a row"),
    ("label", "The class itself"),
)
_KINDS = (("number", "number"), ("category", "category"))
_ENCODINGS = (
    ("standard", "(x − mean) / scale"),
    ("identity", "as it is"),
    ("one_hot", "one-hot"),
    ("code", "code (place in the list)"),
    ("value", "the word itself"),
)
_COLUMN = ("name", "kind", "encoding", "mean", "scale", "categories", "minimum", "maximum", "integer")
_LINES = {"classes", "categories"}


class ColumnFields(NamedTuple):
    """The fields of one column, as a row of the page."""

    title: str
    fields: dict[str, BoundField]


class SignatureForm(Registering):
    """`signature` is the one in force; what is posted is a whole new one."""

    task = forms.ChoiceField(label="What it does", choices=_TASKS)
    output = forms.ChoiceField(label="What comes out", choices=_OUTPUTS)
    classes = forms.CharField(
        required=False,
        max_length=200_000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="One a line, in the order of the outputs. Of two, the second is the one that is counted.",
    )
    favourable = forms.CharField(
        label="Favourable class",
        required=False,
        max_length=20_000,
        strip=False,
        help_text="What the affected person would want. Of two classes, the second.",
    )
    threshold = forms.FloatField(
        required=False, help_text="Two classes: from this score on the second one is decided; 0.5 if empty."
    )

    def __init__(self, data: Any = None, *, signature: ModelSignature) -> None:
        self.signature = signature
        super().__init__(data)
        self.initial = _initial(signature)
        if signature.image is not None:
            for name in ("channels", "height", "width"):
                self.fields[f"image_{name}"] = forms.IntegerField(label=name.title(), min_value=1)
            for name in ("mean", "scale"):
                self.fields[f"image_{name}"] = forms.CharField(
                    label=name.title(), max_length=500, help_text="One value, or one a channel with commas."
                )
        if signature.text is not None:
            self.fields["text_max_length"] = forms.IntegerField(
                label="Longest text", min_value=1, help_text="Tokens; what is longer is cut."
            )
        for place in range(len(signature.columns)):
            self._add_column(place)

    @property
    def columns(self) -> list[ColumnFields]:
        return [
            ColumnFields(column.name, {name: self[f"c{place}_{name}"] for name in _COLUMN})
            for place, column in enumerate(self.signature.columns)
        ]

    @property
    def outputs(self) -> list[BoundField]:
        return [self[name] for name in ("task", "output", "classes", "favourable", "threshold")]

    @property
    def inputs(self) -> list[BoundField]:
        return [self[name] for name in self.fields if name.startswith(("image_", "text_"))]

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if self.errors:
            return values
        said = self._said(values)
        for problem in problems_of(said):
            self.add_error(self._field_of(problem.field), problem.words)
        if not self.errors:
            values["signature"] = ModelSignature.model_validate(said)
        return values

    def _add_column(self, place: int) -> None:
        made: dict[str, forms.Field] = {
            "name": forms.CharField(max_length=20_000, strip=False),
            "kind": forms.ChoiceField(choices=_KINDS),
            "encoding": forms.ChoiceField(choices=_ENCODINGS),
            "mean": forms.FloatField(required=False),
            "scale": forms.FloatField(required=False),
            "categories": forms.CharField(
                label="values",
                required=False,
                max_length=400_000,
                strip=False,
                widget=forms.Textarea(attrs={"rows": 1, "cols": 12}),
            ),
            "minimum": forms.FloatField(required=False),
            "maximum": forms.FloatField(required=False),
            "integer": forms.BooleanField(label="whole", required=False),
        }
        for name, field in made.items():
            said = field.label or name
            field.widget.attrs["aria-label"] = f"Column {place + 1}: {said}"
            self.fields[f"c{place}_{name}"] = field

    def _said(self, values: dict[str, Any]) -> dict[str, Any]:
        classes, favourable = _lines(values["classes"]), values["favourable"]
        said: dict[str, Any] = {
            "task": values["task"],
            "output": values["output"],
            "classes": classes,
            "favourable": favourable if favourable in classes else favourable.strip() or None,
            "threshold": values["threshold"],
        }
        if self.signature.image is not None:
            image = {name: values[f"image_{name}"] for name in ("channels", "height", "width")}
            said["image"] = image | {name: _numbers(values[f"image_{name}"]) for name in ("mean", "scale")}
        if self.signature.text is not None:
            said["text"] = {"max_length": values["text_max_length"]}
        if self.signature.columns:
            said["columns"] = [self._column(values, place) for place in range(len(self.signature.columns))]
        return said

    def _column(self, values: dict[str, Any], place: int) -> dict[str, Any]:
        found = {name: values[f"c{place}_{name}"] for name in _COLUMN}
        found["categories"] = _lines(found["categories"])
        for name, usual in (("mean", 0.0), ("scale", 1.0)):
            found[name] = usual if found[name] is None else found[name]
        return found

    def _field_of(self, path: str) -> str | None:
        """The form's field for a path of the signature."""
        parts = path.split(".")
        if parts[0] == "columns" and len(parts) > 1:
            name = f"c{parts[1]}_{parts[2] if len(parts) > 2 else 'kind'}"
        elif parts[0] in ("image", "text") and len(parts) > 1:
            name = f"{parts[0]}_{parts[1]}"
        else:
            name = parts[0]
        return name if name in self.fields else None


def _initial(signature: ModelSignature) -> dict[str, Any]:
    found: dict[str, Any] = {
        "task": signature.task,
        "output": signature.output,
        "classes": "\n".join(signature.classes),
        "favourable": signature.favourable or "",
        "threshold": signature.threshold,
    }
    if signature.image is not None:
        for name in ("channels", "height", "width"):
            found[f"image_{name}"] = getattr(signature.image, name)
        for name in ("mean", "scale"):
            found[f"image_{name}"] = ", ".join(map(canonical_number, getattr(signature.image, name)))
    if signature.text is not None:
        found["text_max_length"] = signature.text.max_length
    for place, column in enumerate(signature.columns):
        found |= {f"c{place}_{name}": _shown(column, name) for name in _COLUMN}
    return found


def _shown(column: InputColumn, name: str) -> Any:
    value = getattr(column, name)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return int(value)  # 1500 rather than 1500.0: the same number when it comes back
    return "\n".join(value) if name in _LINES else value


def _lines(text: str) -> list[str]:
    """One name a line; blanks around a name are part of it."""
    return [line for line in text.replace("\r\n", "\n").split("\n") if line]


def _numbers(text: str) -> list[Any]:
    return [part.strip() for part in text.split(",")]
