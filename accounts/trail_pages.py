"""The trail's pages. They live here because the trail itself knows neither people nor pages."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from accounts.access import member
from accounts.models import Membership, User
from accounts.trail_words import link_of, words_of
from trail.models import TrailEntry
from trail.selectors import actions_of, entries_of, head_of
from trail.services import erase_payload, verify

__all__ = ["erase", "trail"]

_PAGE = 50


class Shown(NamedTuple):
    """An entry for readers."""

    entry: TrailEntry
    who: str
    what: str
    link: str
    facts: list[tuple[str, str]]


@require_GET
@member("read_trail")
def trail(request: Any) -> HttpResponse:
    """What was decided, by whom, when; filtered by action and person; `check` recomputes the whole chain."""
    here = request.organisation
    found = entries_of(here.pk)
    action, who, target = (request.GET.get(name, "").strip() for name in ("action", "who", "target"))
    actions = actions_of(here.pk)
    if action in actions:
        found = found.filter(action=action)
    if person := _uuid(who):
        found = found.filter(actor_id=person)
    if thing := _uuid(target):
        found = found.filter(target_id=thing)
    page = Paginator(found, _PAGE).get_page(request.GET.get("page"))
    checked = request.GET.get("check") == "1"
    context = {
        "page": page,
        "shown": _shown(request, list(page.object_list)),
        "head": head_of(here.pk),
        "actions": [(each, words_of(each)) for each in actions],
        "people": Membership.objects.of(here).select_related("user").order_by("user__name"),
        "action": action,
        "who": who,
        "target": target,
        "checked": checked,
        "broken": verify(here.pk) if checked else None,
    }
    return render(request, "accounts/trail.html", context)


@require_http_methods(["GET", "POST"])
@member("manage_organisation")
def erase(request: Any, pk: uuid.UUID) -> HttpResponse:
    """Erase an entry's words; asks first, because it cannot be undone."""
    entry = get_object_or_404(entries_of(request.organisation.pk), pk=pk)
    payload = getattr(entry, "payload", None)
    gone = payload is None or payload.erased_at is not None
    if request.method == "POST":
        if not gone:
            erase_payload(entry, actor_id=request.user.pk)
            messages.success(
                request, f"The words of entry {entry.sequence} are erased. The chain still holds."
            )
        return redirect("accounts:trail", request.organisation.slug)
    return render(
        request,
        "accounts/erase.html",
        {"shown": _shown(request, [entry])[0], "gone": gone},
    )


def _shown(request: Any, entries: list[TrailEntry]) -> list[Shown]:
    names = {
        user.pk: str(user) for user in User.objects.filter(pk__in={e.actor_id for e in entries if e.actor_id})
    }
    return [
        Shown(
            entry,
            names.get(entry.actor_id, "somebody whose account is gone") if entry.actor_id else "Assay itself",
            words_of(entry.action),
            link_of(request.role, request.organisation.slug, entry.target_kind, entry.target_id),
            list(_facts(entry.facts)),
        )
        for entry in entries
    ]


def _facts(facts: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Name and value of each fact, those of inner mappings too; digests shortened."""
    for name, value in facts.items():
        said = f"{above}{name}".replace("_", " ")
        if value is None or value == "":
            continue
        if isinstance(value, dict):
            yield from _facts(value, f"{said}, ")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            yield said, f"{text[:8]}…{text[-4:]}" if _HEX.fullmatch(text) else text


_HEX = re.compile(r"[0-9a-f]{40,}")


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
