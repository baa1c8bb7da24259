"""What people type: replies, submissions, decisions, stages, attestations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms

from audits.models import Finding
from compliance.checklist import Item
from compliance.frameworks import frameworks
from compliance.words import MOST
from models_registry.models import Stage

__all__ = [
    "AttestationForm",
    "DecisionForm",
    "ReasonForm",
    "ReplyForm",
    "StageForm",
    "SubmitForm",
]


class DateInput(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


def _text(label: str, *, required: bool = True, help_text: str = "", rows: int = 3) -> forms.CharField:
    area = forms.Textarea({"rows": rows})
    return forms.CharField(label=label, required=required, help_text=help_text, max_length=MOST, widget=area)


class ReplyForm(forms.Form):
    """Management's reply to one finding."""

    text = _text("Reply", help_text="What you make of it, in words a reviewer can rely on.")
    action = _text("Action", required=False, help_text="What will be done, if anything.", rows=2)
    due = forms.DateField(label="Due", required=False, widget=DateInput())

    def __init__(self, finding: Finding, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("prefix", f"f{finding.number}")
        super().__init__(*args, **kwargs)
        self.finding = finding


class SubmitForm(forms.Form):
    """The request for a decision."""

    purpose_stage = forms.ChoiceField(
        label="Asked for",
        choices=(
            (Stage.APPROVED, "Approval: the version may be used further"),
            (Stage.DEPLOYED, "Approval for deployment"),
        ),
        widget=forms.RadioSelect,
        initial=Stage.APPROVED,
    )
    message = _text(
        "Message to the reviewers", required=False, help_text="What changed, and what to look at first."
    )


class DecisionForm(forms.Form):
    """The reviewer's decision."""

    outcome = forms.ChoiceField(
        label="Decision",
        choices=(
            ("approved", "Approve"),
            ("changes", "Ask for changes"),
            ("rejected", "Reject"),
        ),
        widget=forms.RadioSelect,
        error_messages={"required": "Choose a decision."},
    )
    reason = _text("Reason, printed in the report", rows=4)
    conditions = _text("Conditions of the approval", required=False, rows=2)
    valid_until = forms.DateField(label="Approval valid until", required=False, widget=DateInput())
    done = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)
    revision = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, items: Sequence[Item], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.items = items
        self.fields["done"].choices = [(item.key, item.text) for item in items]  # type: ignore[attr-defined]

    @property
    def ticked(self) -> set[str]:
        """Keys of the checklist that are ticked now."""
        return set(self["done"].value() or ())

    def checklist(self) -> list[dict[str, Any]]:
        return [{"text": i.text, "done": i.key in self.cleaned_data["done"]} for i in self.items]


class ReasonForm(forms.Form):
    """A reason, for what cannot be undone."""

    reason = _text("Reason")


class StageForm(forms.Form):
    """The next stage of a version."""

    after = forms.ChoiceField(label="Next stage", widget=forms.RadioSelect)
    former = forms.ChoiceField(
        label="The version deployed now",
        choices=(("retire", "Retire it"), ("keep", "Keep it deployed beside this one")),
        widget=forms.RadioSelect,
        required=False,
    )
    reason = _text("Reason", required=False, help_text="Needed for a step back.", rows=2)
    expected = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, steps: Sequence[Stage], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["after"].choices = [(s.value, s.label) for s in steps]  # type: ignore[attr-defined]


class AttestationForm(forms.Form):
    """A person's word on a control."""

    framework = forms.CharField(widget=forms.HiddenInput)
    control = forms.CharField(widget=forms.HiddenInput)
    applies = forms.ChoiceField(
        label="Your word",
        choices=(("yes", "It is met, as said below"), ("no", "It does not apply to this system")),
        widget=forms.RadioSelect,
        initial="yes",
    )
    text = _text("How, and where that can be seen")
    valid_until = forms.DateField(
        label="Valid until", required=False, widget=DateInput(), help_text="Empty: until withdrawn."
    )

    def clean_framework(self) -> str:
        found: str = self.cleaned_data["framework"]
        if found not in {f.name for f in frameworks()}:
            raise forms.ValidationError("There is no such framework.")
        return found
