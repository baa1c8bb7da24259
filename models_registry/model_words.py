"""What is known of a model version besides its facts, in the words and shapes of its page: the verdict of the
gate, signature, claims of a card, corrections. What comes in was validated when it was stored."""

from __future__ import annotations

from typing import Any, NamedTuple

from pydantic import ValidationError

from assay.contracts import GateVerdict, InputColumn, ModelClaims, ModelSignature
from assay.report.formatting import significant
from models_registry.models import IntakeState, ModelVersion
from models_registry.signature_changes import FieldChange, signature_changes

__all__ = [
    "ClaimsSaid",
    "Correction",
    "GateSaid",
    "claims_said",
    "corrections_of",
    "gate_said",
    "signature_of",
]

_SHOWN_COLUMNS = 200
_SHOWN_CATEGORIES = 6
_SHOWN_CLASSES = 100
_ENCODINGS = {
    "standard": "standardised",
    "identity": "as it is",
    "one_hot": "one-hot",
    "code": "by code",
    "value": "the word itself",
}
_OUTPUTS = {
    "label": "label: the class itself",
    "probability": "probability: each row sums to 1",
    "logit": "logit: a softmax turns it into probabilities",
    "score": "score: one number a row",
}
_CLASSES = {
    "A": ("pass", "pass", "Class A", "Nothing in these files can run."),
    "B": (
        "warn",
        "warn",
        "Class B, cleaned",
        "What came in was opened once, in the sandbox; only what cleaning wrote from it is ever loaded.",
    ),
    "C": ("fail", "fail", "Class C", "Code: whoever opens it runs what its maker wrote."),
}
_REFUSED_B = (
    "It is opened only where the sandbox has all of its layers, and only what cleaning writes is loaded."
)


class GateSaid(NamedTuple):
    """The verdict by sign and word. The way out of a refusal stands in the refusal itself."""

    look: str
    mark: str
    word: str
    meaning: str
    came_as: str
    sha256: str
    cleaning: tuple[str, ...]
    findings: tuple[str, ...]


def gate_said(version: ModelVersion) -> GateSaid | None:
    """None where the gate said nothing: predictions, or files that are no model at all."""
    if not version.gate:
        return None
    found = GateVerdict.model_validate(version.gate)
    look, mark, word, meaning = _CLASSES[found.trust]
    if version.state == IntakeState.REFUSED:
        look, mark = "fail", "fail"
        word = f"Class {found.trust}, refused"
        meaning = _REFUSED_B if found.trust == "B" else meaning
    return GateSaid(look, mark, word, meaning, found.came_as, found.sha256, found.cleaning, found.findings)


class SignatureLine(NamedTuple):
    """One input column of a model."""

    name: str
    kind: str
    encoding: str
    scaling: str
    values: str
    more: str
    """All categories in the order of their codes, where not all are shown."""


class ClassLine(NamedTuple):
    place: int
    name: str
    role: str


class SignatureTable(NamedTuple):
    output: list[tuple[str, str]]
    classes: list[ClassLine]
    more_classes: int
    lines: list[SignatureLine]
    more: int
    """Columns beyond those shown."""


def signature_of(version: ModelVersion) -> SignatureTable | None:
    """What the model reads and what its output means."""
    if not version.signature:
        return None
    found = ModelSignature.model_validate(version.signature)
    output: list[tuple[str, str]] = [("Task", found.task), ("Output", _OUTPUTS[found.output])]
    if found.task == "binary":
        at = 0.5 if found.threshold is None else found.threshold
        usual = " (the usual one)" if found.threshold is None else ""
        output.append(("Threshold", f"{at:g}{usual}: from this score on “{found.classes[1]}” is decided"))
    if found.image is not None:
        image = found.image
        channels = f"{image.channels} channel{'' if image.channels == 1 else 's'}"
        output.append(("Pictures", f"{image.height} × {image.width} pixels, {channels}, values from 0 to 1"))
        scaled = f"(x − {_numbers(image.mean)}) / {_numbers(image.scale)}"
        output.append(("Scaling", "as they are" if scaled == "(x − 0) / 1" else scaled))
    if found.text is not None:
        output.append(("Texts", f"cut to {found.text.max_length:,} tokens"))
    classes = [ClassLine(place, name, _class_role(found, place)) for place, name in enumerate(found.classes)]
    lines = [_line(each) for each in found.columns[:_SHOWN_COLUMNS]]
    return SignatureTable(
        output,
        classes[:_SHOWN_CLASSES],
        max(0, len(classes) - _SHOWN_CLASSES),
        lines,
        max(0, len(found.columns) - _SHOWN_COLUMNS),
    )


class ClaimsSaid(NamedTuple):
    """What a card says, as terms, long texts and figures."""

    sources: str
    terms: list[tuple[str, str]]
    texts: list[tuple[str, str]]
    results: list[tuple[str, str, str, str]]


def claims_said(version: ModelVersion) -> ClaimsSaid | None:
    if not version.claims:
        return None
    try:
        found = ModelClaims.model_validate(version.claims)
    except ValidationError:  # of an older schema
        return None
    terms = [
        ("Title", found.title),
        ("Licence", found.licence),
        ("Languages", ", ".join(found.languages)),
        ("Task", found.task),
        ("Library", found.library),
        ("Made from", ", ".join(found.base_models)),
        ("Datasets", ", ".join(found.datasets)),
        ("Metrics", ", ".join(found.metrics)),
        ("Tags", ", ".join(found.tags)),
        ("MLflow flavours", ", ".join(found.flavours)),
        ("MLflow run", found.run_id),
        ("Logged at", found.logged_at),
        ("Inputs", "; ".join(found.inputs)),
        ("Outputs", "; ".join(found.outputs)),
        *((name, value) for name, value in found.metadata.items()),
    ]
    texts = [("Intended use", found.intended_use), ("Limitations", found.limitations)]
    return ClaimsSaid(
        " and ".join(found.sources),
        [(name, value) for name, value in terms if value],
        [(name, value) for name, value in texts if value],
        [(each.metric, each.value, each.dataset, each.task) for each in found.results],
    )


class Correction(NamedTuple):
    at: Any
    by: Any
    own: bool
    """Whether it went back to what the files say."""
    changes: list[FieldChange]
    more: int


def corrections_of(version: ModelVersion, most: int = 20, shown: int = 8) -> list[Correction]:
    """What people changed in the signature, newest first; one query."""
    found = []
    for each in version.corrections.select_related("by")[:most]:
        changes = signature_changes(each.before, each.after) if each.after is not None else []
        more = max(0, len(changes) - shown)
        found.append(Correction(each.at, each.by, each.after is None, changes[:shown], more))
    return found


def _class_role(signature: ModelSignature, place: int) -> str:
    name = signature.classes[place]
    if signature.task == "binary" and place == 1:
        return "counted as favourable" if signature.favourable in (None, name) else "counted"
    return "favourable" if signature.favourable == name else ""


def _line(column: InputColumn) -> SignatureLine:
    scaling = "–"
    if column.encoding == "standard":
        scaling = f"(x − {significant(column.mean, 6)}) / {significant(column.scale, 6)}"
    values, more = "–", ""
    if column.kind == "category":
        listed = column.categories[:_SHOWN_CATEGORIES]
        values = ", ".join(listed)
        if len(column.categories) > len(listed):
            values += f" and {len(column.categories) - len(listed):,} more"
            more = ", ".join(column.categories[:500])
    elif column.minimum is not None and column.maximum is not None:
        whole = ", whole numbers" if column.integer else ""
        span = f"{significant(column.minimum, 6)} to {significant(column.maximum, 6)}"
        values = f"{span} in training{whole}"
    elif column.integer:
        values = "whole numbers"
    return SignatureLine(column.name, column.kind, _ENCODINGS[column.encoding], scaling, values, more)


def _numbers(values: tuple[float, ...]) -> str:
    shown = ", ".join(f"{value:g}" for value in values)
    return shown if len(values) == 1 else f"({shown})"
