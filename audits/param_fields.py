"""Form fields from a method's pydantic Params: one field each, with its range, help text and tier default.

What was typed is checked by the Params themselves (assay.planning.make_params does the same), so the form,
the API, the command line and the docs agree on every range.
"""

from __future__ import annotations

import json
import types
from collections.abc import Mapping, Sequence
from typing import Any, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from django import forms
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from assay.contracts import AuditMethod, Tier

__all__ = ["MethodParamsForm"]


class MethodParamsForm(forms.Form):
    """The parameters of one method; `changed` are those that differ from the tier's.

    Args:
        tier: whose defaults are shown, and count as not changed.
        values: what the run has that differs from the tier's.
    """

    def __init__(
        self,
        method: AuditMethod,
        tier: Tier,
        values: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(data=data, prefix=method.spec.id.replace(".", "_"))
        self.changed: dict[str, Any] = {}
        self._model = method.Params
        self._defaults = _plain({**_field_defaults(method), **method.Params.tier_defaults(tier)})
        shown = {**self._defaults, **_plain(values or {})}
        self._before = {name: value for name, value in shown.items() if value != self._defaults.get(name)}
        for name, info in method.Params.model_fields.items():
            field = _field(info)
            field.label = name.replace("_", " ").capitalize()
            field.initial = _as_text(shown.get(name))
            usual = _as_text(self._defaults.get(name))
            about = [(info.description or "").rstrip(), _range(info), f"Usual here: {usual or 'none'}."]
            field.help_text = " ".join(part for part in about if part)
            field.widget.attrs["autocomplete"] = "off"
            self.fields[name] = field

    @property
    def differs(self) -> bool:
        """Whether a shown value is not the tier's."""
        return any(
            _as_text(self.fields[name].initial) != _as_text(self._defaults.get(name)) for name in self.fields
        )

    @property
    def moved(self) -> bool:
        """Whether a valid form says something else than `values`."""
        return self.changed != self._before

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        given = {}
        for name, value in cleaned.items():
            if isinstance(value, str) and not value.strip():
                value = None
            if isinstance(self.fields[name], _ListField) and value is not None:
                value = _split(str(value))
            if value is None and not _optional(self._model.model_fields[name].annotation):
                if isinstance(self.fields[name], _ListField):
                    value = []
                else:
                    continue
            given[name] = value
        try:
            checked = self._model.model_validate({**self._defaults, **given})
        except ValidationError as error:
            for problem in error.errors():
                where = str(problem["loc"][0]) if problem["loc"] else ""
                message = f"{problem['msg'].removeprefix('Value error, ')}."
                self.add_error(where if where in self.fields else None, message)
            return cleaned
        found = checked.model_dump(mode="json")
        self.changed = {name: found[name] for name in given if found[name] != self._defaults.get(name)}
        return cleaned


class _ListField(forms.CharField):
    """Several values, separated by commas."""


def _field(info: FieldInfo) -> forms.Field:
    kind, optional = _kind(info.annotation), _optional(info.annotation)
    bounds = _bounds(info)
    attrs: dict[str, Any] = {}
    for name, key in (("ge", "min"), ("gt", "min"), ("le", "max"), ("lt", "max")):
        if name in bounds:
            attrs[key] = bounds[name]
    if kind is bool:
        return forms.BooleanField(required=False)
    if kind is int:
        return forms.IntegerField(required=False, widget=forms.NumberInput(attrs=attrs))
    if kind is float:
        return forms.FloatField(required=False, widget=forms.NumberInput(attrs={**attrs, "step": "any"}))
    if kind is tuple:
        return _ListField(required=False, max_length=2_000)
    choices = get_args(info.annotation) if kind is Ellipsis else ()
    if choices:
        return forms.ChoiceField(required=not optional, choices=[(c, str(c)) for c in choices])
    return forms.CharField(required=False, max_length=2_000)


def _kind(annotation: Any) -> Any:
    """bool, int, float, str, tuple; Ellipsis for a choice of literals."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _kind(next(a for a in get_args(annotation) if a is not type(None)))
    if origin is not None and str(origin) == "typing.Literal":
        return Ellipsis
    if hasattr(annotation, "__metadata__"):
        return _kind(get_args(annotation)[0])
    if origin in (tuple, list, Sequence):
        return tuple
    return annotation


def _optional(annotation: Any) -> bool:
    return get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation)


def _bounds(info: FieldInfo) -> dict[str, Any]:
    found: dict[str, Any] = {}
    parts = list(info.metadata)
    for inner in get_args(info.annotation):
        for part in getattr(inner, "__metadata__", ()):
            parts.extend(part.metadata if isinstance(part, FieldInfo) else [part])
    for part in parts:
        for kind, name in ((Ge, "ge"), (Gt, "gt"), (Le, "le"), (Lt, "lt")):
            if isinstance(part, kind):
                found[name] = getattr(part, name)
    return found


def _range(info: FieldInfo) -> str:
    bounds = _bounds(info)
    low = bounds.get("ge", bounds.get("gt"))
    high = bounds.get("le", bounds.get("lt"))
    each = "Separated by commas, each " if _kind(info.annotation) is tuple else ""
    if low is None and high is None:
        return "Separated by commas." if each else ""
    above = "more than " if "gt" in bounds else ""
    if low is None:
        text = f"at most {high:,}"
    elif high is None:
        text = f"{above}{low:,}" if above else f"at least {low:,}"
    else:
        text = f"{above}{low:,} to {high:,}"
    return f"{each}{text}." if each else f"{text[0].upper()}{text[1:]}."


def _field_defaults(method: AuditMethod) -> dict[str, Any]:
    return {
        name: info.get_default(call_default_factory=True) for name, info in method.Params.model_fields.items()
    }


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON would hold them, so that tuples and lists compare equal."""
    found: dict[str, Any] = json.loads(json.dumps(dict(values)))
    return found


def _as_text(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(part) for part in value)
    return value


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.replace(";", ",").split(",") if part.strip()]
