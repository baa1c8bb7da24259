"""The page of a forgotten password, which says so where no mail can be sent."""

from __future__ import annotations

import logging
from typing import Any

from allauth.account.views import PasswordResetView
from django.http import HttpResponse

__all__ = ["PasswordReset"]

_log = logging.getLogger(__name__)


class PasswordReset(PasswordResetView):  # type: ignore[misc]
    def form_valid(self, form: Any) -> HttpResponse:
        """Every address is mailed, known or not, so that the answer tells nothing about accounts."""
        try:
            answer: HttpResponse = super().form_valid(form)
        except OSError as error:
            _log.error("Mail cannot be sent, so no password was reset: %s: %s", type(error).__name__, error)
            form.add_error(
                None, "Mail cannot be sent at the moment, so no link is on its way. Try again later."
            )
            answer = self.form_invalid(form)
            answer.status_code = 503
        return answer
