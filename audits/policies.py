"""An organisation's policies: built-in packs copied in, texts of their own, versions that never change.

A policy is the engine's TOML. What is stored is that text, its digest, and its parsed form; a run takes one
version, whose digest goes into the plan.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import NamedTuple

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from accounts.models import Organisation, User
from assay import contracts
from assay.errors import BadInput, BadPolicy
from assay.policy import check_policy, list_packs, load_policy
from assay.policy.loading import parse_policy
from assay.registry import METHODS
from audits.models import Policy, PolicyVersion
from audits.signals import policy_changed
from trail.services import record

__all__ = [
    "Place",
    "adopt_pack",
    "archive_policy",
    "create_policy",
    "new_policy_version",
    "place_of_error",
    "read_policy",
    "restore_policy",
]

_FILE = "the policy"


def read_policy(toml: str) -> contracts.Policy:
    """Parse and check a policy's text.

    Raises:
        BadPolicy: names the line or rule and what would be right.
    """
    content = parse_policy(toml.encode("utf-8", "surrogatepass"), _FILE)
    check_policy(content, [method.spec for method in METHODS.all()], _FILE)
    return content


class Place(NamedTuple):
    """Where in a policy's text an error is: its line, counted from 1, and the lines around it."""

    line: int
    around: list[tuple[int, str]]


def place_of_error(toml: str, message: str) -> Place | None:
    """The place that a BadPolicy's message is about; None where it is about the whole."""
    lines = toml.splitlines()
    found: int | None = None
    if match := re.search(r"(?:at line|, line) (\d+)", message):
        found = int(match[1])
    elif "at end of document" in message:
        found = len(lines)
    elif match := re.search(r'\brules? (?:"(?P<id>[^"]+)"|(?P<number>\d+))', message):
        heads = [n for n, line in enumerate(lines, 1) if line.strip() == "[[rule]]"]
        if match["number"]:
            number = int(match["number"])
            found = heads[number - 1] if 0 < number <= len(heads) else None
        else:
            wanted = re.compile(rf'\s*id\s*=\s*["\']{re.escape(match["id"])}["\']')
            found = next((n for n, line in enumerate(lines, 1) if wanted.match(line)), None)
            found = _line_in_rule(lines, found, message) if found else None
    elif match := re.search(r'unknown key "([^"]+)"', message):
        wanted = re.compile(rf"\s*{re.escape(match[1])}\s*=")
        found = next((n for n, line in enumerate(lines, 1) if wanted.match(line)), None)
    if found is None or not lines:
        return None
    found = min(max(found, 1), len(lines))
    first = max(found - 3, 0)
    return Place(found, list(enumerate(lines[first : found + 2], first + 1)))


def adopt_pack(organisation: Organisation, pack: str, by: User) -> PolicyVersion:
    """A built-in pack as a policy of the organisation; adopting it again gives the same version.

    Where Assay brings a newer text of a pack that the organisation has, that becomes a new version.

    Raises:
        BadPolicy: there is no such pack.
    """
    names = [content.id for content in list_packs()]
    if pack.lower().replace("_", "-") not in (name.replace("_", "-") for name in names):
        raise BadPolicy(f'There is no policy pack "{pack}". Packs: {", ".join(names)}.')
    content, data = load_policy(pack)
    with transaction.atomic():
        policy = _named(organisation, content.title)
        known = policy.versions.filter(sha256=sha256(data).hexdigest()).first() if policy else None
        if policy is not None and policy.archived_at is not None:
            policy.archived_at = None
            policy.save(update_fields=["archived_at"])
        if known is not None:
            return known
        if policy is None:
            policy = Policy.objects.create(organisation=organisation, name=content.title)
        return _add(policy, content, data.decode(), by)


def create_policy(organisation: Organisation, toml: str, by: User) -> PolicyVersion:
    """A policy of the organisation's own; its title in the text is its name.

    Raises:
        BadPolicy: the text is no policy.
        BadInput: there is a policy of that name.
    """
    content = read_policy(toml)
    with transaction.atomic():
        name = content.title[:120]
        if _named(organisation, name) is not None:
            raise BadInput(
                f'There is a policy "{name}" already: give this one another title, or add it there '
                "as a version."
            )
        policy = Policy.objects.create(organisation=organisation, name=name)
        return _add(policy, content, toml, by)


def new_policy_version(policy: Policy, toml: str, by: User) -> PolicyVersion:
    """Another text of a policy. The newest text again adds nothing and gives the newest version.

    Raises:
        BadPolicy: the text is no policy.
        BadInput: its version name is taken by another text, or the policy is archived.
    """
    content = read_policy(toml)
    digest = sha256(toml.encode()).hexdigest()
    with transaction.atomic():
        policy = Policy.unscoped.select_for_update(no_key=True).get(pk=policy.pk)
        if policy.archived_at is not None:
            raise BadInput(f'The policy "{policy}" is archived; restore it first.')
        newest: PolicyVersion | None = policy.versions.order_by("-number").first()
        if newest is not None and newest.sha256 == digest:
            return newest
        taken = next((v for v in policy.versions.all() if v.content.get("version") == content.version), None)
        if taken is not None:
            raise BadInput(
                f'Version "{content.version}" of this policy is another text (number {taken.number}): '
                "reports name it, so give this text a version of its own."
            )
        return _add(policy, content, toml, by)


def archive_policy(policy: Policy, by: User) -> None:
    """Offer a policy no longer for new audits; runs and reports keep their version of it."""
    _archive(policy, by, archived=True)


def restore_policy(policy: Policy, by: User) -> None:
    """Offer an archived policy again."""
    _archive(policy, by, archived=False)


def _archive(policy: Policy, by: User, *, archived: bool) -> None:
    with transaction.atomic():
        policy = Policy.unscoped.select_for_update(no_key=True).get(pk=policy.pk)
        if (policy.archived_at is not None) == archived:
            return
        policy.archived_at = timezone.now() if archived else None
        policy.save(update_fields=["archived_at"])
        action = "policy.archived" if archived else "policy.restored"
        record(policy.organisation_id, action, "policy", policy.pk, actor_id=by.pk)


def _named(organisation: Organisation, name: str) -> Policy | None:
    # Whoever adds a policy holds the organisation, so that two at once agree on one.
    Organisation.objects.select_for_update(no_key=True).get(pk=organisation.pk)
    found: Policy | None = Policy.objects.of(organisation).filter(name=name).first()
    return found


def _add(policy: Policy, content: contracts.Policy, toml: str, by: User) -> PolicyVersion:
    number = (policy.versions.aggregate(top=Max("number"))["top"] or 0) + 1
    made: PolicyVersion = PolicyVersion.objects.create(
        organisation_id=policy.organisation_id,
        policy=policy,
        number=number,
        toml=toml,
        sha256=sha256(toml.encode()).hexdigest(),
        content=content.model_dump(mode="json"),
        created_by=by,
    )
    record(
        policy.organisation_id,
        "policy.written",
        "policy_version",
        made.pk,
        actor_id=by.pk,
        facts={
            "policy": str(policy.pk),
            "number": number,
            "sha256": made.sha256,
            "rules": len(content.rules),
        },
        payload={"title": content.title, "version": content.version},
    )
    policy_changed.send(PolicyVersion, policy_version=made)
    return made


def _line_in_rule(lines: list[str], start: int, message: str) -> int:
    """The line of the key that the message names, within the rule whose id is on line `start`."""
    keys = re.findall(
        r"\b(minimum_n|target_minimum|target_maximum|minimum|maximum|severity|required|tolerance|over|slice|at|"
        r"measure|title|source|why|action)\b",
        message.split(":", 1)[-1],
    ) + re.findall(r'unknown key "([^"]+)"', message)
    if 'measures "' in message:
        keys.insert(0, "measure")
    for key in keys:
        for number in range(start, len(lines)):
            if lines[number].strip() == "[[rule]]":
                break
            if re.match(rf"\s*{re.escape(key)}\s*=", lines[number]):
                return number + 1
    return start
