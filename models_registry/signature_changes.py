"""What differs between two signatures, field by field, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from assay.contracts import InputColumn, ModelSignature

__all__ = ["FieldChange", "signature_changes"]

_NONE = "none"
_SHOWN = 20
_COLUMN = (
    ("kind", "kind"),
    ("encoding", "encoding"),
    ("mean", "mean"),
    ("scale", "scale"),
    ("categories", "categories"),
    ("minimum", "smallest value"),
    ("maximum", "largest value"),
    ("integer", "whole numbers only"),
)


class FieldChange(NamedTuple):
    """One field that differs."""

    field: str
    before: str
    after: str


def signature_changes(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[FieldChange]:
    """Fields that differ between two stored ModelSignatures; None is "no signature"."""
    old, new = _read(before), _read(after)
    if old is None or new is None:
        if old is new:
            return []
        return [FieldChange("signature", "given" if old else "none given", "given" if new else "none given")]
    found = [
        FieldChange(name, _word(left), _word(right))
        for name, left, right in (
            ("task", old.task, new.task),
            ("output", old.output, new.output),
            ("classes, in order", old.classes, new.classes),
            ("favourable", old.favourable, new.favourable),
            ("threshold", old.threshold, new.threshold),
            ("pictures", _image(old), _image(new)),
            ("longest text, in tokens", old.text and old.text.max_length, new.text and new.text.max_length),
        )
        if left != right
    ]
    return found + _columns(old.columns, new.columns)


def _columns(old: tuple[InputColumn, ...], new: tuple[InputColumn, ...]) -> list[FieldChange]:
    left, right = ({column.name: column for column in columns} for columns in (old, new))
    found = [FieldChange(f'column "{name}"', "read", "not read") for name in left if name not in right]
    found += [FieldChange(f'column "{name}"', "not read", "read") for name in right if name not in left]
    for name in left:
        if name in right:
            found += [
                FieldChange(
                    f'column "{name}": {word}',
                    _word(getattr(left[name], field)),
                    _word(getattr(right[name], field)),
                )
                for field, word in _COLUMN
                if getattr(left[name], field) != getattr(right[name], field)
            ]
    if left.keys() == right.keys() and list(left) != list(right):
        found.append(FieldChange("order of columns", _word(tuple(left)), _word(tuple(right))))
    return found


def _image(signature: ModelSignature) -> str | None:
    image = signature.image
    if image is None:
        return None
    means, scales = _word(image.mean), _word(image.scale)
    return f"{image.channels} × {image.height} × {image.width}, mean {means}, scale {scales}"


def _word(value: Any) -> str:
    if value is None or value == ():
        return _NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, tuple):
        more = f" and {len(value) - _SHOWN:,} more" if len(value) > _SHOWN else ""
        return ", ".join(_word(each) for each in value[:_SHOWN]) + more
    return str(value)


def _read(said: Mapping[str, Any] | None) -> ModelSignature | None:
    if said is None:
        return None
    try:
        return ModelSignature.model_validate(said)
    except ValidationError:  # of an older schema
        return None
