"""Forms of accounts. What they check is shape; what may be done, the services decide."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth.password_validation import password_validators_help_text_html, validate_password

from accounts.api_auth import SCOPES
from accounts.models import Role, User
from accounts.names import validate_name

__all__ = ["InviteForm", "JoinForm", "NameForm", "OrganisationForm", "RoleForm", "ThemeForm", "TokenForm"]


class InviteForm(forms.Form):
    email = forms.EmailField(label="E-mail address", max_length=254)
    role = forms.ChoiceField(
        choices=Role.choices,
        initial=Role.ENGINEER,
        help_text="Who asks for a review never decides on it, whatever the role.",
    )


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)


class JoinForm(forms.Form):
    """A new person's name and password."""

    name = forms.CharField(
        max_length=120,
        label="Your name",
        help_text="As printed in reports that you sign.",
        widget=forms.TextInput({"autocomplete": "name"}),
        validators=[validate_name],
    )
    password = forms.CharField(
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
        help_text=password_validators_help_text_html(),
        strip=False,
    )

    def __init__(self, email: str, *args: Any, **kwargs: Any) -> None:
        self._email = email
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if password := found.get("password"):
            try:
                validate_password(password, User(email=self._email, name=found.get("name", "")))
            except forms.ValidationError as error:
                self.add_error("password", error)
        return found


class NameForm(forms.Form):
    name = forms.CharField(
        max_length=120,
        label="Your name",
        help_text="As printed in reports that you sign.",
        widget=forms.TextInput({"autocomplete": "name"}),
        validators=[validate_name],
    )


class ThemeForm(forms.Form):
    theme = forms.ChoiceField(
        choices=(("system", "As the system"), ("light", "Light"), ("dark", "Dark")), label="Colours"
    )


class OrganisationForm(forms.Form):
    name = forms.CharField(max_length=120, validators=[validate_name])
    timezone = forms.ChoiceField(
        label="Time zone",
        choices=lambda: [(zone, zone.replace("_", " ")) for zone in sorted(available_timezones())],
        initial="UTC",
        help_text="Pages show times in it; schedules fire in it.",
    )


class TokenForm(forms.Form):
    name = forms.CharField(
        max_length=80,
        label="What it is for",
        help_text='For example "CI of the scoring team".',
        validators=[validate_name],
    )
    scopes = forms.MultipleChoiceField(
        choices=[
            (scope, words)
            for scope, words in (
                ("read", "Read"),
                ("write", "Register, upload, start audits and remedies"),
                ("review", "Decide on reviews"),
                ("rows", "Look at single rows of audits"),
                ("manage", "Change members and the organisation, erase rows and words"),
            )
            if scope in SCOPES
        ],
        initial=["read"],
        widget=forms.CheckboxSelectMultiple,
        label="It may",
        help_text="Never more than your role allows.",
    )
    days = forms.IntegerField(min_value=1, max_value=366, initial=90, label="Days until it ends")
