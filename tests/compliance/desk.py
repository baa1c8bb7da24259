"""What tests of the review desk's pages share: addresses, a reviewer who can sign, a decision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib.auth.hashers import make_password
from django.test import Client
from django.urls import reverse

from accounts.models import User
from compliance.models import Review
from portal.kept import typed_by
from tests.compliance.made import findings
from tests.conftest import People

__all__ = ["DECISION", "HOSTILE", "PASSWORD", "AsUser", "address", "can_sign", "form_of", "pages"]

AsUser = Callable[[User], Client]
PASSWORD = "a long enough secret"
HOSTILE = "<script>alert(1)</script> #strong[typst] {{ 7|add:7 }}"


def address(people: People, name: str, *args: Any) -> str:
    return reverse(f"compliance:{name}", args=[people.organisation.slug, *args])


def can_sign(person: User) -> User:
    User.objects.filter(pk=person.pk).update(password=make_password(PASSWORD, hasher="md5"))
    person.refresh_from_db()
    return person


DECISION = {
    "outcome": "approved",
    "reason": "Good enough for a pilot.",
    "conditions": "Audit again in June.",
    "valid_until": "2100-06-30",
    "done": ["purpose", "data"],
}


def form_of(client: Client, path: str) -> dict[str, Any]:
    """The hidden fields of the page's form."""
    page = client.get(path)
    return {
        "revision": page.context["form"].initial.get("revision", page.context["form"].data.get("revision")),
        "typed_by": typed_by(page.context["user"]),
    }


def pages(people: People, review: Review) -> dict[str, tuple[str, set[str]]]:
    """Address -> and the roles that may come in."""
    everyone = {"owner", "engineer", "reviewer", "auditor", "operator"}
    version, finding = review.run.subject.model_version_id, findings(review.run)[0].pk
    return {
        "reviews": (address(people, "reviews"), everyone),
        "review": (address(people, "review", review.pk), everyone),
        "submit": (address(people, "submit", review.run_id), {"owner", "engineer"}),
        "reply": (address(people, "reply", finding), {"owner", "engineer"}),
        "stage": (address(people, "stage", version), everyone),
        "controls": (address(people, "controls"), everyone),
        "system": (address(people, "system_controls", review.run.system_id), everyone),
        "attest": (
            address(people, "attest", review.run.system_id) + "?framework=gdpr&control=Art.22(1)",
            {"owner", "engineer"},
        ),
        "take": (address(people, "take", review.pk), {"reviewer"}),
        "give_back": (address(people, "give_back", review.pk), {"reviewer"}),
        "withdraw": (address(people, "withdraw", review.pk), {"owner", "engineer"}),
        "decide": (address(people, "decide", review.pk), {"reviewer"}),
        "revoke": (address(people, "revoke", review.pk), {"owner", "reviewer"}),
    }
