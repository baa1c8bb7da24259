"""Reviews in each state, made through the services; and people who can sign."""

from __future__ import annotations

import time
from hashlib import sha256
from typing import Any

from django.test import Client

from accounts.models import User
from accounts.services import add_member
from assay.policy.loading import parse_policy
from audits.models import Finding, PolicyVersion, Run
from compliance import services
from compliance.checklist import checklist_of
from compliance.models import Review
from tests import factory
from tests.conftest import People
from tests.sample import policy_version

__all__ = [
    "answered",
    "approved",
    "colleague",
    "confirmed",
    "in_review",
    "judged_run",
    "submitted",
    "yes_to_all",
]


def colleague(people: People, role: str, name: str) -> User:
    """One more member."""
    made = User(email=f"{name}.{people.organisation.slug}@example.org", name=name.title())
    made.set_unusable_password()
    made.save()
    add_member(people.organisation, made, role, by=people.owner)
    return made


STRICT = """
[[rule]]
id = "accuracy-of-all"
title = "Accuracy <b>of all</b>"
measure = "performance.accuracy"
minimum = 0.999
severity = "critical"
source = "A limit that nothing keeps"

[[rule]]
id = "f1-of-all"
title = "F1 of all"
measure = "performance.f1"
minimum = 0.999
severity = "high"
source = "A limit that nothing keeps"
"""


def strict_policy(people: People, name: str = "Lending") -> PolicyVersion:
    """The general pack with two limits that every model breaks."""
    found = policy_version(people, name=name)
    toml = (found.toml + STRICT).encode()
    found.toml, found.sha256 = toml.decode(), sha256(toml).hexdigest()
    found.content = parse_policy(toml).model_dump(mode="json")
    found.save()
    return found


def judged_run(people: People, **more: Any) -> Run:
    """A measured run under a policy, with findings that want replies."""
    return factory.measured_run(people, policy=strict_policy(people), **more)


def answered(run: Run, by: User) -> Run:
    """With management's reply to everything that wants one."""
    for finding in services.unanswered(run):
        services.reply(finding, run, "Known. Mended in the next version.", "Reweigh", by=by)
    return run


def submitted(people: People, run: Run, **more: Any) -> Review:
    answered(run, people.engineer)
    return services.submit_review(run, people.engineer, "Please look at it.", **more)


def in_review(people: People, run: Run, **more: Any) -> Review:
    return services.take(submitted(people, run, **more), people.reviewer)


def yes_to_all(run: Run) -> list[dict[str, Any]]:
    return [{"text": i.text, "done": True} for i in checklist_of(run, services.snapshot_of(run))]


def approved(people: People, run: Run, *, purpose: str = "deployed", **more: Any) -> Review:
    review = in_review(people, run, purpose_stage=purpose)
    return services.decide(
        review, people.reviewer, "approved", "Good enough.", checklist=yes_to_all(review.run), **more
    )


def findings(run: Run) -> list[Finding]:
    return list(Finding.objects.of(run.organisation_id).filter(sightings__run=run).order_by("number"))


def confirmed(client: Client, user: User, method: str = "password") -> Client:
    """A browser whose person has just shown again who they are."""
    session = client.session
    session["account_authentication_methods_user"] = str(user.pk)
    session["account_authentication_methods"] = [
        {"method": method, "at": time.time(), "reauthenticated": True}
    ]
    session.save()
    return client
