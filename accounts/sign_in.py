"""The form of the sign-in page: an address and a password, nothing else."""

from __future__ import annotations

from typing import Any

from allauth.account.forms import LoginForm

__all__ = ["SignInForm"]


class SignInForm(LoginForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["login"].label = "E-mail address"
        self.fields["password"].help_text = ""
        for name in ("login", "password"):
            self.fields[name].widget.attrs.pop("placeholder", None)
