"""What every page's frame shows: the organisation, the person's role, and what waits for them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from accounts.permissions import PERMISSIONS, may

__all__ = ["shell"]


def shell(request: HttpRequest) -> dict[str, Any]:
    """`organisation`, `role`, and `can` (permission -> bool) for pages of an organisation; `theme`: light,
    dark, or empty for the system's choice."""
    organisation = getattr(request, "organisation", None)
    theme = request.COOKIES.get("theme", "")
    if theme not in ("light", "dark"):
        theme = ""
    if organisation is None:
        return {"organisation": None, "role": None, "can": {}, "theme": theme, "mail_works": _mail()}
    can = {name: may(request.user, name, organisation) for name in PERMISSIONS}  # type: ignore[arg-type]
    return {
        "organisation": organisation,
        "role": getattr(request, "role", None),
        "can": can,
        "theme": theme,
        "mail_works": _mail(),
    }


def _mail() -> bool:
    return bool(settings.ENV.email_url)
