"""Forms made from a remedy's own parameters: ranges, help and defaults are the engine's."""

from __future__ import annotations

import types
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

import annotated_types
from django import forms
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from accounts.models import Organisation
from assay.contracts import Params, Remedy
from audits.models import Policy, Run
from remediations.choices import starting_params
from remediations.models import SensitiveRefusal

__all__ = ["RemedyForm", "SensitiveForm"]

_FIRST = ("epochs", "learning_rate", "batch_rows")
"""Shown before the remedy's own; the other shared ones are folded away."""
_MOST_SEED = 2**31 - 1


class RemedyForm(forms.Form):
    """Seed and the parameters of one remedy.

    `values()` has what is to be given to `start_remedy`; parameters that pydantic refuses are told at their
    field.
    """

    key = forms.UUIDField(widget=forms.HiddenInput, required=False)

    def __init__(self, remedy: Remedy, baseline: Run, data: Any = None) -> None:
        super().__init__(data, initial={"key": uuid.uuid4()}, label_suffix="")
        self._remedy = remedy
        columns = _columns(baseline)
        start = starting_params(remedy, baseline)
        for name, field in remedy.Params.model_fields.items():
            made = _field(name, field, columns)
            default = start.get(name, field.get_default(call_default_factory=True))
            if default is not PydanticUndefined:
                made.initial = list(default) if isinstance(default, tuple) else default
            if default == {}:
                made.initial = None  # an empty field, not a pair of braces
            self.fields[name] = made
        self.fields["seed"] = forms.IntegerField(
            min_value=0,
            max_value=_MOST_SEED,
            initial=baseline.seed if 0 <= baseline.seed <= _MOST_SEED else 0,
            help_text="The same seed makes the same model.",
        )

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if self.errors:
            return found
        try:
            self._remedy.Params.model_validate(self.params())
        except ValidationError as error:
            for item in error.errors():
                name = str(item["loc"][0]) if item["loc"] else None
                self.add_error(name if name in self.fields else None, f"{item['msg']}.")
        return found

    def params(self) -> dict[str, Any]:
        """The remedy's parameters of a valid form."""
        found: dict[str, Any] = {}
        for name in self._remedy.Params.model_fields:
            value = self.cleaned_data.get(name)
            found[name] = None if value == "" else value
            if value is None and isinstance(self.fields[name], forms.JSONField):
                found[name] = {}
        return found

    def parts(self) -> tuple[list[Any], list[Any]]:
        """Fields to be shown at once, and those that are folded away unless one of them is wrong."""
        shared = _shared(self._remedy.Params)
        own = [name for name in self._remedy.Params.model_fields if name not in shared]
        first = [name for name in (*_FIRST, *own) if name in self.fields]
        first = [*dict.fromkeys(first), "seed"]
        rest = [name for name in self._remedy.Params.model_fields if name not in first]
        return [_laid_out(self[name]) for name in first], [_laid_out(self[name]) for name in rest]

    @property
    def folded_wrong(self) -> bool:
        return any(field.errors for field, _shape in self.parts()[1])


class SensitiveForm(forms.Form):
    """Where models that read sensitive columns when they decide are refused."""

    everywhere = forms.BooleanField(required=False, label="Refuse in all audits of the organisation")
    policies = forms.ModelMultipleChoiceField(
        queryset=Policy.unscoped.none(),
        required=False,
        label="Refuse in audits under",
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, organisation: Organisation, data: Any = None) -> None:
        rows = list(SensitiveRefusal.objects.of(organisation).values_list("policy_id", flat=True))
        initial = {"everywhere": None in rows, "policies": [key for key in rows if key is not None]}
        super().__init__(data, initial=initial, label_suffix="")
        field = self.fields["policies"]
        assert isinstance(field, forms.ModelMultipleChoiceField)
        field.queryset = Policy.objects.of(organisation).filter(archived_at=None).order_by("name")


def _laid_out(field: Any) -> tuple[Any, str]:
    widget = field.field.widget
    if isinstance(widget, forms.CheckboxSelectMultiple | forms.RadioSelect):
        return field, "boxes"
    return field, "box" if isinstance(widget, forms.CheckboxInput) else "line"


def _shared(params: type[Params]) -> set[str]:
    """Names that the class has from its parents."""
    return {name for parent in params.__mro__[1:] for name in getattr(parent, "model_fields", {})}


def _columns(baseline: Run) -> Mapping[str, Sequence[str]]:
    """What parameters that name columns can name."""
    profile = baseline.subject.profile or {}
    roles = profile.get("roles", {})
    training: Mapping[str, Any] = next(
        (d for d in profile.get("datasets", ()) if d["role"] == "training"), {}
    )
    learnt = [column["name"] for column in training.get("columns", ())]
    taken = {roles.get("label"), *roles.get("sensitive", ())}
    return {
        "reweigh": list(roles.get("sensitive", ())),
        "ignore": [name for name in learnt if name not in taken],
    }


def _field(name: str, field: FieldInfo, columns: Mapping[str, Sequence[str]]) -> forms.Field:
    """The form's field for a pydantic field."""
    inner, bounds, optional = _unwrapped(field)
    common: dict[str, Any] = {
        "label": name.replace("_", " ").capitalize(),
        "required": not optional and inner is not bool,
        "help_text": " ".join(part for part in (field.description or "", _range(bounds)) if part),
    }
    limits: dict[str, Any] = {
        "min_value": next((b.ge for b in bounds if isinstance(b, annotated_types.Ge)), None),
        "max_value": next((b.le for b in bounds if isinstance(b, annotated_types.Le)), None),
    }
    if inner is bool:
        return forms.BooleanField(**common)
    if inner is int:
        return forms.IntegerField(**common, **limits)
    if inner is float:
        widget = forms.NumberInput(attrs={"step": "any"})
        return forms.FloatField(**common, **limits, widget=widget)
    if get_origin(inner) is Literal:
        choices = [(value, str(value)) for value in get_args(inner)]
        return forms.ChoiceField(**common, choices=[*([("", "Not set")] if optional else []), *choices])
    if inner is str:
        return forms.CharField(**common, max_length=1_000)
    if get_origin(inner) is tuple:
        common["required"] = False
        there = columns.get(name, ())
        return forms.MultipleChoiceField(
            **common, choices=[(c, c) for c in there], widget=forms.CheckboxSelectMultiple
        )
    common["required"] = False
    common["help_text"] += ' As JSON: {"hidden": [64, 32]}.'
    return forms.JSONField(**common, widget=forms.Textarea(attrs={"rows": 2}))


def _unwrapped(field: FieldInfo) -> tuple[Any, list[Any], bool]:
    """The plain type, its bounds, and whether it may be null."""
    kind: Any = field.annotation
    bounds, optional = list(field.metadata), False
    if get_origin(kind) in (Union, types.UnionType):
        optional = type(None) in get_args(kind)
        (kind,) = [part for part in get_args(kind) if part is not type(None)]
    if hasattr(kind, "__metadata__"):
        for item in kind.__metadata__:
            bounds += item.metadata if isinstance(item, FieldInfo) else [item]
        kind = get_args(kind)[0]
    return kind, bounds, optional


def _range(bounds: Sequence[Any]) -> str:
    """ "1 to 10,000.", "Above 0, at most 10." """
    low = next((b for b in bounds if isinstance(b, annotated_types.Ge | annotated_types.Gt)), None)
    high = next((b for b in bounds if isinstance(b, annotated_types.Le | annotated_types.Lt)), None)
    if isinstance(low, annotated_types.Ge) and isinstance(high, annotated_types.Le):
        return f"{low.ge:,} to {high.le:,}."
    words = []
    if low is not None:
        words.append(f"at least {low.ge:,}" if isinstance(low, annotated_types.Ge) else f"above {low.gt:,}")
    if high is not None:
        words.append(f"at most {high.le:,}" if isinstance(high, annotated_types.Le) else f"below {high.lt:,}")
    text = ", ".join(words)
    return f"{text[:1].upper()}{text[1:]}." if text else ""
