"""Forms of the registry. They check what a browser sends; the services check what it means."""

from __future__ import annotations

import math
import uuid
from typing import Any

from django import forms
from django.db.models import Max

from accounts.models import Organisation, User
from models_registry.bases import bases_of
from models_registry.description import DataDescription
from models_registry.models import AISystem, DatasetFile, DatasetVersion, IntakeState, Model, ModelVersion

__all__ = [
    "ROLE_FIELDS",
    "ContainerForm",
    "DatasetVersionForm",
    "Labelled",
    "ModelVersionForm",
    "PredictionsForm",
    "SystemForm",
    "WordsForm",
    "said_before",
]

_MOST_PARENTS = 500
"""Newest versions that a new one can be said to come from, on the page; the API takes any."""
ROLE_FIELDS = tuple(DatasetFile.Role.values)
_IDS = ("identifier", "attributes_id", "predictions_id", "predictions_time")


class Registering(forms.Form):
    """A form that makes one row, however often it is sent: the row's id travels with it."""

    required_css_class = "required"
    key = forms.UUIDField(widget=forms.HiddenInput, initial=uuid.uuid4, required=False)


class SystemForm(Registering):
    name = forms.CharField(max_length=120, help_text="As people here call it.")
    purpose = forms.CharField(
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What it decides or recommends, and what happens with that.",
    )
    owner = forms.ModelChoiceField(
        User.objects.none(), help_text="Who answers for it. Reports name this person."
    )
    affected_people = forms.CharField(
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Whose lives it touches, also those who never see it. Name groups that deserve care.",
    )
    hazards = forms.CharField(
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="What can go wrong for them when it errs, and how anybody would notice.",
    )
    act_role = forms.ChoiceField(
        label="Role under the EU AI Act",
        choices=AISystem.ActRole.choices,
        help_text="Provider: develops it and puts it on the market under its own name (Article 3(3)). "
        "Deployer: uses it under its authority (3(4)). Importer (3(6)) and distributor (3(7)) pass it on.",
    )
    risk_class = forms.ChoiceField(
        label="Risk class",
        choices=AISystem.RiskClass.choices,
        help_text="High-risk: Article 6, as in Annex III: credit scoring, recruitment, education, essential "
        "services. Limited: transparency duties of Article 50. Prohibited: Article 5.",
    )

    def __init__(self, *args: Any, organisation: Organisation, **more: Any) -> None:
        super().__init__(*args, **more)
        owner: Any = self.fields["owner"]
        owner.queryset = User.objects.filter(memberships__organisation=organisation).order_by("name", "email")


class ContainerForm(Registering):
    """A model or a dataset before it has any version."""

    name = forms.CharField(max_length=120)
    description = forms.CharField(required=False, max_length=20_000, widget=forms.Textarea(attrs={"rows": 3}))


class Labelled(Registering):
    label = forms.CharField(
        label="Your name for it", required=False, max_length=60, help_text='Such as "3.1" or "2025-03".'
    )


class ModelVersionForm(Labelled):
    uploaded = forms.CharField(widget=forms.HiddenInput, required=False)
    """Ids of uploads that are finished, comma-separated."""
    parent = forms.ModelChoiceField(
        ModelVersion.unscoped.none(),
        label="Made from",
        required=False,
        empty_label="No earlier version",
        help_text="The version that it was retrained or changed from.",
    )
    base = forms.ModelChoiceField(
        ModelVersion.unscoped.none(),
        label="Base of an adapter",
        required=False,
        empty_label="None: these files are a whole model",
        help_text="Only where the files are a LoRA adapter (adapter_config.json): the registered version of "
        "the whole model that it changes.",
    )
    notes = forms.CharField(required=False, max_length=20_000, widget=forms.Textarea(attrs={"rows": 2}))

    def __init__(self, *args: Any, model: Model, **more: Any) -> None:
        super().__init__(*args, **more)
        parent: Any = self.fields["parent"]
        newest = ModelVersion.unscoped.filter(model=model).aggregate(top=Max("number"))["top"] or 0
        parent.queryset = (
            ModelVersion.unscoped.filter(model=model, number__gt=newest - _MOST_PARENTS)
            .exclude(state=IntakeState.REFUSED)
            .select_related("model")
            .only(
                "pk", "number", "label", "organisation_id", "model", "model__name", "model__organisation_id"
            )
            .order_by("-number")
        )
        base: Any = self.fields["base"]
        base.label_from_instance = lambda version: f"{version.model.system} / {version}"
        base.queryset = (
            bases_of(model.organisation)
            .select_related("model__system")
            .only(
                *("pk", "number", "label", "organisation_id", "created_at", "model__name"),
                *("model__organisation_id", "model__system__name", "model__system__organisation_id"),
            )
        )


class PredictionsForm(Labelled):
    predictions = forms.CharField(
        label="Column of predicted classes", required=False, max_length=200, help_text="Or predicted numbers."
    )
    scores = forms.CharField(
        label="Column of scores",
        required=False,
        max_length=200,
        help_text="Scores or probabilities of the favourable class; they allow calibration and thresholds.",
    )
    threshold = forms.FloatField(
        required=False, help_text="Scores from here on count as favourable; 0.5 where nothing is said."
    )
    notes = forms.CharField(required=False, max_length=20_000, widget=forms.Textarea(attrs={"rows": 2}))

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not values.get("predictions") and not values.get("scores"):
            self.add_error("predictions", "Name the column of predicted classes, of scores, or both.")
        return values


def read_cuts(text: str) -> dict[str, tuple[float, ...]]:
    """Cut points of sensitive numbers, one column a line. Raises ValidationError."""
    found: dict[str, tuple[float, ...]] = {}
    for line in text.splitlines():
        name, colon, cuts = line.rpartition(":")
        if not line.strip():
            continue
        try:
            found[name.strip()] = points = tuple(float(cut) for cut in cuts.split(","))
        except ValueError:
            points = ()
        if not colon or not name.strip() or not points or not all(map(math.isfinite, points)):
            raise forms.ValidationError(f'"{line[:60]}" is not of the form "age: 25, 60".')
    return found


def _listed(text: str) -> tuple[str, ...]:
    """Comma-separated names, or one a line where names have commas in them."""
    parts = text.splitlines() if "\n" in text.strip() else text.split(",")
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _column(label: str, help_text: str = "") -> forms.CharField:
    return forms.CharField(
        label=label,
        required=False,
        max_length=200,
        help_text=help_text,
        widget=forms.TextInput(attrs={"list": "columns", "autocomplete": "off"}),
    )


class WordsForm(Labelled):
    """What the form of a new dataset version and the one that corrects its columns both ask."""

    favourable = forms.CharField(
        label="Favourable outcome",
        required=False,
        max_length=200,
        help_text="The value of the true outcome that the affected person would want, such as yes.",
    )
    bins = forms.CharField(
        label="Groups of numbers",
        required=False,
        max_length=2_000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="For sensitive columns that hold numbers, one a line: age: 25, 60",
    )
    disjoint = forms.BooleanField(
        label="I attest that no test row was used to train or choose a model",
        required=False,
        help_text="Your name stands beside it in reports. Leave it out where you do not know.",
    )

    def clean_bins(self) -> dict[str, tuple[float, ...]]:
        return read_cuts(self.cleaned_data["bins"])


class DatasetVersionForm(WordsForm):
    """Files are beside the form: `test`, `training`, ... in the request, or `uploaded_test`, ... here."""

    label_column = _column("True outcome", "The column with what really happened.")
    sensitive = forms.CharField(
        label="Sensitive columns",
        required=False,
        max_length=2_000,
        help_text="What people must not be treated differently by; commas between names.",
        widget=forms.TextInput(attrs={"list": "columns", "autocomplete": "off"}),
    )
    task = forms.ChoiceField(
        required=False,
        choices=(
            ("", "As the outcome says"),
            ("binary", "Two classes"),
            ("multiclass", "More classes"),
            ("regression", "A number"),
        ),
        help_text="What is predicted.",
    )
    roles_column = _column(
        "Column that splits the rows", "Its values train, tuning and test say which is which."
    )
    identifier = _column("Identifier", "A different value in each row; never a feature. Joins files by id.")
    attributes_id = _column("Id in the attributes", "Where that column is called otherwise there.")
    predictions_id = _column("Id in the log of predictions", "Where that column is called otherwise there.")
    predictions_time = _column("Time in the log of predictions", "Of an id's predictions the latest counts.")
    cluster = _column("Cluster", "Rows with the same value belong together, such as one person's.")
    text = _column("Text", "For text models: the column that they read.")
    header = forms.CharField(
        label="Column names, where the file has no header",
        required=False,
        max_length=20_000,
        help_text="In order, commas between them.",
    )
    missing = forms.CharField(
        label="What means missing",
        required=False,
        max_length=500,
        help_text="Such as ?, n/a. Empty cells and the usual words where nothing is said.",
    )
    allow_missing = forms.BooleanField(
        label="Set rows without a true outcome aside, and count them", required=False
    )
    origin = forms.CharField(
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Where the rows come from and how they were chosen.",
    )
    period = forms.CharField(required=False, max_length=200, help_text="Such as January to June 2025.")
    licence = forms.CharField(required=False, max_length=200)
    consent_basis = forms.CharField(
        label="Legal basis or consent",
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text="Why these rows may be used to test the system.",
    )
    uploaded_test = forms.CharField(widget=forms.HiddenInput, required=False)
    uploaded_training = forms.CharField(widget=forms.HiddenInput, required=False)
    uploaded_tuning = forms.CharField(widget=forms.HiddenInput, required=False)
    uploaded_asked = forms.CharField(widget=forms.HiddenInput, required=False)
    uploaded_attributes = forms.CharField(widget=forms.HiddenInput, required=False)
    uploaded_predictions = forms.CharField(widget=forms.HiddenInput, required=False)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if self.errors:
            return values
        label, sensitive = values["label_column"].strip(), _listed(values["sensitive"])
        if label in sensitive:
            self.add_error(
                "sensitive",
                f'"{label}" is the true outcome; name what people must not be treated differently by.',
            )
            return values
        one = {
            each: values[each].strip() or None
            for each in ("favourable", "roles_column", "cluster", "text", *_IDS)
        }
        try:
            values["description"] = DataDescription(
                label=label or None,
                sensitive=sensitive,
                task=values["task"] or None,
                header=_listed(values["header"]) or None,
                bins=values["bins"],
                missing=_listed(values["missing"]) or None,
                allow_missing=values["allow_missing"],
                **one,
            )
        except ValueError as error:
            self.add_error(None, str(error).splitlines()[-1])
        return values

    @property
    def columns_said(self) -> list[Any]:
        return [self[name] for name in ("label_column", "favourable", "sensitive", "bins")]

    @property
    def more_said(self) -> list[Any]:
        names = (
            "task",
            "roles_column",
            *_IDS,
            "cluster",
            "text",
            "header",
            "missing",
            "allow_missing",
        )
        return [self[name] for name in names]

    @property
    def datasheet(self) -> list[Any]:
        return [self[name] for name in ("origin", "period", "licence", "consent_basis", "disjoint")]


def said_before(version: DatasetVersion, person: User) -> dict[str, Any]:
    """What was said with a version, for a form that puts it right; an attestation only of the same person."""
    said = DataDescription.model_validate(version.description)
    cuts = (
        f"{name}: {', '.join(repr(cut).removesuffix('.0') for cut in found)}"
        for name, found in said.bins.items()
    )
    return {
        **{
            name: getattr(said, name) or ""
            for name in ("favourable", "task", "roles_column", "cluster", "text")
        },
        **{name: getattr(said, name) or "" for name in _IDS},
        **{name: ", ".join(getattr(said, name) or ()) for name in ("sensitive", "header", "missing")},
        "label_column": said.label or "",
        "bins": "\n".join(cuts),
        "allow_missing": said.allow_missing,
        **{
            name: getattr(version, name) for name in ("label", "origin", "period", "licence", "consent_basis")
        },
        "disjoint": version.disjoint and version.disjoint_by_id == person.pk,
    }
