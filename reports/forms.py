"""Forms of reports."""

from __future__ import annotations

from django import forms

from reports.models import Document

__all__ = ["RevokeForm"]


class RevokeForm(forms.Form):
    """Why a report is taken back."""

    category = forms.ChoiceField(
        label="Kind of reason",
        choices=[
            ("", "Choose…"),
            *((value, label[0].upper() + label[1:]) for value, label in Document.Category.choices),
        ],
        help_text="The public page says this.",
    )
    reason = forms.CharField(
        label="Reason",
        widget=forms.Textarea({"rows": 5}),
        max_length=4_000,
        help_text="Members of your organisation read this; the public page does not say it.",
    )
